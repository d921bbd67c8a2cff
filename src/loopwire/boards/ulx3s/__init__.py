"""The ULX3S."""
