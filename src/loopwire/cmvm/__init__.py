"""Products of constant matrices with vectors as trees of shifted additions, and their SystemVerilog."""
