"""Which layers do with each step of a sequence what they do with a vector."""

from __future__ import annotations

from loopwire.layers.activation import Activation
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.choice import Choose, Comparison, Hide
from loopwire.layers.dense import Dense
from loopwire.layers.division import Divide, Reciprocal
from loopwire.layers.embedding import Embedding
from loopwire.layers.glu import Glu
from loopwire.layers.merge import Merge
from loopwire.layers.model import Layer
from loopwire.layers.normalization import LayerNormalization
from loopwire.layers.quantised.dense import QuantisedActivation
from loopwire.layers.roots import Elementwise, EuclideanNorm
from loopwire.layers.select import Slice


def is_stepwise(layer: Layer) -> bool:
    """Return whether a layer, given sequences, acts on each step as on a vector."""
    of_values = Activation | Glu | LayerNormalization | BatchNormalization | QuantisedActivation | EuclideanNorm
    of_numbers = Divide | Reciprocal | Elementwise | Comparison | Choose | Hide
    return isinstance(layer, of_values | of_numbers | Dense | Embedding | Merge | Slice)
