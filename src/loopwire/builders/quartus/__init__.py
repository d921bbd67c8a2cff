"""Quartus."""
