#!/usr/bin/env bash
# The proof of divergence detection and recovery, in one command: builds, makes
# a Python environment for the plots, runs every part, writes stability.json
# and stability.png. About an hour on two cores.
#
#   BUILD_DIR   where to build and where results go (build/stability)
#
# usage: run.sh [--parts healthy,faults,unstable,hygiene,kills] [--data idx:DIR] ...
set -euo pipefail
cd "$(dirname "$0")/../../.."
build=${BUILD_DIR:-build/stability}

cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DEBM_TESTS=OFF
cmake --build "$build" --parallel "$(nproc)"
if [ ! -x "$build/venv/bin/python" ]; then
    python3 -m venv "$build/venv"
    "$build/venv/bin/pip" install --quiet numpy matplotlib
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
here=tests/bench/stability
"$build/venv/bin/python" "$here/experiment.py" --bin "$build/bin" --out "$build/results" "$@"
"$build/venv/bin/python" "$here/plot.py" "$build/results"
