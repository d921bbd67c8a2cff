"""Keras models that are graphs: every form that is read, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

L = keras.layers
STEPS, FEATURES = 5, 3


def sequence(name: str = "x", steps: int = STEPS, features: int = FEATURES) -> Any:
    return keras.Input((steps, features), name=name)


def vector(name: str = "v", size: int = 4) -> Any:
    return keras.Input((size,), name=name)


def merged(layer: Any) -> Any:
    x, v = sequence(), vector("v", 4)
    return keras.Model([x, v], layer([L.LSTM(4)(x), v]))


def merged_sequences(layer: Any) -> Any:
    x = sequence()
    a, b = L.LSTM(4, return_sequences=True)(x), L.GRU(4, return_sequences=True)(x)
    return keras.Model(x, L.TimeDistributed(L.Dense(2))(layer([a, b])))


def bidirectional(cell: Any, **options: Any) -> Any:
    x = sequence()
    return keras.Model(x, L.Bidirectional(cell, **options)(x))


def two_different() -> Any:
    x = sequence()
    backward = L.LSTM(2, return_sequences=True, go_backwards=True, activation="relu")
    return keras.Model(x, L.Bidirectional(L.LSTM(4, return_sequences=True), backward_layer=backward)(x))


def stacked_bidirectional() -> Any:
    x = sequence()
    y = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    return keras.Model(x, L.Dense(2)(L.Bidirectional(L.GRU(3))(y)))


def bidirectional_states() -> Any:
    x, y = sequence(), sequence("y")
    z, h1, c1, h2, c2 = L.Bidirectional(L.LSTM(3, return_state=True))(x)
    again = L.Bidirectional(L.LSTM(3))(y, initial_state=[h1, c1, h2, c2])
    return keras.Model([x, y], [z, again])


def encoder_decoder() -> Any:
    x, y = sequence(), sequence("y", 4, 2)
    _, h, c = L.LSTM(4, return_state=True)(x)
    decoded = L.LSTM(4, return_sequences=True)(y, initial_state=[h, c])
    return keras.Model([x, y], L.TimeDistributed(L.Dense(2))(decoded))


def autoencoder() -> Any:
    x = sequence()
    decoded = L.LSTM(4, return_sequences=True)(L.RepeatVector(STEPS)(L.LSTM(4)(x)))
    return keras.Model(x, L.TimeDistributed(L.Dense(FEATURES))(decoded))


def state_from_input() -> Any:
    x, h = sequence(), vector("h", 4)
    y, last = L.GRU(4, return_sequences=True, return_state=True)(x, initial_state=h)
    return keras.Model([x, h], [y, last])


def residuals() -> Any:
    x, v = sequence(), vector("v", 3)
    y = L.GRU(3, return_sequences=True)(x)
    y = L.Add()([x, y])
    z = L.Add()([y, L.GRU(3, return_sequences=True)(y)])
    last = L.GRU(3)(z)
    return keras.Model([x, v], {"head": L.Dense(2)(L.Add()([last, v])), "steps": L.TimeDistributed(L.Dense(2))(z)})


def shared() -> Any:
    x, y = sequence(), sequence("y")
    encoder, dense = L.LSTM(4), L.Dense(3)
    return keras.Model([x, y], L.Subtract()([dense(encoder(x)), dense(encoder(y))]))


def nested() -> Any:
    inner = keras.Sequential([keras.Input((STEPS, FEATURES)), L.LSTM(4), L.BatchNormalization(), L.Dense(3)])
    v = vector("v", 3)
    deeper = keras.Model(v, L.Dense(2, name="dense")(keras.Sequential([keras.Input((3,)), L.Dense(3)])(v)))
    x, y = sequence(), sequence("y")
    return keras.Model([x, y], [deeper(inner(x)), inner(y)])


def functional_in_sequential() -> Any:
    x = sequence()
    inner = keras.Model(x, L.Concatenate()([L.LSTM(3)(x), L.GRU(2)(x)]))
    return keras.Sequential([keras.Input((STEPS, FEATURES)), L.Dense(3), inner, L.Dense(2)])


def two_heads() -> Any:
    x = sequence()
    y = L.LSTM(4)(x)
    return keras.Model(x, [L.Dense(2, activation="softmax")(y), L.Dense(1, activation="sigmoid")(y)])


def conditioned() -> Any:
    x, v = sequence(), vector("v", 2)
    both = L.Concatenate()([x, L.RepeatVector(STEPS)(v)])
    return keras.Model([x, v], L.GRU(3, return_sequences=True)(both))


def self_attention() -> Any:
    x = sequence()
    y = L.GRU(4, return_sequences=True)(x)
    y = L.Add()([y, L.MultiHeadAttention(2, 3)(y, y)])
    return keras.Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(y)))


def cross_attention() -> Any:
    x, y = sequence(), sequence("y", 4, 2)
    key = L.Dense(5)(y)
    attention = L.MultiHeadAttention(2, 2, value_dim=3, output_shape=4, use_bias=False)
    return keras.Model([x, y], attention(query=x, value=y, key=key, use_causal_mask=False))


def stacked_cells() -> Any:
    x = sequence()
    cells = [L.LSTMCell(4), L.GRUCell(3), L.LSTMCell(2, use_bias=False)]
    y, *states = L.RNN(cells, return_state=True, return_sequences=True, go_backwards=True)(x)
    return keras.Model(
        x, [y, L.RNN([L.SimpleRNNCell(3), L.LSTMCell(2)])(y), L.Concatenate()(keras.tree.flatten(states))]
    )


def stacked_states() -> Any:
    x, y = sequence(), sequence("y")
    _, *states = L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_state=True)(x)
    return keras.Model([x, y], L.RNN([L.LSTMCell(3), L.GRUCell(2)])(y, initial_state=states))


def conv_lstm() -> Any:
    x = keras.Input((STEPS, 4, 2), name="x")
    y = L.ConvLSTM1D(2, 3, padding="same", return_sequences=True, activation="relu")(L.ReLU()(x))
    last, *states = L.ConvLSTM1D(3, 2, return_state=True, go_backwards=True, use_bias=False)(L.BatchNormalization()(y))
    return keras.Model(x, [y, L.Dense(2)(L.GlobalMaxPooling1D()(last)), *states])


def conv_lstm_of_vectors(**options: Any) -> Any:
    x = sequence(features=10)
    y = L.ConvLSTM1D(2, 3, return_sequences=True, **options)(L.Reshape((STEPS, 5, -1))(x))
    return keras.Model(x, L.GRU(3)(L.TimeDistributed(L.Flatten())(y)))


def attention(layer: Any) -> Any:
    x, y = sequence(), sequence("y", 4)
    return keras.Model([x, y], [layer([x, y]), L.Attention()([y, L.Dense(2)(x), x])])


def repeated() -> Any:
    v = vector("v", 3)
    return keras.Model(v, L.RepeatVector(4)(v))


def sequential_of_steps() -> Any:
    x = sequence()
    inner = [L.Dense(4, activation="relu"), L.Dropout(0.1), L.BatchNormalization(), L.LayerNormalization(), L.Dense(2)]
    return keras.Model(x, L.GRU(3)(L.TimeDistributed(keras.Sequential([keras.Input((FEATURES,)), *inner]))(x)))


def functional_of_steps() -> Any:
    """A residual in which a model is, beside another one with layers of the same names."""
    v = vector("v", FEATURES)
    branch = keras.Sequential([vector("u", FEATURES), L.Dense(FEATURES, name="one"), L.PReLU(), L.Softmax()])
    y = L.Concatenate()([L.Add()([v, branch(v)]), L.Flatten()(L.Dense(2, name="two")(v))])
    inner, x = keras.Model(v, L.Dense(3, name="three")(y)), sequence()
    other = keras.Sequential([keras.Input((FEATURES,)), L.Dense(3, name="one"), L.LayerNormalization()])
    steps, others = L.TimeDistributed(inner)(x), L.TimeDistributed(other)(x)
    return keras.Model(x, L.TimeDistributed(L.Dense(2, name="two"))(L.Multiply()([steps, others])))


def masked_model_of_steps() -> Any:
    x = sequence()
    inner = keras.Sequential([keras.Input((FEATURES,)), L.Dense(3), L.Flatten(), L.LayerNormalization()])
    return keras.Model(x, L.GRU(3)(L.TimeDistributed(inner)(L.Masking()(L.ReLU(threshold=3.0)(x)))))


def dot_products() -> Any:
    """Along each pair of axes of sequences and vectors."""
    x, y, v = sequence(), sequence("y", 4), vector("v", STEPS)
    h, last = L.GRU(4, return_sequences=True, return_state=True)(x)
    pairs = {1: [x, h], 2: [x, y], (1, 2): [y, L.Dense(4)(x)], (2, 1): [h, y]}
    sums = [L.Dot(axes=axes)(pair) for axes, pair in pairs.items()]
    weighed = [L.Dot(axes=1)([v, x]), L.Dot(axes=(1, 2))([last, h]), L.Dot(axes=(2, 1))([h, last])]
    return keras.Model([x, y, v], [*sums, *weighed])


def pooled_by_shares() -> Any:
    x = sequence()
    h = L.LSTM(3, return_sequences=True)(x)
    shares = L.Softmax(axis=1)(L.Dense(1, activation="tanh")(h))
    return keras.Model(x, L.Dense(2)(L.Flatten()(L.Dot(axes=1)([shares, h]))))


def masked_attention() -> Any:
    """Of masks that thresholds make, so that many steps are hidden."""
    x, y = sequence(), sequence("y", 4)
    query, value = (L.Masking()(L.ReLU(threshold=2.0)(each)) for each in (x, y))
    heads = L.MultiHeadAttention(1, 2, value_dim=3)(query, value, use_causal_mask=True)
    return keras.Model([x, y], [heads, L.AdditiveAttention()([query, value])])


def sequences_of_sequences() -> Any:
    """A model of each step, which is a sequence itself, with branches, both directions and a mask in it."""
    s, x = keras.Input((4, 2)), keras.Input((3, 4, 2), name="x")
    y = L.Bidirectional(L.GRU(2, return_sequences=True))(L.Conv1D(2, 2, padding="same")(s))
    last = L.LSTM(2)(L.Masking()(L.ReLU()(s)))
    inner = keras.Model(s, L.Dense(3)(L.Concatenate()([L.GlobalMaxPooling1D()(y), last])))
    return keras.Model(x, L.LSTM(2)(L.TimeDistributed(inner)(x)))


GRAPHS: dict[str, Callable[[], Any]] = {
    **{f"vectors_{c.__name__.lower()}": (lambda c=c: merged(c())) for c in (L.Add, L.Multiply, L.Average, L.Maximum)},
    "vectors_subtract": lambda: merged(L.Subtract()),
    "vectors_minimum": lambda: merged(L.Minimum()),
    "vectors_concatenate": lambda: merged(L.Concatenate()),
    "vectors_dot": lambda: merged(L.Dot(axes=1)),
    "sequences_add": lambda: merged_sequences(L.Add()),
    "sequences_average": lambda: merged_sequences(L.Average()),
    "sequences_concatenate": lambda: merged_sequences(L.Concatenate()),
    **{f"bidirectional_{m}": (lambda m=m: bidirectional(L.LSTM(3), merge_mode=m)) for m in ("concat", "sum", "ave")},
    "bidirectional_none": lambda: bidirectional(L.GRU(3, return_sequences=True), merge_mode=None),
    "bidirectional_mul": lambda: bidirectional(L.SimpleRNN(3, return_sequences=True), merge_mode="mul"),
    "two_different": two_different,
    "stacked_bidirectional": stacked_bidirectional,
    "bidirectional_states": bidirectional_states,
    "encoder_decoder": encoder_decoder,
    "autoencoder": autoencoder,
    "state_from_input": state_from_input,
    "residuals": residuals,
    "shared": shared,
    "nested": nested,
    "functional_in_sequential": functional_in_sequential,
    "two_heads": two_heads,
    "conditioned": conditioned,
    "repeated": repeated,
    "stacked_cells": stacked_cells,
    "stacked_states": stacked_states,
    "conv_lstm": conv_lstm,
    "conv_lstm_stride": lambda: conv_lstm_of_vectors(strides=2, padding="same"),
    "conv_lstm_dilation": lambda: conv_lstm_of_vectors(dilation_rate=2),
    "self_attention": self_attention,
    "cross_attention": cross_attention,
    "attention_scaled": lambda: attention(L.Attention(use_scale=True)),
    "attention_concat": lambda: attention(L.Attention(use_scale=True, score_mode="concat")),
    "attention_concat_unscaled": lambda: attention(L.Attention(score_mode="concat", dropout=0.5)),
    "attention_additive": lambda: attention(L.AdditiveAttention()),
    "attention_additive_unscaled": lambda: attention(L.AdditiveAttention(use_scale=False)),
    "sequential_of_steps": sequential_of_steps,
    "functional_of_steps": functional_of_steps,
    "masked_model_of_steps": masked_model_of_steps,
    "dot_products": dot_products,
    "pooled_by_shares": pooled_by_shares,
    "masked_attention": masked_attention,
    "sequences_of_sequences": sequences_of_sequences,
}
