"""What graphs of operations compute, in real numbers and in integers; the integers define the hardware."""
