"""Files that the processes of a design share: constants and activation tables, each written once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from loopwire.ir.fixed_point import Integers
from loopwire.ir.functions import Symmetry
from loopwire.ir.graph import Value
from loopwire.ir.table_form import TableForm
from loopwire.targets.vitis_hls.cxx import (
    Scope,
    TypeNames,
    ap_type,
    array_bits,
    constant_array,
    indented,
    signed_bits,
)
from loopwire.text.escapes import comment
from loopwire.text.identifiers import Identifier
from loopwire.text.names import FileName

LUTRAM_BITS = 8192
"""ROMs up to this size go to LUTs (64 bits each on UltraScale+, AMD UG574), larger ones to block RAM."""


@dataclass
class Library:
    """Collects what processes ask for; `types` are the types of all tensors, `asked` the files' paths."""

    types: TypeNames
    files: dict[FileName, Sequence[str]] = field(default_factory=dict)
    asked: set[FileName] = field(default_factory=set)
    _arrays: dict[tuple[Value, bool], Identifier] = field(default_factory=dict)
    _tables: dict[tuple[TableForm, str, str], Identifier] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        """The names of the design."""
        return self.types.scope

    def array(self, value: Value, integers: Integers, columns_first: bool = False) -> Identifier:
        """Return the name of a constant's array; of a matrix, a column after the other if `columns_first`."""
        key = (value, columns_first)
        if key not in self._arrays:
            name = self.scope.names.unique(self.scope.value(value))
            self._arrays[key] = name
            element = value.type.element
            shape = " × ".join(map(str, value.type.shape))
            order = ", a column of the matrix after the other" if columns_first else ""
            layer = f", layer {value.layer}" if value.layer else ""
            about = comment(f"{value.name}{layer}: {shape} elements {element},")
            counted = comment(f"in steps of 2^{-element.fraction}{order}.")
            given = np.swapaxes(integers, -1, -2) if columns_first else integers
            text = constant_array(name, given, array_bits(integers))
            self.files[FileName(f"weights/{name}.h")] = [about, counted, text]
        self.asked.add(FileName(f"weights/{self._arrays[key]}.h"))
        return self._arrays[key]

    def table(self, form: TableForm, operand: Value, result: Value) -> Identifier:
        """Return the name of a table's function for operands of one type."""
        key = (form, ap_type(self.types.element(operand)), ap_type(self.types.element(result)))
        if key not in self._tables:
            owner = f"{self.scope.layers.layer(result.layer)}_" if result.layer else ""
            name = self.scope.names.unique(f"{owner}{form.function}")
            self._tables[key] = name
            text = table_text(name, form, self.types.of(operand), self.types.of(result))
            self.files[FileName(f"tables/{name}.h")] = text
        self.asked.add(FileName(f"tables/{self._tables[key]}.h"))
        return self._tables[key]

    def asked_files(self) -> set[FileName]:
        """Return the files asked for since the last call."""
        asked, self.asked = self.asked, set()
        return asked


def table_text(name: Identifier, form: TableForm, x_type: str, y_type: str) -> list[str]:
    """Return the function that evaluates a table, with its ROMs: the equations of `TableForm`."""
    step_in, step_out = 2.0**-form.fraction_in, form.out.step
    held = (form.low, form.high, form.clamp_low, form.clamp_high, 0)
    m_bits = signed_bits(min(held), max(held)) + bool(form.symmetry)
    u_bits = max(signed_bits(0, form.clamp_high - form.clamp_low), m_bits) + 1
    body = [
        f"const integer<{m_bits}> m = {_absolute(m_bits) if form.symmetry else 'integer_of(x)'};",
        f"const integer<{m_bits}> bounded = {_bounded(form, m_bits)};",
        f"const integer<{u_bits}> u = integer<{u_bits}>(bounded) - integer<{u_bits}>({form.clamp_low});",
        f"const int cell = int(u >> {form.dropped_bits});",
    ]
    top = form.low_bits + form.mid_bits
    largest = max(form.base) + max(form.offset, default=0)
    mirrored = 2**form.out.fraction if form.symmetry is Symmetry.COMPLEMENT and form.out.fraction >= 0 else 0
    sum_bits = signed_bits(min(*form.base, -largest, 0), max(largest, mirrored)) + 1
    total = (
        f"integer<{sum_bits}>(base[cell >> {form.low_bits}])" if form.low_bits else f"integer<{sum_bits}>(base[cell])"
    )
    if form.offset:
        low = f"(cell & {(1 << form.low_bits) - 1})"
        total += f" + integer<{sum_bits}>(offset[(cell >> {top} << {form.low_bits}) | {low}])"
    body.append(f"const integer<{sum_bits}> total = {total};")
    body.append(f"const integer<{sum_bits}> steps = total >> {form.guard_bits};")
    result = "steps"
    if form.symmetry is Symmetry.ODD:
        result = f"integer_of(x) < 0 ? integer<{sum_bits}>(-steps) : steps"
    elif form.symmetry is Symmetry.COMPLEMENT:
        result = f"integer_of(x) < 0 ? integer<{sum_bits}>({mirrored} - steps) : steps"
    roms = [("base", form.base)] + ([("offset", form.offset)] if form.offset else [])
    lines = [
        f"// {form.function} from {form.clamp_low * step_in:g} to {form.clamp_high * step_in:g} in {form.out},",
        f"// within {form.max_error_steps:.3f} steps of {step_out:g}: {form.entries} entries, {form.rom_bits} bits.",
        f"inline {y_type} {name}(const {x_type} &x) {{",
        "#pragma HLS INLINE off",
        "#pragma HLS PIPELINE II = 1",
    ]
    for rom, entries in roms:
        array = np.array(entries, object)
        lines += indented(constant_array(rom, array, array_bits(array)).splitlines())
        lines.append(f"#pragma HLS BIND_STORAGE variable = {rom} type = rom_1p impl = {rom_memory(array)}")
    lines += indented([*body, f"return fixed_of<{y_type}>({result});"])
    return [*lines, "}"]


def _absolute(bits: int) -> str:
    return f"integer_of(x) < 0 ? integer<{bits}>(-integer<{bits}>(integer_of(x))) : integer<{bits}>(integer_of(x))"


def _bounded(form: TableForm, bits: int) -> str:
    """Return m within the table's domain; m is compared only with ends that it can pass."""
    low, high = (0, max(-form.low, form.high)) if form.symmetry else (form.low, form.high)
    text = "m"
    if high > form.clamp_high:
        text = f"smaller<integer<{bits}>>({text}, {form.clamp_high})"
    if low < form.clamp_low:
        text = f"larger<integer<{bits}>>({text}, {form.clamp_low})"
    return text


def rom_memory(array: Integers) -> str:
    """Return the kind of memory that suits a ROM of these integers."""
    return "lutram" if array.size * array_bits(array) <= LUTRAM_BITS else "bram"
