"""Layers whose types are trained: they bring their quantisers, and a configuration has no say in their numbers."""
