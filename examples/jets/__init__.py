"""Jet tagging: the small network."""
