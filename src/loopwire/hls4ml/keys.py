"""hls4ml's configuration keys: those that are understood, and why the others have no effect.

Ref: hls4ml 1.3, https://fastmachinelearning.org/hls4ml/api/configuration.html, and the dictionaries that its
`config_from_keras_model` makes. The spellings of older versions (`table_size`, `XilinxPart`) are read as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class NoEffect:
    """Why a key has no effect, and the values with which it asks for nothing else than what is done anyway."""

    why: str
    harmless: tuple[object, ...] = ()


ALIASES = {
    "XilinxPart": "Part",
    "table_size": "TableSize",
    "table_t": "TableT",
    "static": "Static",
    "trace": "Trace",
}
"""Spellings of older versions."""

OWN_RECORD = NoEffect("hls4ml writes it for itself")
WRITER_OPTION = NoEffect("it is about the C++ that hls4ml writes")
NO_CONVOLUTION = NoEffect("no convolution is compiled", ("LineBuffer", 1))
NO_COMPRESSION = NoEffect("weights are not compressed", (False, 0))
SCHEDULED = NoEffect("the schedule follows from the clock period, the reuse factors and `interleave`", ("auto",))
READER_OPTION = NoEffect("Loopwire has one reader of Keras models", (True, False))
PASSES = NoEffect("Loopwire always runs all of its passes")
SOFTMAX_INSIDE = NoEffect("a softmax takes the types inside it from those of its input and its result")

SOFTMAX_SIZES = NoEffect("a softmax has tables of the layer's TableSize, or as large as their error takes")
SOFTMAX_ALWAYS = "a softmax is always computed in full, from the distances to its largest element"

TOP_USED = (
    "KerasModel",
    "KerasJson",
    "KerasH5",
    "OutputDir",
    "ProjectName",
    "InputData",
    "Backend",
    "Part",
    "ClockPeriod",
    "IOType",
    "HLSConfig",
)
TOP_NO_EFFECT: Mapping[str, NoEffect] = {
    "ClockUncertainty": NoEffect("the delay model has its own margin; a smaller ClockPeriod leaves more"),
    "OutputPredictions": NoEffect("the float outputs to compare with come from the model itself"),
    "ProjectDir": NoEffect("the project is OutputDir itself"),
    "Board": NoEffect("the FPGA is given as Part"),
    **dict.fromkeys(("Version", "Stamp", "InputShapes", "OutputShapes"), OWN_RECORD),
    **dict.fromkeys(("WriterConfig", "AcceleratorConfig"), WRITER_OPTION),
    **dict.fromkeys(("Technology", "ASICLibs", "FIFO", "HyperoptHandshake"), WRITER_OPTION),
}

HLS_CONFIG_USED = ("Model", "LayerType", "LayerName")
HLS_CONFIG_NO_EFFECT: Mapping[str, NoEffect] = dict.fromkeys(("Flows", "Optimizers", "SkipOptimizers"), PASSES)

MODEL_USED = ("Precision", "ReuseFactor", "Strategy", "TraceOutput")
MODEL_NO_EFFECT: Mapping[str, NoEffect] = {
    "BramFactor": NoEffect("weights are in ROMs wherever the reuse factor is above 1", (1_000_000_000,)),
    "BitExact": NoEffect("sums and products are always exact", (False,)),
    **dict.fromkeys(("PipelineStyle", "PipelineInterval", "TargetCycles"), SCHEDULED),
    "ConvImplementation": NO_CONVOLUTION,
    "Compression": NO_COMPRESSION,
    **dict.fromkeys(("AllowDAFallback", "AllowV2Fallback"), READER_OPTION),
}

LAYER_USED = (
    "Precision",
    "ReuseFactor",
    "RecurrentReuseFactor",
    "Strategy",
    "TableSize",
    "TableT",
    "Static",
    "Trace",
)
LAYER_NO_EFFECT: Mapping[str, NoEffect] = {
    "Implementation": NoEffect("a softmax always subtracts the largest element first", ("stable",)),
    "Skip": NoEffect("a softmax that is in the model is computed", (False,)),
    "Direction": NoEffect("the model says which way a layer reads", ("forward",)),
    "TargetCycles": SCHEDULED,
    **dict.fromkeys(("ConvImplementation", "ParallelizationFactor"), NO_CONVOLUTION),
    "Compression": NO_COMPRESSION,
    **dict.fromkeys(("exp_table_t", "ExpTableT", "inv_table_t", "InvTableT", "inv_inp_t", "InvInpT"), SOFTMAX_INSIDE),
    **dict.fromkeys(("exp_table_size", "ExpTableSize", "inv_table_size", "InvTableSize"), SOFTMAX_SIZES),
}

TENSORS_USED = (
    "default",
    "result",
    "weight",
    "bias",
    "recurrent_weight",
    "recurrent_bias",
    "accum",
    "table",
    "scale",
)
TENSORS_NO_EFFECT: Mapping[str, NoEffect] = {
    **dict.fromkeys(("exp_table", "inv_table", "inv_inp"), SOFTMAX_INSIDE),
    "param": NoEffect("the slope of an activation is exact"),
    "maximum": NoEffect("types are never wider than asked for"),
}

SHIFT_ADD = "distributed_arithmetic"
"""Of the model it means `multipliers = "shift_add"`."""
STRATEGIES: Mapping[str, str] = {
    **dict.fromkeys(("latency", "stable"), ""),
    **dict.fromkeys(("legacy", "argmax"), SOFTMAX_ALWAYS),
    SHIFT_ADD: "how products are made is one choice for the model",
    **dict.fromkeys(
        ("resource", "unrolled", "resource_unrolled", "compressed"),
        "the reuse factors alone decide how multipliers are shared",
    ),
}
"""Why a layer's strategy has no effect; `latency`, and of a softmax `stable`, is what is done anyway."""
