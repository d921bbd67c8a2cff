"""Beats as senders frame them: well, or in ways that a module mends and tells of by its status outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopwire.hdl.axi_stream import BeatFormat, Beats, Bytes, Counts
from loopwire.ir.fixed_point import Integers


@dataclass(frozen=True)
class Framed:
    """Sequences as a sender frames them: well, or in ways that a module mends and tells of.

    Attributes:
        beats: those sent; what a sequence's last step lacks is 0.
        keep: bytes of TKEEP [n_beats, keep_bytes].
        framing_error: TKEEP has holes or is not full before the last beat, or a last step is cut short.
        overrun: TKEEP tells of vectors beyond the longest sequence.
    """

    beats: Beats
    keep: Bytes
    framing_error: bool
    overrun: bool


def framed_well(format: BeatFormat, beats: Beats) -> Framed:
    """Return beats with the TKEEP that tells what they hold."""
    return Framed(beats, format.pack_keep(beats.kept), framing_error=False, overrun=False)


def break_framing(format: BeatFormat, beats: Beats, most_vectors: int, random: np.random.Generator) -> Framed:
    """Break the framing of a third of the beats without a change of what a module must make of them.

    Where a vector takes several beats, a last step that ends in beats of zeros loses those.

    Args:
        format: how vectors lie in the beats.
        beats: framed well.
        most_vectors: of the longest sequence.
        random: chooses.
    """
    if format.beats_per_vector > 1:
        return _cut_short(format, beats)
    if format.vectors_per_beat == 1:
        return framed_well(format, beats)
    ends = np.cumsum(beats.lengths) - 1
    places = np.arange(format.vectors_per_beat)
    groups = places < beats.kept[:, np.newaxis]
    last = np.isin(np.arange(len(groups)), ends)
    chosen = (random.random(len(groups)) < 1 / 3)[:, np.newaxis]
    noise = random.random(groups.shape) < 0.5
    below = places < beats.kept[:, np.newaxis] - 1
    broken = np.where(chosen & (below | ~last[:, np.newaxis]), groups & noise, groups)
    full = np.zeros(len(groups), np.bool_)
    full[ends] = np.add.reduceat(beats.kept, ends + 1 - beats.lengths) == most_vectors
    beyond = (random.random(len(groups)) < 1 / 3) & full & (beats.kept < format.vectors_per_beat)
    sent = np.where(beyond[:, np.newaxis], True, broken)
    ones = np.zeros((len(groups), 8 * format.keep_bytes), np.bool_)
    vector_bytes = format.vector_bits // 8
    ones[:, : vector_bytes * format.vectors_per_beat] = np.repeat(sent, vector_bytes, axis=1)
    error = bool((np.where(beyond[:, np.newaxis], groups, sent) != groups).any())
    return Framed(beats, np.packbits(ones, axis=1, bitorder="little"), error, bool(beyond.any()))


def _cut_short(format: BeatFormat, beats: Beats) -> Framed:
    parts = np.arange(len(beats.lanes)) % format.beats_per_vector
    zero = np.count_nonzero(beats.lanes, axis=1) == 0
    stays = np.ones(len(zero), np.bool_)
    for end in np.cumsum(beats.lengths) - 1:
        while zero[end] and parts[end] > 0:
            stays[end] = False
            end -= 1
    owner = np.repeat(np.arange(len(beats.lengths)), beats.lengths)
    lengths = np.bincount(owner[stays], minlength=len(beats.lengths)).astype(np.int64)
    sent = Beats(beats.lanes[stays], beats.kept[stays], lengths)
    return Framed(sent, format.pack_keep(sent.kept), not stays.all(), False)


def ending_in_zeros(format: BeatFormat, sequences: Integers, lengths: Counts, random: np.random.Generator) -> Integers:
    """Return sequences [n, most_vectors, count] a third of which end in beats of zeros, where a vector takes several.

    Such a sequence stays the same if its sender leaves those beats out.
    """
    changed = sequences.copy()
    if format.beats_per_vector > 1:
        for sequence in np.flatnonzero(random.random(len(sequences)) < 1 / 3):
            beats = random.integers(1, format.beats_per_vector)
            changed[sequence, lengths[sequence] - 1, beats * format.lanes :] = 0
    return changed
