"""Training on the hardware's numbers."""
