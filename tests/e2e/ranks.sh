#!/usr/bin/env bash
# The number of ranks is an implementation detail: through ebmd, 1, 2, 3 and 4
# ranks have the same metrics in their first 50 steps, and the same bits.
#
# usage: ranks.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"

# Largest relative difference between the metrics of two jobs, but for those
# that are times; "null" when their steps differ.
difference() {
    ebmctl metrics "$1" -o json >a.json
    ebmctl metrics "$2" -o json >b.json
    jq -n --slurpfile a a.json --slurpfile b b.json '
        def size: if . < 0 then -. else . end;
        if ($a[0] | map(.step)) != ($b[0] | map(.step)) then null
        else [range($a[0] | length) as $i
              | $a[0][$i] | del(.attempt, .step, .time, .step_seconds, .chain_steps_per_second)
              | to_entries[] | [.value, $b[0][$i][.key]] | map(. // 0)
              | ((.[0] - .[1]) | size) as $d | (map(size) | max) as $s
              | if $s < 1e-9 then 0 else $d / $s end] | max end'
}

# assert_agree SPEC RANKS...
assert_agree() {
    local ranks job first digest d
    for ranks in "${@:2}"; do
        job=$(submit --set "resources.ranks=$ranks")
        wait_end "$job" succeeded
        equal "rows" 50 "$(ebmctl metrics "$job" -o json | jq length)"
        if [ "$ranks" = "$2" ]; then
            first=$job
            digest=$(checkpoints "$job" 'last.digest')
            continue
        fi
        d=$(difference "$first" "$job")
        jq -en --argjson d "$d" '$d != null and $d <= 1e-3' >/dev/null ||
            fail "$1: metrics of $2 and $ranks ranks differ by $d"
        equal "$1: the digest of $2 and $ranks ranks" "$digest" "$(checkpoints "$job" 'last.digest')"
    done
}

case_toy() {
    toy_spec
    sed -i -e 's/steps: 300/steps: 50/' -e 's/every_steps: 50/every_steps: 25/' toy.yaml
    start_ebmd
    assert_agree toy 1 2 3 4
    # Or the comparison sees nothing.
    wait_end "$(submit --set seed=8)" succeeded
    jq -en --argjson d "$(difference 1 5)" '$d > 1e-3' >/dev/null || fail "another seed has the same metrics"
}

case_images() {
    mkdir data
    # 64 pictures of 8 x 8: the bytes are text, and the same everywhere.
    { printf '\0\0\010\003\0\0\0\100\0\0\0\010\0\0\0\010' && seq 1000 9999 | head -c 4096; } \
        >data/train-images-idx3-ubyte
    cat >toy.yaml <<'END'
name: pictures
seed: 3
data: { dataset: "idx:data", batch_size: 16 }
model: { layers: [ conv: {out: 8, kernel: 3, stride: 2}, swish, conv: {out: 16, kernel: 3, stride: 2}, swish, flatten, dense: 1 ] }
sampler: { steps: 8, step_size: 10.0 }
replay: { size: 128 }
train: { steps: 50 }
checkpoint: { every_steps: 25, keep_last: 3 }
END
    start_ebmd
    assert_agree pictures 1 2 4
}

run_cases
