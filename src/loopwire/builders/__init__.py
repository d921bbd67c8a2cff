"""Vendors' tools that build a written project: a folder a tool with a module `builder`, found by `registry`."""
