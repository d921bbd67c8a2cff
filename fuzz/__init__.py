"""Campaigns of random inputs, hostile files and random designs: `make fuzz` runs them, each run with a seed of its own.

Each module named in `run.CAMPAIGNS` is one campaign. docs/fuzzing.md tells what each holds Loopwire to.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))
"""There are the random models, the proofs of a design and the writers of model files, which the tests share."""
