"""All measurements of docs/benchmarks.md, and of graphs: `make bench`."""

from __future__ import annotations

import os

from channels import main as measure_channels
from chooser import main as measure_choices
from compile import main as measure_compile
from emulator import main as measure_emulators
from graphs import main as measure_graphs
from hls_bits import main as compare_hls
from hls_speed import main as measure_hls
from sizes import main as measure_sizes
from synthesis import errors as compare_estimates
from windows_in_front import main as measure_windows

if __name__ == "__main__":
    print(f"Load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    measure_compile()
    measure_channels()
    measure_windows()
    measure_graphs()
    measure_emulators()
    compare_hls([])
    measure_hls()
    measure_sizes()
    measure_choices()
    compare_estimates()
