"""What a design takes of a part, estimated without synthesis."""
