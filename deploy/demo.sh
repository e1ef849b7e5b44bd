#!/usr/bin/env bash
# The whole loop on real data: sets up, builds, trains an energy-based model of
# Fashion-MNIST on two MPI ranks, draws samples, goes back to an earlier
# checkpoint and on from there. About ten minutes on two cores.
#
#   BUILD_DIR     where to build (build/demo)
#   EBM_HOME      ebmd's state; by default the folders of the user
#   DEMO_STEPS    training steps (1600)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD_DIR:-build/demo}
steps=${DEMO_STEPS:-1600}
back=$((steps * 3 / 4 / 200 * 200)) # a checkpoint is written every 200 steps
[ "$back" -gt 0 ] || { echo "demo: DEMO_STEPS must be at least 400" >&2; exit 2; }
began=$SECONDS
say() { printf '\n== %3ds  %s\n' $((SECONDS - began)) "$*"; }

say "packages"
deploy/setup.sh

say "build"
cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DEBM_TESTS=OFF
cmake --build "$build" --parallel "$(nproc)"
build=$(cd "$build" && pwd)
PATH="$build/bin:$PATH"
samples=$build/samples.png

say "submit: 60,000 pictures of garments, a net of 77 thousand parameters, two ranks"
ebmctl submit deploy/specs/fashion-quick.yaml --set "train.steps=$steps" -o json >"$build/job.json"
job=$(sed -n 's/.*"job": *\([0-9]*\).*/\1/p' "$build/job.json")
echo "job $job"

say "train: $steps steps of 40 Langevin steps each"
ebmctl watch "$job"
ebmctl checkpoints "$job"

say "roll back to step $back, and go on with a smaller learning rate"
ebmctl rollback "$job" --to "$back" --set optimizer.lr=3e-4
ebmctl watch "$job"
ebmctl history "$job"

say "samples"
ebmctl samples "$job" -o "$samples"
ebmctl daemon stop

say "done"
echo "The picture: $samples"
echo "Again, your way:  export PATH=$build/bin:\$PATH; ebmctl submit deploy/specs/toy-rings.yaml --follow"
echo "More of this one: ebmctl rollback $job --to newest --set train.steps=$((steps * 3)); ebmctl watch $job"
echo "What there is:    ebmctl help; ebmctl explain sampler; man $PWD/client/man/ebmctl.1"
