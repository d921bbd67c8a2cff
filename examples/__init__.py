"""Examples: data, training and study of three networks. Run from the root: `python -m examples.jets.train`."""
