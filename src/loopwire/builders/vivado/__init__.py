"""Vivado."""
