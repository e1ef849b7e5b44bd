#!/usr/bin/env bash
# Measures what DESIGN's budgets say of the coordinator: submits, lists,
# metrics, restarts, the loop under load, faults, checkpoints. Some minutes.
# Builds a release in build/bench (or BUILD_DIR), works in homes of its own
# under TMPDIR, and ends all that it starts.
#
# usage: coordinator.sh [--out FILE.json] [--jobs N] [--only NAME,NAME...]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD_DIR:-$root/build/bench}

echo "build: $build"
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" --target ebmd ebm-shepherd ebm-worker ebmctl fake-worker launch-rank \
    bench_ask bench_queue
exec python3 -u "$root/tests/bench/coordinator.py" --bin "$build/bin" "$@"
