"""Attention that masks hide steps from, or that sees no later steps: Keras's numbers, and all machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import loopwire
from keras_models import keras
from loopwire import CompileConfig
from loopwire.compiler import compile_silently
from loopwire.emulator.evaluate import evaluate_integers
from loopwire.emulator.fast_emulator import try_build
from loopwire.errors import UnsupportedError
from loopwire.frontends.keras.layer import Context, SavedLayer
from loopwire.frontends.keras.masks import Differs, Masks, Named
from loopwire.frontends.keras.saved import LayerEntry
from loopwire.layers.model import ModelBuilder
from loopwire.layers.multi_head_attention import MultiHeadAttention, Projection
from networks import prove

pytestmark = pytest.mark.filterwarnings("ignore")
L = keras.layers
QUERIES, STEPS, FEATURES = 5, 4, 3


def heads() -> Any:
    return L.MultiHeadAttention(2, 3, value_dim=2)


FORMS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "value": lambda q, v, mq, mv: L.Attention()([q, mv]),
    "query and value": lambda q, v, mq, mv: L.Attention(use_scale=True)([mq, mv]),
    "a key's says nothing": lambda q, v, mq, mv: L.Attention()([q, v, mv]),
    "causal": lambda q, v, mq, mv: L.Attention()([q, v], use_causal_mask=True),
    "all": lambda q, v, mq, mv: L.Attention()([mq, mv], use_causal_mask=True),
    "concat": lambda q, v, mq, mv: L.Attention(score_mode="concat")([mq, mv], use_causal_mask=True),
    "additive": lambda q, v, mq, mv: L.AdditiveAttention()([mq, mv]),
    "additive causal": lambda q, v, mq, mv: L.AdditiveAttention()([q, mv], use_causal_mask=True),
    "heads": lambda q, v, mq, mv: heads()(q, mv),
    "heads of a query": lambda q, v, mq, mv: heads()(mq, v),
    "heads, key": lambda q, v, mq, mv: heads()(mq, v, mv),
    "heads, self": lambda q, v, mq, mv: heads()(mq, mq),
    "heads, causal": lambda q, v, mq, mv: heads()(q, q, use_causal_mask=True),
    "heads, all": lambda q, v, mq, mv: heads()(mq, mv, use_causal_mask=True),
    "pooled": lambda q, v, mq, mv: L.GlobalAveragePooling1D()(heads()(mq, mv)),
    "then recurrent": lambda q, v, mq, mv: L.GRU(2)(L.Attention()([mq, mv])),
}


ALONE = ("heads, self", "heads, causal")


def network(form: str) -> Any:
    keras.utils.set_random_seed(3)
    q, v = keras.Input((QUERIES, FEATURES), name="q"), keras.Input((STEPS, FEATURES), name="v")
    result = FORMS[form](q, v, L.Masking()(q), L.Masking()(v))
    return keras.Model([q] if form in ALONE else [q, v], result)


def padded(steps: int, seed: int) -> Any:
    """Sequences whose masked steps are at the start, inside, at the end, everywhere, or nowhere."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (40, steps, FEATURES)).astype(np.float32)
    x[rng.random((40, steps)) < 0.4] = 0
    x[0], x[1, 0], x[2, 1:3], x[3, -2:] = 0, 0, 0, 0
    return x


@pytest.mark.parametrize("form", FORMS)
def test_real_numbers_are_those_of_keras(form: str) -> None:
    made = network(form)
    model = loopwire.load(made)
    names = [tensor.name for tensor in model.inputs]
    given = {"q": padded(QUERIES, 1), "v": padded(STEPS, 2)}
    if form == "pooled":
        given["q"][:, 1] = 1  # of no steps Keras divides by 0
    found = compile_silently(model).predict_float({name: given[name] for name in names})
    expected = made.predict([given[tensor.name] for tensor in made.inputs], verbose=0)
    assert np.abs(np.asarray(found) - expected).max() < 1e-5


@pytest.mark.parametrize("form", FORMS)
def test_fast_emulator_gives_the_integers_of_the_definition(form: str) -> None:
    model = loopwire.load(network(form))
    design = compile_silently(model)
    sequences = {"q": padded(QUERIES, 3), "v": padded(STEPS, 4)}
    integers, _ = design.input_integers({tensor.name: sequences[tensor.name] for tensor in model.inputs}, None)
    fast = try_build(design.graph)
    assert fast is not None
    (found,), (due,) = (run(design.graph, integers.arrays, None) for run in (fast, evaluate_integers))
    assert np.array_equal(found, due)


@pytest.mark.parametrize("form", ["all", "additive causal", "heads, all", "then recurrent"])
def test_hardware_conforms(form: str) -> None:
    settings = {"model": {"precision": "fixed<9,4,RND,SAT>"}, "clock_period_ns": 10}
    prove(compile_silently(loopwire.load(network(form)), CompileConfig.from_dict(settings)))


def test_masked_heads_of_keras_2_are_refused() -> None:
    builder = ModelBuilder()
    x = builder.input("x", (STEPS, FEATURES))
    masks = Masks(builder, str)
    masks.begin(x, frozenset({Differs(x, 0.0)}))
    saved = SavedLayer(LayerEntry("MultiHeadAttention", "heads", {}), Context("model.h5", 2, x.shape), ())
    same = Projection(np.ones((2, FEATURES)), np.zeros(2))
    with pytest.raises(UnsupportedError, match=r"layer 'heads'.*: it attends to steps with a mask, which versions of"):
        masks.read_by(saved, MultiHeadAttention("heads", 1, same, same, same, same), (x, x), Named())
