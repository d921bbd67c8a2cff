"""What a design uses of a part, estimated without synthesis."""
