"""Flavour tagging: the medium network."""
