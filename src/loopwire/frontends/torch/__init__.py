"""PyTorch: programs that `torch.export` saved, and modules in memory, which are exported first."""
