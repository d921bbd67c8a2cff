#!/bin/sh
# Makes .venv-hls4ml beside .venv: hls4ml, which the benchmark of the emulator is compared with. It takes 0.7 GB.
# Versions are those of the published figures.
set -eu
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" -m venv .venv-hls4ml
.venv-hls4ml/bin/python -m pip install -qq --disable-pip-version-check \
    hls4ml==1.3.0 keras==3.15.1 jax==0.10.2 h5py==3.16.0
