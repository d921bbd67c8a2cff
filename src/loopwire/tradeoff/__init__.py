"""What a nanosecond, a share of a part and a per mille of accuracy cost one another: many designs, and the best."""
