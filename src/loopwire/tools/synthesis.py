"""What a written project uses of a part, by Yosys, layer by layer.

Each layer's module is synthesised by itself, and what connects them (feeders, collectors, control) once more with the
layers as black boxes. So the counts add up, two layers keep two cores busy, and a layer that has not changed is not
synthesised again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loopwire.devices import Device
from loopwire.errors import OutputError, ToolError
from loopwire.report.built import Built, LayerUse
from loopwire.system.cache import Files, cached
from loopwire.system.folders import temporary_folder
from loopwire.system.programs import stop_all
from loopwire.system.progress import Progress
from loopwire.system.workers import Threads, Workers
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
        sources: SystemVerilog files, by name.
        memories: files that these read.
        boxes: SystemVerilog files of modules that stay black boxes.
    """

    layer: str
    top: str
    sources: Files
    memories: Files
    boxes: Files = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """What the synthesis of all pieces shares.

    Attributes:
        yosys: that is used.
        fabric: how it is used.
        timeout_s: that it may take for a piece.
    """

    yosys: Yosys
    fabric: Fabric
    timeout_s: float | None


def synthesise(
    rtl: Path,
    top: str,
    layers: Mapping[str, str],
    fabric: Fabric,
    device: Device | None,
    timeout_s: float | None = None,
    progress: Progress | None = None,
    workers: Workers | None = None,
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
        workers: of `system.workers`; None: a thread for each core of this machine.

    Raises:
        ToolError: Yosys is missing, fails or takes too long.
    """
    yosys = find_yosys()
    work = pieces(rtl, top, layers)
    # The longest first, so that none is left alone at the end.
    ordered = sorted(work, key=lambda piece: -sum(map(len, piece.sources.values())))
    cells: dict[str, Mapping[str, int]] = {}
    try:
        for place, counts in (workers or Threads()).run(cell_counts, Work(yosys, fabric, timeout_s), ordered):
            cells[ordered[place].top] = counts
            if progress is not None:
                progress(len(cells), len(work))
    except BaseException:
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
        parts.append(Piece(layer, module, _contents(sources), _contents(memories)))
    sources, memories = needed_files(rtl, top, boxes=tuple(layers))
    boxes = [rtl / f"{module}.sv" for module in layers]
    read = {name: content for piece in parts for name, content in piece.memories.items()}  # black boxes are read whole
    parts.append(Piece(BETWEEN, top, _contents(sources), {**_contents(memories), **read}, _contents(boxes)))
    return parts


def _contents(paths: Iterable[Path]) -> Files:
    return {path.name: path.read_bytes() for path in paths}


def needed_files(rtl: Path, top: str, boxes: Sequence[str] = ()) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the source and the memory files of a module and of all that it instantiates but `boxes`.

    A module is in the file of its name. A file counts as needed where a text has its name as a word, be it a signal's
    or a comment's: Yosys elaborates only what is instantiated, so one too many changes nothing.

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


def cell_counts(work: Work, piece: Piece) -> dict[str, int]:
    """Return how many cells of each type a piece becomes, from the cache where it is known: what runs on a worker.

    Raises:
        ToolError: Yosys fails, takes too long, or is another one here.
    """
    yosys = find_yosys()
    if yosys != work.yosys:
        remedy = "Install the same on all workers"
        raise ToolError("synthesis", f"a worker has {yosys}, and the command {work.yosys}", remedy)
    files = {**piece.sources, **piece.memories, **piece.boxes}
    commands = (
        *(f"read_verilog -sv -lib {name}" for name in piece.boxes),
        f"read_verilog -sv -defer {' '.join(piece.sources)}",
        *work.fabric.commands(piece.top),
        f"tee -o {COUNTS} stat -json",
    )

    def make() -> Files:
        with temporary_folder() as place:
            for name, content in files.items():
                (place / name).write_bytes(content)
            return yosys.run(commands, place, (COUNTS,), work.timeout_s)

    key = [str(yosys).encode(), *(line.encode() for line in commands)]
    key += [part for name, content in files.items() for part in (name.encode(), content)]
    cells: dict[str, int] = json.loads(cached("yosys", key, make)[COUNTS])["design"]["num_cells_by_type"]
    return cells
