"""Simulation of generated hardware: SystemVerilog by Verilator, HLS C++ by the C++ compiler."""
