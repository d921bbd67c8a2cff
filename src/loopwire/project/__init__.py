"""The folder that a design is written to: its files, its facts, and what is read of it later."""
