#!/usr/bin/env bash
# A run that diverges: seen, undone without a person, and the same whatever is
# killed meanwhile; or given up with its evidence.
#
# usage: diverge.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"

# A healthy run whose learning rate is a hundredfold from step 400 on, until
# the noise is new.
burst_spec() {
    toy_spec
    cat >toy.yaml <<'END'
name: burst
seed: 5
resources: { ranks: 2, max_restarts: 50 }
data: { dataset: toy/rings, batch_size: 32 }
model: { layers: [ {dense: 32}, swish, {dense: 32}, swish, {dense: 1} ] }
sampler: { steps: 10, step_size: 0.1, noise_std: 0.1, gradient_clip: 0 }
replay: { size: 256 }
optimizer: { lr: 1.0e-3, gradient_clip: 0 }
train: { steps: 700 }
checkpoint: { every_steps: 50, keep_last: 20 }
stability: { warmup_steps: 100 }
END
    export EBM_TEST_LR_BURST=400:100000
    export EBM_TEST_STEP_DELAY_MS=4 # every checkpoint is stored
    export EBM_LEASE_MS=1000
}

case_a_burst_is_undone_by_itself() {
    burst_spec
    start_ebmd
    local job onset
    job=$(submit)
    wait_end "$job" succeeded
    equal "attempts" "submit/user/diverged rollback/ebmd/succeeded" \
        "$(history_of "$job" '[.[] | "\(.cause)/\(.actor)/\(.outcome)"] | join(" ")')"
    equal "where it went on" 300 "$(history_of "$job" '.[1].from_step')"
    contains "what was changed" "intervention.purge=outliers" "$(history_of "$job" '.[1].overrides')"
    contains "what was told" 'rollback 1 of 5 to c6, step 300, by "noise"' \
        "$(ebmctl events "$job" -n 100 -o json | jq -r '.[] | select(.kind == "rollback").text')"
    [ -s "$EBM_HOME/jobs/$job/attempt-1/evidence.png" ] || fail "no picture of the worst samples"
    onset=$(sed -n 's/^onset *//p' "$EBM_HOME/jobs/$job/attempt-1/evidence.txt")
    [ "$onset" -ge 400 ] && [ "$onset" -le 410 ] || fail "the onset is $onset"
    equal "suspect" 0 "$(ebmctl checkpoints "$job" -o json |
        jq "[.[] | select(.attempt == 1 and .step >= $onset and .health != \"suspect\")] | length")"
    # The step that was not taken has its figures, and says how far out it was.
    ebmctl metrics "$job" --attempt 1 -o json |
        jq -e '.[-1].suspicion >= 1' >/dev/null || fail "the last row is not suspicious"
    contains "what happened" "rolled back to 300: " "$(ebmctl show "$job" -o json | jq -r .happened)"
    # Judged again, the same; with the detector off, what is not finite is seen alone.
    equal "the replay" "1/trip/diverged/$onset/$onset" "$(ebmctl stability "$job" --replay -o json |
        jq -r '[.[] | "\(.attempt)/\(.verdict)/\(.run)/\(.onset)/\(.run_onset)"] | join(" ")')"
    contains "the replay" "in the same steps, with the same onsets" "$(ebmctl stability "$job" --replay)"
    equal "without a detector" "none/diverged" \
        "$(ebmctl stability "$job" --replay --set stability.detector=off -o json |
            jq -r '[.[] | "\(.verdict)/\(.run)"] | join(" ")')"
    equal "signals" 7 "$(ebmctl stability "$job" -o json | jq 'length')"
    ebmctl stability "$job" --replay --set optimizer.lr=1 >out 2>&1 &&
        fail "a learning rate was taken for a threshold"
    contains "what may be set" "only stability.* changes" "$(cat out)"
}

case_a_watch_ends_by_rules() {
    toy_spec
    start_ebmd
    local good bad code=0
    good=$(submit)
    bad=$(submit --set stability.max_energy=1e-9 --set stability.on_divergence=fail)
    ebmctl watch "$good" "$bad" --exit any=diverged:3,all=succeeded:0 >out || code=$?
    equal "one diverged" 3 "$code"
    code=0
    ebmctl watch "$good" --exit any=diverged:3,all=succeeded:0 >out || code=$?
    equal "all succeeded" 0 "$code"
    code=0
    ebmctl watch "$good" --exit any=divergd:3 >out 2>&1 || code=$?
    equal "a state that is none" 2 "$code"
    contains "a suggestion" "diverged" "$(cat out)"
}

case_the_same_whatever_is_killed() {
    burst_spec
    start_ebmd
    local calm job digest n
    calm=$(submit)
    wait_end "$calm" succeeded
    digest=$(checkpoints "$calm" 'last.digest')
    job=$(submit)
    for n in 1 2 3 4 5 6; do
        sleep "0.$((2 + n * 37 % 8))"
        case $n in
        2 | 5)
            kill_ebmd
            start_ebmd
            ;;
        *)
            # shellcheck disable=SC2046
            kill_all $(ranks "$job" | tail -n 1)
            ;;
        esac
    done
    wait_end "$job" succeeded
    [ "$(history_of "$job" length)" -gt 2 ] || fail "nothing was killed"
    equal "the recovery" "$(history_of "$calm" '[.[] | select(.actor == "ebmd" and .cause == "rollback") | [.from_step, .overrides]]')" \
        "$(history_of "$job" '[.[] | select(.actor == "ebmd" and .cause == "rollback") | [.from_step, .overrides]]')"
    equal "the last digest" "$digest" "$(checkpoints "$job" 'last.digest')"
}

case_what_cannot_be_saved_is_given_up() {
    toy_spec
    start_ebmd
    local job
    job=$(submit --set stability.max_energy=1e-9 --set stability.max_rollbacks=3)
    wait_end "$job" diverged
    equal "rungs" "noise gentle firm" \
        "$(ebmctl events "$job" -n 100 -o json | jq -r '[.[] | select(.kind == "rollback").text | capture("by \"(?<r>[a-z]+)\"").r] | join(" ")')"
    contains "the reason" "3 rollbacks did not help" "$(ebmctl show "$job" -o json | jq -r .reason)"
    [ -s "$EBM_HOME/jobs/$job/attempt-4/evidence.txt" ] || fail "no evidence"
}

run_cases
