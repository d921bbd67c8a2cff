"""Study the networks: from events to trained models, types, curves, knobs and proven designs, on one page."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from examples.study.data import task_data
from examples.study.networks import NETWORKS
from examples.study.page import markdown, write_page
from examples.study.stages import Settings, Study


def main() -> None:
    """Run the study that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m examples.study", description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), help="which")
    parser.add_argument("--full", action="store_true", help="full trainings and 400 simulated sequences a proof")
    parser.add_argument("--data", type=Path, help="folder of events; without it, $LOOPWIRE_DATA or events made here")
    parser.add_argument("--out", type=Path, default=Path("build/study"), help="[default: build/study]")
    chosen = parser.parse_args()
    named = os.environ.get("LOOPWIRE_DATA")
    folder = chosen.data or (Path(named) if named else None)
    if folder is not None and not folder.is_dir():
        parser.error(
            f"{folder}: there is no such folder. Put jets_train.npz, jets_test.npz and their like there, or leave "
            "--data out: events are then made here"
        )
    settings = Settings(quick=not chosen.full)
    start = time.perf_counter()
    studies = {}
    for key in chosen.networks:
        network = NETWORKS[key]
        data = task_data(network.task, folder, chosen.out / "events", settings.quick)
        print(f"{key}: {data.source}", flush=True)
        studies[key] = Study(key, network, data, chosen.out / key, settings).run()
    command = "python -m examples.study" + (" --full" if chosen.full else "")
    page = write_page(studies, chosen.out, command)
    print(markdown(studies, command))
    print(f"{time.perf_counter() - start:.0f} s. Page: {page}")


if __name__ == "__main__":
    main()
