"""Delays of operations and wires, and the registers that they ask for."""
