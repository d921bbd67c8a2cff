"""Beats as senders frame them: well, or in ways that a module mends and tells of by its status outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loopwire.hdl.axi_stream import NO_SIDEBAND, BeatFormat, Beats, Bytes, Counts, Sideband
from loopwire.ir.fixed_point import Integers

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Framed:
    """Sequences as a sender frames them: well, or in ways that a module mends and tells of.

    Attributes:
        beats: those sent; what a sequence's last step lacks is 0. A module drops what is beyond the longest sequence,
            and first of each sequence so many as `dropped` tells.
        keep: bytes of TKEEP [n_beats, keep_bytes].
        errors: beats whose TKEEP has holes or is not full before the last one, or that cut a vector short [n_beats].
        overruns: beats whose TKEEP tells of vectors beyond the longest sequence, or that should have been its last
            [n_beats].
        dropped: beats before each sequence of one that is not its channel's, ended by TLAST [n_sequences].
    """

    beats: Beats
    keep: Bytes
    errors: Flags
    overruns: Flags
    dropped: Counts


def framed_well(format: BeatFormat, beats: Beats) -> Framed:
    """Return beats with the TKEEP that tells what they hold."""
    none = np.zeros(len(beats.lanes), np.bool_)
    return Framed(beats, format.pack_keep(beats.kept), none, none, np.zeros_like(beats.lengths))


def break_framing(
    format: BeatFormat,
    beats: Beats,
    most_vectors: int,
    random: np.random.Generator,
    sideband: Sideband = NO_SIDEBAND,
) -> Framed:
    """Break the framing of some beats, all in one way, without a change of what a module must make of them.

    Where a beat holds several vectors, TKEEP leaves out the lowest one, even the only one, or one between, or the
    highest ones of a beat before the last, or tells of more vectors than the longest sequence can have. Where a vector
    takes several beats, a last vector that ends in beats of zeros loses those. Where a module drops them, sequences of
    other channels come between, and more beats after the longest.

    Args:
        format: how vectors lie in the beats.
        beats: framed well.
        most_vectors: of the longest sequence.
        random: chooses.
        sideband: what a module drops by TID and TLAST.
    """
    if (sideband.strict or sideband.channels > 1) and random.random() < 1 / 2:
        return _surplus(format, beats, int(format.beat_counts(most_vectors)), random, sideband)
    if format.beats_per_vector > 1:
        return _cut_short(format, beats)
    if format.vectors_per_beat == 1:
        return framed_well(format, beats)
    places, kept = np.arange(format.vectors_per_beat), beats.kept[:, np.newaxis]
    held = places < kept
    ends = np.cumsum(beats.lengths) - 1
    last, full = np.zeros(len(held), np.bool_), np.zeros(len(held), np.bool_)
    last[ends] = True
    full[ends] = np.add.reduceat(beats.kept, ends + 1 - beats.lengths) == most_vectors
    ways = (
        held & (places != 0),
        held & ~((places == 1) & (kept > 2)),
        held & (last[:, np.newaxis] | (places == 0)),
        held | full[:, np.newaxis],
    )
    way = int(random.integers(len(ways)))
    chosen = random.random(len(held)) < 1 / 3
    sent = np.where(chosen[:, np.newaxis], ways[way], held)
    ones = np.zeros((len(held), 8 * format.keep_bytes), np.bool_)
    vector_bytes = format.vector_bits // 8
    ones[:, : vector_bytes * format.vectors_per_beat] = np.repeat(sent, vector_bytes, axis=1)
    keep = np.packbits(ones, axis=1, bitorder="little")
    changed, none = (sent != held).any(axis=1), np.zeros(len(held), np.bool_)
    errors, overruns = (none, changed) if way == len(ways) - 1 else (changed, none)
    return Framed(beats, keep, errors, overruns, np.zeros_like(beats.lengths))


def _surplus(format: BeatFormat, beats: Beats, most: int, random: np.random.Generator, sideband: Sideband) -> Framed:
    """Send what is dropped: sequences of other channels before some, beats beyond the longest sequence after some."""
    count = len(beats.lengths)
    before, after = np.zeros((2, count), np.int64)
    if sideband.channels > 1:
        before = np.where(random.random(count) < 1 / 4, random.integers(1, most, count, endpoint=True), 0)
    if sideband.strict:
        after = np.where((random.random(count) < 1 / 2) & (beats.lengths == most), random.integers(1, 4, count), 0)
    lengths = before + beats.lengths + after
    starts = np.cumsum(lengths) - lengths + before
    own = np.zeros(lengths.sum(), np.bool_)
    for start, length in zip(starts, beats.lengths, strict=True):
        own[start : start + length] = True
    rows = random.integers(0, len(beats.lanes), len(own))
    rows[own] = np.arange(len(beats.lanes))
    sent = Beats(beats.lanes[rows], beats.kept[rows], lengths)
    errors, overruns = np.zeros((2, len(own)), np.bool_)
    errors[(starts - before)[before > 0]] = True
    overruns[(starts + beats.lengths - 1)[after > 0]] = True
    return Framed(sent, format.pack_keep(sent.kept), errors, overruns, before)


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
    # The last beat that stays cuts the vector short.
    cut = np.append(stays[:-1] & ~stays[1:], False)[stays]
    return Framed(sent, format.pack_keep(sent.kept), cut, np.zeros(len(cut), np.bool_), np.zeros_like(lengths))


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
