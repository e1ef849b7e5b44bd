#!/bin/sh
# How ebm-worker ends: its exit status, what it says, and that no rank is left.
#
# usage: worker_ends.sh EBM_WORKER SPEC   (a toy spec of 40 steps)
set -eu

worker=$1 spec=$2
dir=$(mktemp -d /tmp/ebm-test-ends-XXXXXX)
trap 'rm -rf "$dir"' EXIT

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1

# ends NAME STATUS WORD command... : exits so, and says so
ends() {
    name=$1 status=$2 word=$3
    shift 3
    got=0
    "$@" >"$dir/out" 2>&1 || got=$?
    if [ "$got" -ne "$status" ] || ! grep -q -e "$word" "$dir/out"; then
        echo "FAILED: $name: exit $got, wanted $status and '$word'"
        cat "$dir/out"
        exit 1
    fi
    echo "ok: $name"
}

# images FOLDER N BYTES, labels FOLDER N: IDX files
images() {
    mkdir -p "$1"
    { printf "\\000\\000\\010\\003\\000\\000\\000\\$(printf %03o "$2")\\000\\000\\000\\004\\000\\000\\000\\004"
      head -c "$3" /dev/zero; } >"$1/train-images-idx3-ubyte"
}
labels() {
    { printf "\\000\\000\\010\\001\\000\\000\\000\\$(printf %03o "$2")"; head -c "$2" /dev/zero; } \
        >"$1/train-labels-idx1-ubyte"
}
images "$dir/short" 40 600
images "$dir/labels" 40 640
labels "$dir/labels" 41

two="mpirun --oversubscribe --bind-to none -n 2 $worker"
alone="--standalone $spec --out $dir/o"

ends "version" 0 "ebm-worker [0-9]" "$worker" --version
ends "help" 0 "usage:" "$worker" --help
ends "unknown option" 2 "unknown option '--outt'" "$worker" --outt x
ends "no value" 2 "lacks its value" "$worker" --standalone
ends "no folder" 2 "needs --out" "$worker" --standalone "$spec"
ends "no such engine" 2 "no 'steam', there are auto, wide and onednn" \
    "$worker" --standalone "$spec" --out "$dir/o" --engine steam
ends "no environment" 2 "EBM_ATTEMPT_DIR" env -u EBM_ATTEMPT_DIR "$worker"
ends "no spec" 1 "outcome=failed.*/nowhere" "$worker" --standalone /nowhere --out "$dir/o"
ends "bad spec" 1 "outcome=failed.*lr" $two $alone --set optimizer.lr=-1
ends "truncated images" 1 "outcome=failed.*short/train-images-idx3-ubyte" \
    $two $alone --set "data.dataset=idx:$dir/short" --set data.batch_size=10
ends "more labels than images" 1 "outcome=failed.*41 labels.*40 images" \
    $two $alone --set "data.dataset=idx:$dir/labels" --set data.batch_size=10
ends "divergence" 3 "outcome=diverged.*step 12: the parameter gradient" \
    env EBM_TEST_NAN_AT=12:1 $two $alone
ends "not a checkpoint" 1 "outcome=corrupt.*not a checkpoint" $two $alone --from "$spec"
ends "success" 0 "outcome=succeeded step=40" $two $alone
ends "the other engine" 0 "outcome=succeeded step=40" $two $alone --engine onednn
ends "share outside the engine" 0 "progress.* outside=[0-9.]*%$" $two $alone

# kill -9 of mpirun: its ranks go with it.
: >"$dir/out" # what the run before said is no sign of this one
EBM_TEST_STEP_DELAY_MS=100 EBM_TEST_MARK=$$ $two $alone >"$dir/out" 2>&1 &
mpirun=$!
marked() { grep -lsz "^EBM_TEST_MARK=$$\$" /proc/[0-9]*/environ | wc -l; }
wait_for() { # wait_for SECONDS command...
    tries=$(($1 * 20))
    shift
    while [ "$tries" -gt 0 ]; do
        if "$@"; then return 0; fi
        tries=$((tries - 1))
        sleep 0.05
    done
    return 1
}
all_up() { grep -q "info training" "$dir/out"; }
all_gone() { [ "$(marked)" -eq 0 ]; }
wait_for 20 all_up || { echo "FAILED: the ranks did not come up"; cat "$dir/out"; exit 1; }
[ "$(marked)" -ge 3 ] || { echo "FAILED: the mark does not find the ranks"; exit 1; }
kill -9 "$mpirun"
wait "$mpirun" 2>/dev/null || true
wait_for 5 all_gone || { echo "FAILED: ranks outlive mpirun"; exit 1; }
echo "ok: killed mpirun leaves no rank"
