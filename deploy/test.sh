#!/usr/bin/env bash
# Sets up, builds, and runs every test: unit, MPI, and the sanitizer builds.
# BUILD_DIR (default build/test) holds the trees.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD_DIR:-build/test}
began=$SECONDS
stage() { printf '\n== %3ds  %s\n' $((SECONDS - began)) "$1"; }

stage "packages"
deploy/setup.sh --tests

stage "build, as it is installed"
cmake -G Ninja -S . -B "$build/plain" -DCMAKE_BUILD_TYPE=Release -DEBM_WERROR=ON
cmake --build "$build/plain" --parallel 2

stage "address and undefined-behaviour sanitizers: build and unit tests"
cmake -G Ninja -S . -B "$build/asan" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DEBM_WERROR=ON -DEBM_SANITIZE=address,undefined
cmake --build "$build/asan" --parallel 2
ctest --test-dir "$build/asan" --output-on-failure --no-tests=error -L unit -j 2

stage "fuzzing: a short run"
cmake -G Ninja -S . -B "$build/fuzz" -DCMAKE_C_COMPILER=clang -DEBM_WERROR=ON -DEBM_FUZZ=ON
cmake --build "$build/fuzz" --parallel 2 --target fuzz_spec fuzz_wire
ctest --test-dir "$build/fuzz" --output-on-failure --no-tests=error -L fuzz

stage "all tests"
ctest --test-dir "$build/plain" --output-on-failure --no-tests=error -j 2

stage "done"
