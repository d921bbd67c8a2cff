"""Vitis HLS and Vivado HLS."""
