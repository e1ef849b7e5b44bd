#!/bin/sh
# The digests of all checkpoints are the same for 1, 2, 3 and 4 ranks, for 1
# and 2 threads, and for a run that was taken up again on another rank count.
#
# usage: ranks_agree.sh EBM_WORKER SPEC STEPS HALF
#   HALF: the step of a checkpoint that the restored runs start from
set -eu

worker=$1 spec=$2 steps=$3 half=$4
dir=$(mktemp -d /tmp/ebm-test-ranks-XXXXXX)
trap 'rm -rf "$dir"' EXIT

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1

# run NAME RANKS [argument...] -> $dir/NAME.digests, "step digest" lines
run() {
    name=$1 ranks=$2
    shift 2
    mpirun --oversubscribe --bind-to none -n "$ranks" "$worker" --standalone "$spec" \
        --steps "$steps" --out "$dir/$name" "$@" >"$dir/$name.out" 2>"$dir/$name.err" || {
        echo "FAILED: $name"
        cat "$dir/$name.out" "$dir/$name.err"
        exit 1
    }
    sed -n 's/^checkpoint step=\([0-9]*\) sha256=\([0-9a-f]*\) .*/\1 \2/p' "$dir/$name.out" \
        >"$dir/$name.digests"
    test -s "$dir/$name.digests" || { echo "FAILED: $name wrote no checkpoint"; exit 1; }
}

# agree A B: the steps that both have
agree() {
    join "$dir/$1.digests" "$dir/$2.digests" >"$dir/both"
    test -s "$dir/both" || { echo "FAILED: $1 and $2 have no step in common"; exit 1; }
    if awk '$2 != $3 { bad = 1; print } END { exit bad }' "$dir/both"; then
        echo "ok: $1 = $2 ($(wc -l <"$dir/both") checkpoints)"
    else
        echo "FAILED: $1 and $2 differ at the steps above"
        exit 1
    fi
}

run one 1
for n in 2 3 4; do
    run "ranks$n" "$n"
    agree one "ranks$n"
done
run threads2 1 --set resources.threads=2
agree one threads2
run restored1 1 --from "$dir/ranks2/checkpoint-$half.ebm"
agree one restored1
run restored3 3 --from "$dir/ranks2/checkpoint-$half.ebm"
agree one restored3

# Another seed must not agree, or the comparison sees nothing.
run other 1 --set seed=99
if join "$dir/one.digests" "$dir/other.digests" | awk '$2 == $3 { same = 1 } END { exit !same }'; then
    echo "FAILED: another seed has the same digest"
    exit 1
fi
echo "ok: another seed differs"
