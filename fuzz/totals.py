"""The running total of all campaigns, in `totals.json` beside this file: what has been tried, in all runs together."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path

TOTALS = Path(__file__).with_name("totals.json")


def add(campaign: str, counts: Mapping[str, int]) -> None:
    """Add what a campaign has just done to its totals."""
    with TOTALS.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # several runs may add at once
        file.seek(0)
        totals: dict[str, dict[str, int]] = json.loads(file.read() or "{}")
        before = totals.get(campaign, {})
        totals[campaign] = {key: before.get(key, 0) + counts.get(key, 0) for key in sorted({*before, *counts})}
        file.truncate(0)
        file.write(json.dumps(totals, indent=2, sort_keys=True) + "\n")
