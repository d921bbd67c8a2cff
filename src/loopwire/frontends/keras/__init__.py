"""Keras 2 and 3: files, and models in memory."""
