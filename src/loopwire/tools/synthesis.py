"""What a written project uses of a part, by Yosys, layer by layer.

Each layer's module is synthesised by itself, and what connects them (feeders, collectors, control) once more with the
layers as black boxes. So the counts add up, two layers keep two cores busy, and a layer that has not changed is not
synthesised again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from loopwire.devices import Device
from loopwire.errors import OutputError
from loopwire.report.built import Built, LayerUse
from loopwire.system.cache import Files, cached
from loopwire.system.folders import temporary_folder
from loopwire.system.programs import stop_all
from loopwire.system.progress import Progress
from loopwire.text.names import file_name
from loopwire.tools.fabrics import RESOURCES, Fabric, uses
from loopwire.tools.yosys import Yosys, find_yosys

BETWEEN = "between the layers"
"""What feeds, collects and controls."""
COUNTS = "counts.json"


@dataclass(frozen=True)
class Piece:
    """Files that are synthesised together.

    Attributes:
        layer: whose they are.
        top: the module.
        sources: SystemVerilog files.
        memories: files that these read.
        boxes: SystemVerilog files of modules that stay black boxes.
    """

    layer: str
    top: str
    sources: tuple[Path, ...]
    memories: tuple[Path, ...]
    boxes: tuple[Path, ...] = ()


def synthesise(
    rtl: Path,
    top: str,
    layers: Mapping[str, str],
    fabric: Fabric,
    device: Device | None,
    timeout_s: float | None = None,
    progress: Progress | None = None,
) -> Built:
    """Return what a design takes.

    Args:
        rtl: folder of its files, a module each.
        top: its top module.
        layers: the layer of each module that is one's.
        fabric: how to synthesise.
        device: whose shares are given; None: no shares.
        timeout_s: that Yosys may take for a layer.
        progress: called with the pieces done and all pieces.

    Raises:
        ToolError: Yosys is missing, fails or takes too long.
    """
    yosys = find_yosys()
    work = pieces(rtl, top, layers)
    cells: dict[str, Mapping[str, int]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # The longest first, so that none is left alone at the end.
        ordered = sorted(work, key=lambda piece: -sum(file.stat().st_size for file in piece.sources))
        futures = {pool.submit(cell_counts, yosys, piece, fabric, timeout_s): piece for piece in ordered}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                cells[futures[future].top] = future.result()
                if progress is not None:
                    progress(done, len(work))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise
    used = {piece.layer: dict.fromkeys(RESOURCES, 0) for piece in work}
    for piece in work:
        times = 1 if piece.top == top else cells[top].get(piece.top, 0)
        for name, count in fabric.resources(cells[piece.top]).items():
            used[piece.layer][name] += times * count
    total = {name: sum(row[name] for row in used.values()) for name in RESOURCES}
    return Built(
        str(yosys),
        "synthesised",
        resources=uses(total, device),
        part=fabric.name if device is None else device.name,
        layers=tuple(LayerUse(layer, uses(row, None)) for layer, row in used.items()),
        limits=fabric.limits,
    )


def pieces(rtl: Path, top: str, layers: Mapping[str, str]) -> list[Piece]:
    """Return the layers' pieces, in the layers' order, and what connects them."""
    parts = []
    for module, layer in layers.items():
        sources, memories = needed_files(rtl, module)
        parts.append(Piece(layer, module, sources, memories))
    sources, memories = needed_files(rtl, top, boxes=tuple(layers))
    boxes = tuple(rtl / f"{module}.sv" for module in layers)
    read = dict.fromkeys(memory for piece in parts for memory in piece.memories)  # black boxes are read as a whole
    parts.append(Piece(BETWEEN, top, sources, (*memories, *read), boxes))
    return parts


def needed_files(rtl: Path, top: str, boxes: Sequence[str] = ()) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the source and the memory files of a module and of all that it instantiates but `boxes`.

    A module is in the file of its name.

    Raises:
        OutputError: a file is called as none of a project is.
    """
    names = [file_name(path.name, str(rtl), OutputError) for path in rtl.iterdir()]
    modules = {name.removesuffix(".sv"): rtl / name for name in names if name.endswith(".sv")}
    modules = {module: path for module, path in modules.items() if module not in boxes}
    files = {name: rtl / name for name in names if not name.endswith(".sv")}
    sources: dict[Path, None] = {}
    memories: dict[Path, None] = {}
    pending = [modules[top]]
    while pending:
        path = pending.pop(0)
        if path in sources:
            continue
        sources[path] = None
        words = dict.fromkeys(re.findall(r"[\w.]+", path.read_text()))
        pending += [modules[word] for word in words if word in modules]
        memories |= {files[word]: None for word in words if word in files}
    return tuple(sources), tuple(memories)


def cell_counts(yosys: Yosys, piece: Piece, fabric: Fabric, timeout_s: float | None) -> dict[str, int]:
    """Return how many cells of each type a piece becomes, from the cache where it is known.

    Raises:
        ToolError: Yosys fails or takes too long.
    """
    files = (*piece.sources, *piece.memories, *piece.boxes)
    commands = (
        *(f"read_verilog -sv -lib {path.name}" for path in piece.boxes),
        f"read_verilog -sv -defer {' '.join(path.name for path in piece.sources)}",
        *fabric.commands(piece.top),
        f"tee -o {COUNTS} stat -json",
    )

    def make() -> Files:
        with temporary_folder() as place:
            for path in files:
                shutil.copy(path, place)
            return yosys.run(commands, place, (COUNTS,), timeout_s)

    key = [str(yosys).encode(), *(line.encode() for line in commands)]
    key += [part for path in files for part in (path.name.encode(), path.read_bytes())]
    cells: dict[str, int] = json.loads(cached("yosys", key, make)[COUNTS])["design"]["num_cells_by_type"]
    return cells
