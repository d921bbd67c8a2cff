"""Study the networks: from events to trained models, types, curves, knobs and proven designs, on one page."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from examples.study import hls4ml_emulation
from examples.study.data import task_data
from examples.study.designs import DesignsStudy
from examples.study.networks import NETWORKS, Network
from examples.study.page import markdown, write_page
from examples.study.stages import Facts, NumbersStudy, Settings, digest_of
from loopwire.errors import LoopwireError

HLS4ML_EVENTS = 1000


def study(name: str, network: Network, folder: Path | None, out: Path, settings: Settings) -> Facts:
    """Study one network: run what is due, return what each stage measured.

    Args:
        name: of the network, which its folder in `out` takes.
        network: what is studied.
        folder: of events; None: they are made, or the bundled ones.
        out: folder of all results.
        settings: how much is done.
    """
    data = task_data(network.task.name, folder, out / "events", settings.quick)
    print(f"{name}: {data.source}", flush=True)
    numbers = NumbersStudy(name, network, data, out / name, settings)
    facts = numbers.run()
    model, stages = numbers.model_path, numbers.stages
    if hls4ml_emulation.is_installed():
        inputs = data.test.inputs[:HLS4ML_EVENTS]
        facts["hls4ml"] = stages.once(
            "hls4ml", (digest_of(model), len(inputs)), lambda: hls4ml_emulation.compare(model, inputs)
        )
    else:
        print(f"{name}: hls4ml is left out. bench/hls4ml_environment.sh installs it", flush=True)
    designs = DesignsStudy(network, model, numbers.types_path, data.test.inputs, stages, settings).run()
    return {**facts, **designs}


def main() -> None:
    """Run the study that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m examples.study", description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), help="which")
    parser.add_argument("--full", action="store_true", help="full trainings, and more simulated sequences a proof")
    parser.add_argument("--data", type=Path, help="folder of events; without it, $LOOPWIRE_DATA or events made here")
    parser.add_argument("--synth", action="store_true", help="synthesise the goals' designs for both AMD parts")
    parser.add_argument("--route", action="store_true", help="place and route the goals' designs on an ECP5")
    parser.add_argument("--workers", type=int, help="processes of this machine that try types")
    parser.add_argument("--scheduler", help="address of a Dask scheduler whose workers try types instead")
    parser.add_argument("--out", type=Path, default=Path("build/study"), help="[default: build/study]")
    chosen = parser.parse_args()
    named = os.environ.get("LOOPWIRE_DATA")
    folder = chosen.data or (Path(named) if named else None)
    if folder is not None and not folder.is_dir():
        parser.error(
            f"{folder}: there is no such folder. Put jets_train.npz, jets_test.npz, flavour_train.npz and "
            "flavour_test.npz there (`python -m examples.jets.generate` and examples.flavour.generate make them) and "
            "ant.ndjson, bee.ndjson and so on (of the data set Quick, Draw!), or leave --data out: events are then "
            "made here"
        )
    settings = Settings(not chosen.full, chosen.synth, chosen.route, chosen.workers, chosen.scheduler)
    start = time.perf_counter()
    try:
        studies = {name: study(name, NETWORKS[name], folder, chosen.out, settings) for name in chosen.networks}
    except LoopwireError as error:
        raise SystemExit(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit("interrupted: the same command goes on from here") from None
    command = "python -m examples.study" + (" --full" if chosen.full else "")
    page = write_page(studies, chosen.out, command)
    print(markdown(studies, command))
    print(f"{time.perf_counter() - start:.0f} s. Page: {page}")


if __name__ == "__main__":
    main()
