"""Training on the hardware's numbers. Needs PyTorch."""

from importlib.util import find_spec

from loopwire.errors import ToolError

if find_spec("torch") is None:
    raise ToolError("training", "PyTorch is not installed", "Install it: pip install 'loopwire[train]'")
