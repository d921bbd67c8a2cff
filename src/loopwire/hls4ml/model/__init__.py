"""hls4ml's `model`: profiles of its tensors."""

from loopwire.hls4ml.model import profiling

__all__ = ["profiling"]
