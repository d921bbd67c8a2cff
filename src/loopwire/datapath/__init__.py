"""What an engine is made of: operations on vectors of integers, small enough to be placed between two registers."""
