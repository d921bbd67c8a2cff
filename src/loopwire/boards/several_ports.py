"""Designs with several ports on a board: one stream of bytes each way.

Of each sequence, a full one, come the beats of all inputs in turn, then leave those of all outputs, each as wide as the
widest port's. Nothing waits for ever: a port that has to wait for another one keeps a whole sequence
(docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from loopwire.hdl.axi_stream import BeatFormat, Bytes
from loopwire.hdl.layout import LINE_LENGTH
from loopwire.ir.fixed_point import Integers
from loopwire.ir.types import FixedType

TURNS = "loopwire_turns"
BYTE = FixedType.parse("ufixed<8,8>")


@dataclass(frozen=True)
class BoardPort:
    """A port of a design: the tensor's name, its stream's, and how a full sequence of `steps` vectors lies in beats."""

    name: str
    axis: str
    type: FixedType
    format: BeatFormat
    steps: int

    @property
    def beats(self) -> int:
        """Beats of a full sequence."""
        return int(self.format.beat_counts(self.steps))

    @property
    def bytes(self) -> int:
        """Bytes of a beat."""
        return self.format.bits // 8


@dataclass(frozen=True)
class Side:
    """All inputs, or all outputs, of a design."""

    ports: tuple[BoardPort, ...]

    @classmethod
    def of(cls, facts: Mapping[str, Mapping[str, Any]]) -> Side:
        """Read `inputs` or `outputs` of a `design.json`.

        Raises:
            ValueError: they contradict one another.
        """
        return cls(tuple(_port(name, port) for name, port in facts.items()))

    @property
    def bytes(self) -> int:
        """Bytes of a beat of the stream that carries all."""
        return max(port.bytes for port in self.ports)

    @property
    def beats(self) -> int:
        """Beats of a sequence on that stream."""
        return sum(port.beats for port in self.ports)

    def together(self, integers: Sequence[Integers]) -> Bytes:
        """Return the beats (N, beats, bytes) of full sequences, an array (N, ...) for each port."""
        parts = []
        for port, array in zip(self.ports, integers, strict=True):
            vectors, lengths = array.reshape(-1, port.format.count), np.full(len(array), port.steps)
            data = port.format.pack(port.format.beats(vectors, lengths).lanes).reshape(len(array), port.beats, -1)
            parts.append(np.pad(data, ((0, 0), (0, 0), (0, self.bytes - port.bytes))))
        return np.concatenate(parts, axis=1)

    def apart(self, data: Bytes) -> list[Integers]:
        """Return the vectors (N, steps, count) of each port that beats (N, beats, bytes) carry."""
        found, start = [], 0
        for port in self.ports:
            beats = data[:, start : start + port.beats, : port.bytes].reshape(-1, port.bytes)
            start += port.beats
            lengths = np.full(len(data), port.steps)
            like = port.format.beats(np.zeros((len(data) * port.steps, port.format.count), np.int64), lengths)
            vectors, _ = port.format.vectors(replace(like, lanes=port.format.unpack(beats)))
            found.append(vectors.reshape(len(data), port.steps, port.format.count))
        return found


def _port(name: str, port: Mapping[str, Any]) -> BoardPort:
    element = FixedType.parse(port["type"])
    format = BeatFormat(
        port["elements"],
        element.width,
        element.signed,
        port["vectors_per_beat"],
        port["beats_per_vector"],
        port["bits"],
    )
    return BoardPort(name, port["stream"], element, format, port["steps"])


def one_stream_module(name: str, top: str, inputs: Side, outputs: Side, remembers: bool) -> str:
    """Return the text of a module `name` with one stream each way around the design `top`.

    In one that `remembers`, only a reset begins anew.
    """
    pins = [".aclk", ".aresetn"]
    lines: list[str] = []
    for k, port in enumerate(inputs.ports):
        format = port.format
        pins += [
            f".{port.axis}_tdata(s_axis_tdata[{format.bits - 1}:0])",
            f".{port.axis}_tvalid(s_axis_tvalid && to_turn[{k}])",
            f".{port.axis}_tready(to_ready[{k}])",
            f".{port.axis}_tlast(to_last)",
            *([f".{port.axis}_tuser(1'b0)"] if remembers else []),
        ]
        if format.keep_bits:
            (row,) = format.pack_keep(np.array([(port.steps - 1) % format.vectors_per_beat + 1]))
            (full,) = format.pack_keep(np.array([format.vectors_per_beat]))
            of_last, usual = (f"{format.keep_bits}'h{int.from_bytes(r.tobytes(), 'little'):x}" for r in (row, full))
            pins.append(f".{port.axis}_tkeep(to_last ? {of_last} : {usual})")
    for k, port in enumerate(outputs.ports):
        lines.append(f"  logic [{port.format.bits - 1}:0] from_data_{k};")
        pins += [
            f".{port.axis}_tdata(from_data_{k})",
            f".{port.axis}_tvalid(from_valid[{k}])",
            f".{port.axis}_tready(from_turn[{k}] && m_axis_tready)",
            f".{port.axis}_tlast(unused_last[{k}])",
        ]
        if port.format.keep_bits:
            lines.append(f"  logic [{port.format.keep_bits - 1}:0] unused_keep_{k};")
            pins.append(f".{port.axis}_tkeep(unused_keep_{k})")
    bits = 8 * outputs.bytes
    data = [f"({{{bits}{{from_turn[{k}]}}}} & {bits}'(from_data_{k}))" for k in range(len(outputs.ports))]
    joined = " | ".join(data)
    if len(joined) > LINE_LENGTH:
        joined = "\n      | ".join(data)
    pins += [".status_framing_error", ".status_overrun"]
    return "\n".join(
        [
            f"// {top} with one stream each way: of each sequence, a full one, the beats of all inputs in turn,",
            "// then those of all outputs.",
            f"module {name} (",
            "    input  logic aclk,",
            "    input  logic aresetn,",
            f"    input  logic [{8 * inputs.bytes - 1}:0] s_axis_tdata,",
            "    input  logic s_axis_tvalid,",
            "    output logic s_axis_tready,",
            "    input  logic s_axis_tlast,   // of no meaning",
            f"    output logic [{bits - 1}:0] m_axis_tdata,",
            "    output logic m_axis_tvalid,",
            "    input  logic m_axis_tready,",
            "    output logic m_axis_tlast,",
            "    output logic status_framing_error,",
            "    output logic status_overrun",
            ");",
            f"  logic [{len(inputs.ports) - 1}:0] to_turn, to_ready;",
            f"  logic [{len(outputs.ports) - 1}:0] from_turn, from_valid, unused_last;",
            "  logic to_last, from_last;",
            *lines,
            *_turns("to", inputs, "s_axis_tvalid && s_axis_tready"),
            *_turns("from", outputs, "m_axis_tvalid && m_axis_tready"),
            "  assign s_axis_tready = |(to_turn & to_ready);",
            "  assign m_axis_tvalid = |(from_turn & from_valid);",
            f"  assign m_axis_tlast = from_last && from_turn[{len(outputs.ports) - 1}];",
            f"  assign m_axis_tdata = {joined};",
            f"  {top} design_i (",
            ",\n".join(f"      {pin}" for pin in pins),
            "  );",
            f"endmodule : {name}",
            "",
        ]
    )


def _turns(name: str, side: Side, moves: str) -> list[str]:
    bits = max(port.beats for port in side.ports).bit_length()
    beats = ", ".join(f"{bits}'d{port.beats}" for port in reversed(side.ports))
    return [
        f"  {TURNS} #(.PORTS({len(side.ports)}), .BITS({bits}), .BEATS({{{beats}}})) {name}_turns (",
        f"      .aclk, .aresetn, .moves({moves}), .turn({name}_turn), .last({name}_last)",
        "  );",
    ]
