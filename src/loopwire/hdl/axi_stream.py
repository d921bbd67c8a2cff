"""How vectors of integers lie in AXI4-Stream beats.

Ref: Arm IHI 0051B, "AMBA AXI-Stream Protocol Specification": TDATA is a whole number of bytes, TKEEP a bit for each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from loopwire.ir.fixed_point import Integers

Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Beats:
    """Beats of many sequences, one sequence after the other.

    Attributes:
        lanes: integers [n_beats, lanes]; 0 where a lane holds no element.
        kept: vectors that each beat holds; 1 where it holds a part of one [n_beats].
        lengths: beats of each sequence [n_sequences].
    """

    lanes: Integers
    kept: Counts
    lengths: Counts


@dataclass(frozen=True, slots=True)
class Sideband:
    """What comes with a sequence besides data: labels of its first beat, which leave with its results, and TLAST.

    Attributes:
        fresh: whether bit 0 of TUSER at the input, but not at the output, says that a channel starts anew.
        user_bits: bits of TUSER that are handed on, such as an event's number.
        id_bits: bits of TID, handed on too; 0: there is none.
        channels: TID of sequence k must be k mod `channels`, and another channel's is dropped; 1: it can be anything.
        strict: whether every sequence ends with TLAST, so that what is longer than the longest is cut off.
    """

    fresh: bool = False
    user_bits: int = 0
    id_bits: int = 0
    channels: int = 1
    strict: bool = False

    def of_input(self, index: int) -> Sideband:
        """Return what comes with an input: labels with the first one, the rest with all."""
        return self if index == 0 else Sideband(fresh=self.fresh, strict=self.strict)

    @property
    def tuser_bits(self) -> int:
        """Bits of TUSER at the input."""
        return self.fresh + self.user_bits

    @property
    def label_bits(self) -> int:
        """Bits of TID and TUSER at the output."""
        return self.user_bits + self.id_bits

    def users(self, sequences: int) -> Counts:
        """Return what a simulation gives as TUSER with each sequence, without `fresh`: all bits take both values."""
        return (np.arange(sequences) * 0x9E3779B1 >> 3) & ((1 << self.user_bits) - 1)

    def ids(self, sequences: int) -> Counts:
        """Return what a simulation gives as TID with each sequence."""
        numbers = np.arange(sequences)
        return numbers % self.channels if self.channels > 1 else numbers & ((1 << self.id_bits) - 1)


NO_SIDEBAND = Sideband()


@dataclass(frozen=True, slots=True)
class BeatFormat:
    """Vectors of `count` elements of `width` bits each, in beats.

    A beat holds `vectors_per_beat` vectors, or a vector takes `beats_per_vector` beats; one of the two is 1. Lane k of
    a beat occupies bits [k · lane_bits +: lane_bits] of TDATA and holds one element: its vectors' elements in order, or
    the next part of them. An element's sign fills the rest of its lane, or zero where the elements are unsigned; lanes
    without an element are zero, as is what `bus_bits` leaves above the last lane. TKEEP, there where a beat can hold
    several vectors, is 1 for the bytes of those that it holds.
    """

    count: int
    width: int
    signed: bool
    vectors_per_beat: int = 1
    beats_per_vector: int = 1
    bus_bits: int | None = None

    def __post_init__(self) -> None:
        assert self.count >= 1 and self.width >= 1 and 1 in (self.vectors_per_beat, self.beats_per_vector)
        assert self.bus_bits is None or (self.bus_bits % 8 == 0 and self.bus_bits >= self.lanes * self.lane_bits)

    def on_bus(self, bus_bits: int, most_vectors: int) -> BeatFormat:
        """Return the format on a TDATA of `bus_bits`, at least a lane, for sequences of at most `most_vectors`."""
        if bus_bits >= self.vector_bits:
            return replace(self, vectors_per_beat=min(bus_bits // self.vector_bits, most_vectors), bus_bits=bus_bits)
        return replace(self, beats_per_vector=-(-self.count // (bus_bits // self.lane_bits)), bus_bits=bus_bits)

    @property
    def lane_bits(self) -> int:
        """Bits from one element to the next: the width in whole bytes."""
        return (self.width + 7) // 8 * 8

    @property
    def vector_bits(self) -> int:
        """Bits of a vector's lanes."""
        return self.count * self.lane_bits

    @property
    def lanes(self) -> int:
        """Lanes in a beat."""
        if self.beats_per_vector == 1:
            return self.vectors_per_beat * self.count
        assert self.bus_bits is not None
        return self.bus_bits // self.lane_bits

    @property
    def bits(self) -> int:
        """Width of TDATA, a multiple of 8."""
        return self.bus_bits or self.lanes * self.lane_bits

    @property
    def keep_bits(self) -> int:
        """Width of TKEEP, 0 where there is none."""
        return self.bits // 8 if self.vectors_per_beat > 1 else 0

    @property
    def keep_bytes(self) -> int:
        """The same in whole bytes."""
        return -(-self.keep_bits // 8)

    def beat_counts(self, lengths: npt.ArrayLike) -> Counts:
        """Return the beats that sequences of a given number of vectors take."""
        return -(-np.asarray(lengths, np.int64) // self.vectors_per_beat) * self.beats_per_vector

    def beats(self, vectors: Integers, lengths: Counts) -> Beats:
        """Return the beats of sequences.

        Args:
            vectors: integers [n_vectors, count], one sequence after the other.
            lengths: vectors of each sequence [n_sequences].
        """
        counts = self.beat_counts(lengths)
        if self.beats_per_vector > 1:
            padded = np.zeros((len(vectors), self.beats_per_vector * self.lanes), vectors.dtype)
            padded[:, : self.count] = vectors
            return Beats(padded.reshape(-1, self.lanes), np.ones(counts.sum(), np.int64), counts)
        skipped = counts * self.vectors_per_beat - lengths
        places = np.arange(len(vectors)) + np.repeat(np.cumsum(skipped) - skipped, lengths)
        padded = np.zeros((counts.sum() * self.vectors_per_beat, self.count), vectors.dtype)
        padded[places] = vectors
        kept = np.full(counts.sum(), self.vectors_per_beat)
        kept[np.cumsum(counts) - 1] -= skipped
        return Beats(padded.reshape(-1, self.lanes), kept, counts)

    def vectors(self, beats: Beats) -> tuple[Integers, Counts]:
        """Return what `beats` was given: vectors, and how many each sequence has."""
        starts = np.cumsum(beats.lengths) - beats.lengths
        lengths: Counts = np.add.reduceat(beats.kept, starts) // self.beats_per_vector
        if self.beats_per_vector > 1:
            return beats.lanes.reshape(-1, self.beats_per_vector * self.lanes)[:, : self.count], lengths
        places = np.arange(self.vectors_per_beat) < beats.kept[:, np.newaxis]
        return beats.lanes.reshape(-1, self.vectors_per_beat, self.count)[places], lengths

    def pack(self, values: npt.ArrayLike) -> Bytes:
        """Return the bytes of TDATA, lowest first: integers [..., lanes] → uint8 [..., bits / 8]."""
        integers = np.asarray(values)
        assert integers.shape[-1:] == (self.lanes,), f"shape {integers.shape} is no beat of {self.lanes} lanes"
        lane_bytes = self.lane_bits // 8
        shape = (*integers.shape[:-1], self.lanes * lane_bytes)
        data = np.zeros((*integers.shape[:-1], self.bits // 8), np.uint8)
        if integers.size == 0:
            return data
        low = -(1 << (self.width - 1)) if self.signed else 0
        high = (1 << (self.width - self.signed)) - 1
        assert low <= integers.min() and integers.max() <= high, f"values outside {low}..{high}"
        if self._fits_int64:
            words = np.ascontiguousarray(integers, "<i8").view(np.uint8)
            data[..., : shape[-1]] = words.reshape(-1, 8)[:, :lane_bytes].reshape(shape)
        else:
            packed = (int(value).to_bytes(lane_bytes, "little", signed=self.signed) for value in integers.flat)
            data[..., : shape[-1]] = np.frombuffer(b"".join(packed), np.uint8).reshape(shape)
        return data

    def unpack(self, data: Bytes) -> Integers:
        """Return the integers of a beat's bytes: uint8 [..., bits / 8] → int64 (or object) [..., lanes].

        A lane is read whole, so that wrong padding shows as a value outside the elements' range.
        """
        assert data.shape[-1:] == (self.bits // 8,), f"shape {data.shape} is no beat of {self.bits // 8} bytes"
        lane_bytes = self.lane_bits // 8
        shape = (*data.shape[:-1], self.lanes)
        lanes = np.ascontiguousarray(data[..., : self.lanes * lane_bytes]).reshape(-1, lane_bytes)
        if self._fits_int64:
            words = np.zeros((len(lanes), 8), np.uint8)
            words[:, 8 - lane_bytes :] = lanes
            left_aligned = words.view("<i8" if self.signed else "<u8")
            return (left_aligned >> (64 - self.lane_bits)).astype(np.int64).reshape(shape)
        integers = np.empty(len(lanes), object)
        integers[:] = [int.from_bytes(lane.tobytes(), "little", signed=self.signed) for lane in lanes]
        return integers.reshape(shape)

    def pack_keep(self, kept: Counts) -> Bytes:
        """Return the bytes of TKEEP, lowest first: vectors that each beat holds [n] → uint8 [n, keep_bytes]."""
        ones = np.arange(8 * self.keep_bytes) < (kept * self.vector_bits // 8)[:, np.newaxis]
        return np.packbits(ones, axis=1, bitorder="little")

    def unpack_keep(self, keep: Bytes) -> Counts:
        """Return what `pack_keep` was given; -1 for a TKEEP that it does not make."""
        if not self.keep_bits:
            return np.ones(len(keep), np.int64)
        kept = np.unpackbits(keep, axis=1, bitorder="little").sum(axis=1, dtype=np.int64) * 8 // self.vector_bits
        possible = (self.pack_keep(kept) == keep).all(axis=1) & (kept >= 1)
        return np.where(possible, kept, -1)

    @property
    def _fits_int64(self) -> bool:
        return self.lane_bits + (not self.signed) <= 64


@dataclass(frozen=True, slots=True)
class StreamPort:
    """An AXI4-Stream of a module: `axis` begins the names of its signals, and `format` tells how vectors lie in beats.

    A full sequence has `steps` vectors there, fewer where it is `short`.
    """

    axis: str
    format: BeatFormat
    steps: int
    short: bool


@dataclass(frozen=True)
class Sequences:
    """Vectors [n_vectors, count] of sequences at a port, one after the other, and the vectors of each [n_sequences].

    `fresh` is bit 0 of TUSER of each sequence's first beat, for an input that has it; None: low.
    """

    vectors: Integers
    lengths: Counts
    fresh: npt.NDArray[np.bool_] | None = None
