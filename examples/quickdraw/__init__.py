"""Drawings in strokes: the large network."""
