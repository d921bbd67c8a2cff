"""How a vector of integers lies in one AXI4-Stream beat.

Ref: Arm IHI 0051B, "AMBA AXI-Stream Protocol Specification": TDATA is a whole number of bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loopwire.ir.fixed_point import Integers

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class BeatFormat:
    """A beat of `count` elements of `width` bits each.

    Element k occupies bits [k · lane_bits +: width] of TDATA; the rest of its lane extends its sign, or is
    zero where the elements are unsigned.
    """

    count: int
    width: int
    signed: bool

    def __post_init__(self) -> None:
        assert self.count >= 1 and self.width >= 1

    @property
    def lane_bits(self) -> int:
        """Bits from one element to the next: the width in whole bytes."""
        return (self.width + 7) // 8 * 8

    @property
    def bits(self) -> int:
        """Width of TDATA, a multiple of 8."""
        return self.count * self.lane_bits

    def pack(self, values: npt.ArrayLike) -> Bytes:
        """Return the bytes of TDATA, lowest first: integers [..., count] → uint8 [..., bits / 8]."""
        integers = np.asarray(values)
        assert integers.shape[-1:] == (self.count,), f"shape {integers.shape} is no vector of {self.count}"
        lane_bytes = self.lane_bits // 8
        shape = (*integers.shape[:-1], self.bits // 8)
        if integers.size == 0:
            return np.zeros(shape, np.uint8)
        low = -(1 << (self.width - 1)) if self.signed else 0
        high = (1 << (self.width - self.signed)) - 1
        assert low <= integers.min() and integers.max() <= high, f"values outside {low}..{high}"
        if self._fits_int64:
            words = np.ascontiguousarray(integers, "<i8").view(np.uint8)
            return np.ascontiguousarray(words.reshape(-1, 8)[:, :lane_bytes]).reshape(shape)
        lanes = b"".join(int(value).to_bytes(lane_bytes, "little", signed=self.signed) for value in integers.flat)
        return np.frombuffer(lanes, np.uint8).reshape(shape).copy()

    def unpack(self, data: Bytes) -> Integers:
        """Return the integers of a beat's bytes: uint8 [..., bits / 8] → int64 (or object) [..., count].

        A lane is read whole, so that wrong padding shows as a value outside the elements' range.
        """
        assert data.shape[-1:] == (self.bits // 8,), f"shape {data.shape} is no beat of {self.bits // 8} bytes"
        lane_bytes = self.lane_bits // 8
        shape = (*data.shape[:-1], self.count)
        lanes = np.ascontiguousarray(data).reshape(-1, lane_bytes)
        if self._fits_int64:
            words = np.zeros((len(lanes), 8), np.uint8)
            words[:, 8 - lane_bytes :] = lanes
            left_aligned = words.view("<i8" if self.signed else "<u8")
            return (left_aligned >> (64 - self.lane_bits)).astype(np.int64).reshape(shape)
        integers = np.empty(len(lanes), object)
        integers[:] = [int.from_bytes(lane.tobytes(), "little", signed=self.signed) for lane in lanes]
        return integers.reshape(shape)

    @property
    def _fits_int64(self) -> bool:
        return self.lane_bits + (not self.signed) <= 64
