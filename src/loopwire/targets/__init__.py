"""What a model is compiled to: a folder a target, found by `registry`.

Each folder has a module `target`, of which `protocol.Target` tells what it holds.
"""
