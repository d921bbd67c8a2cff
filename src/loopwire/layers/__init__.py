"""The layers of a model, and what one needs to write another: docs/own_cell.md.

A layer is a frozen dataclass of its weights and options; its `call` writes its equations with an `Emitter`. A recurrent
one is a `Cell`, whose `step` writes those of a step. All are called on tensors as in Keras:

    x = loopwire.Input((20, 6))
    h = layers.MinGru("cell", kernel, bias)(x)
    model = loopwire.Model.of("tagger", x, layers.Dense("head", weights, bias)(h))
"""

from loopwire.layers.activation import LINEAR, SIGMOID, TANH, Activation, Function, activate
from loopwire.layers.attention import AdditiveAttention, Attention
from loopwire.layers.attention_pooling import AttentionPooling
from loopwire.layers.batch_normalization import BatchNormalization
from loopwire.layers.cell import Cell, State
from loopwire.layers.cells.cfc import Cfc
from loopwire.layers.cells.echo_state import EchoState
from loopwire.layers.cells.fast_grnn import FastGrnn
from loopwire.layers.cells.ind_rnn import IndRnn
from loopwire.layers.cells.janet import Janet
from loopwire.layers.cells.light_gru import LightGru
from loopwire.layers.cells.lru import Lru
from loopwire.layers.cells.mgu import Mgu
from loopwire.layers.cells.min_gru import MinGru
from loopwire.layers.cells.min_lstm import MinLstm
from loopwire.layers.cells.qrnn import Qrnn
from loopwire.layers.cells.sru import Sru
from loopwire.layers.choice import Choose, Comparison, Hide
from loopwire.layers.constant import Constant
from loopwire.layers.dense import Dense
from loopwire.layers.division import Divide, Reciprocal
from loopwire.layers.dot import Dot
from loopwire.layers.each_step import EachStep
from loopwire.layers.embedding import Embedding
from loopwire.layers.emitter import Emitter
from loopwire.layers.equations import GATED, affine, blend, gate, parts, recurrent, state
from loopwire.layers.global_pooling import GlobalAveragePooling, GlobalMaxPooling, GlobalSum
from loopwire.layers.glu import Glu
from loopwire.layers.gru import Gru
from loopwire.layers.loop import Loop
from loopwire.layers.lstm import Lstm
from loopwire.layers.masking import JointMask, Masking, StepMask
from loopwire.layers.matrix_product import MatrixProduct
from loopwire.layers.merge import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from loopwire.layers.model import Input, Layer, Model, OneToOne
from loopwire.layers.multi_head_attention import MultiHeadAttention, Projection
from loopwire.layers.normalization import LayerNormalization, root_mean_square, unit
from loopwire.layers.normalization_over_steps import NormalizationOverSteps
from loopwire.layers.over_steps import OverSteps
from loopwire.layers.prelu import PRelu
from loopwire.layers.recurrent import Recurrent
from loopwire.layers.roles import Role, own_role
from loopwire.layers.roots import EuclideanNorm, InverseSquareRoot, Logarithm, SquareRoot
from loopwire.layers.running_sum import RunningSum
from loopwire.layers.select import Slice, Step
from loopwire.layers.shape import Flatten, RepeatVector, Reshape, Reversed
from loopwire.layers.simple_rnn import SimpleRnn
from loopwire.layers.steps import Cropping, JoinedSteps, Selection, Transpose, UpSampling, ZeroPadding
from loopwire.layers.windows import (
    AveragePooling,
    Convolution,
    MaxPooling,
    SeparableConvolution,
    Window,
)

__all__ = [
    "GATED",
    "LINEAR",
    "SIGMOID",
    "TANH",
    "Activation",
    "Add",
    "AdditiveAttention",
    "Attention",
    "AttentionPooling",
    "Average",
    "AveragePooling",
    "BatchNormalization",
    "Cell",
    "Cfc",
    "Choose",
    "Comparison",
    "Concatenate",
    "Constant",
    "Convolution",
    "Cropping",
    "Dense",
    "Divide",
    "Dot",
    "EachStep",
    "EchoState",
    "Embedding",
    "Emitter",
    "EuclideanNorm",
    "FastGrnn",
    "Flatten",
    "Function",
    "GlobalAveragePooling",
    "GlobalMaxPooling",
    "GlobalSum",
    "Glu",
    "Gru",
    "Hide",
    "IndRnn",
    "Input",
    "InverseSquareRoot",
    "Janet",
    "JoinedSteps",
    "JointMask",
    "Layer",
    "LayerNormalization",
    "LightGru",
    "Logarithm",
    "Loop",
    "Lru",
    "Lstm",
    "Masking",
    "MatrixProduct",
    "MaxPooling",
    "Maximum",
    "Mgu",
    "MinGru",
    "MinLstm",
    "Minimum",
    "Model",
    "MultiHeadAttention",
    "Multiply",
    "NormalizationOverSteps",
    "OneToOne",
    "OverSteps",
    "PRelu",
    "Projection",
    "Qrnn",
    "Reciprocal",
    "Recurrent",
    "RepeatVector",
    "Reshape",
    "Reversed",
    "Role",
    "RunningSum",
    "Selection",
    "SeparableConvolution",
    "SimpleRnn",
    "Slice",
    "SquareRoot",
    "Sru",
    "State",
    "Step",
    "StepMask",
    "Subtract",
    "Transpose",
    "UpSampling",
    "Window",
    "ZeroPadding",
    "activate",
    "affine",
    "blend",
    "gate",
    "own_role",
    "parts",
    "recurrent",
    "root_mean_square",
    "state",
    "unit",
]
