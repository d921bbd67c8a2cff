"""Readers of trained models: a folder a framework, found by `registry`.

Each folder has a module `frontend` with

    accepts(source) -> str | None       what the source is, in words, if it is one of this framework's
    read(source, reading) -> Model      the model

A source is a `Path`, or an object in memory. `accepts` is cheap: it looks at a path's suffix and first bytes, never
further into a file, and imports no framework. `frontend` imports what reads only when it reads.
"""
