"""Designs on real boards: the top module, the link to a host computer, and the host's side of it."""
