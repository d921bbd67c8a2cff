"""The study of all networks: types, curves, latency and area against the knobs."""
