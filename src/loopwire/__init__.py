"""Loopwire compiles trained recurrent neural networks into verified, ultra-low-latency FPGA firmware."""
