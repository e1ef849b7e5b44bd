#!/usr/bin/env bash
# Steering a training job: rollback, fork, pause and resume, also on another
# rank count; history, metrics and checkpoints of each attempt; digests.
#
# usage: steer.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"

# A checkpoint each 480 ms: none overtakes another on its way to ebmd, and a run
# is still there when it is to be stopped, on a busy machine as well.
steps=200 every=40
export EBM_TEST_STEP_DELAY_MS=12 EBM_LEASE_MS=1000

training() { submit --set train.steps=$steps --set checkpoint.every_steps=$every --set checkpoint.keep_last=20 "$@"; }
digest_at() { checkpoints "$1" "[.[] | select(.step == $2)] | last.digest"; }

# The digest at the end of an undisturbed run, which is made once.
undisturbed() {
    local job
    if [ ! -e "$shared/digest" ]; then
        job=$(training --set name=undisturbed)
        wait_end "$job" succeeded
        digest_at "$job" $steps >"$shared/digest"
    fi
    cat "$shared/digest"
}

# Rolled back while it runs: a second attempt, and nothing of the first is gone.
case_rollback_of_a_running_job() {
    local job from rows
    start_ebmd
    job=$(training)
    wait_checkpoint "$job" 80
    from=$(checkpoints "$job" '.[] | select(.step == 40) | .checkpoint')

    expect 0 ebmctl rollback "$job" --to 40 --set optimizer.lr=5e-4 --dry-run -o json
    equal "the plan" "$job $from 40 1 noise_epoch=1 optimizer.lr=5.0e-4" \
        "$(jq -r '"\(.job) \(.checkpoint) \(.step) \(.stops_attempt) \(.overrides)"' <<<"$out")"
    equal "attempts after a dry run" 1 "$(show "$job" .attempt)"

    expect 0 ebmctl rollback "$job" --to 40 --set optimizer.lr=5e-4
    contains "rollback" "job $job: stops attempt 1 at step " "$out"
    contains "rollback" "goes back to checkpoint c$from (step 40, " "$out"
    wait_end "$job" succeeded

    equal "history" "1 submit user null 0 rolled-back, 2 rollback user $from 40 succeeded" \
        "$(history_of "$job" 'map("\(.attempt) \(.cause) \(.actor) \(.from_checkpoint) \(.from_step) \(.outcome)") | join(", ")')"
    contains "what was changed" "optimizer.lr=" "$(history_of "$job" '.[1].overrides')"
    contains "what was changed" "noise_epoch=1" "$(history_of "$job" '.[1].overrides')"
    [ "$(history_of "$job" '.[0].last_step')" -ge 80 ] || fail "the first attempt has lost its last step"

    expect 0 ebmctl metrics "$job" --attempt 1 -o json
    rows=$(jq length <<<"$out")
    [ "$rows" -ge 80 ] || fail "rows of attempt 1: expected 80 or more, saw $rows"
    equal "attempts in the rows of attempt 1" "[1]" "$(jq -c '[.[].attempt] | unique' <<<"$out")"
    expect 0 ebmctl metrics "$job" --attempt 2 -o json
    equal "the steps of attempt 2" "2 41 $steps 160" \
        "$(jq -r '"\(.[0].attempt) \(.[0].step) \(last.step) \(length)"' <<<"$out")"
    expect 5 ebmctl metrics "$job" --attempt 3
    assert_metrics_without_gap "$job" $steps
    equal "rows in all" $((rows + 160)) "$(ebmctl metrics "$job" -o json | jq length)"

    equal "checkpoints of attempt 1 that are gone" "40 80" \
        "$(checkpoints "$job" '[.[] | select(.attempt == 1) | .step][:2] | join(" ")')"
    equal "checkpoints of attempt 2" "80 120 160 200" \
        "$(checkpoints "$job" '[.[] | select(.attempt == 2) | .step] | join(" ")')"
    contains "events" "to checkpoint c$from, step 40" "$(ebmctl events "$job")"
    # Other noise and another rate: other bits.
    [ "$(digest_at "$job" $steps)" != "$(undisturbed)" ] || fail "the rollback changed nothing"
}

# The same noise again leads to the same bits.
case_rollback_of_a_finished_job() {
    local job
    start_ebmd
    job=$(training)
    wait_end "$job" succeeded
    expect 0 ebmctl rollback "$job" --to 40 --set noise_epoch=0
    wait_end "$job" succeeded
    equal "attempts" "1 succeeded, 2 succeeded" "$(attempts_of "$job")"
    equal "the last digest" "$(undisturbed)" "$(digest_at "$job" $steps)"
    expect 0 ebmctl rollback "$job" --set noise_epoch=5
    wait_end "$job" succeeded
    [ "$(digest_at "$job" $steps)" != "$(undisturbed)" ] || fail "other noise changed nothing"
}

case_rollbacks_that_are_refused() {
    local job
    start_ebmd
    job=$(training)
    wait_end "$job" succeeded
    expect 5 ebmctl rollback "$job" --to 55
    contains "a step without checkpoint" "no checkpoint at step 55 (the nearest are " "$err"
    expect 5 ebmctl rollback "$job" --to c99
    expect 2 ebmctl rollback "$job" --to somewhere
    expect 2 ebmctl rollback "$job" --to 40 --set optimizer.lr=fast
    expect 2 ebmctl rollback "$job" --to 40 --set "model.layers=[dense: 8, dense: 1]"
    contains "another net" "the net cannot change" "$err"
    expect 2 ebmctl rollback "$job" --to 40 --set replay.size=512
    expect 2 ebmctl rollback "$job" --to $steps
    contains "nothing left to train" "nothing is left to train" "$err"
    equal "attempts" "1 succeeded" "$(attempts_of "$job")"
    expect 0 ebmctl rollback "$job" --to $steps --set train.steps=$((steps + 10))
    wait_end "$job" succeeded
    equal "steps" $((steps + 10)) "$(show "$job" .step)"
}

case_fork() {
    local job child at signals
    start_ebmd
    job=$(training)
    wait_end "$job" succeeded
    at=$(checkpoints "$job" '.[] | select(.step == 80) | .checkpoint')
    expect 0 ebmctl fork "$job" --at "c$at" --set name=same -o json
    child=$(jq .job <<<"$out")
    wait_end "$child" succeeded
    equal "where it came from" "same $job $at" "$(show "$child" '"\(.name) \(.parent_job) \(.parent_checkpoint)"')"
    equal "its history" "1 fork user $at 80 succeeded" \
        "$(history_of "$child" '.[0] | "\(.attempt) \(.cause) \(.actor) \(.from_checkpoint) \(.from_step) \(.outcome)"')"
    equal "the last digest" "$(digest_at "$job" $steps)" "$(digest_at "$child" $steps)"
    equal "its first row" 81 "$(ebmctl metrics "$child" -o json | jq '.[0].step')"
    # It took the detector of its parent with it, and so does a fork of a fork.
    signals=$(ebmctl stability "$job" -o json)
    equal "its signals" "$signals" "$(ebmctl stability "$child" -o json)"
    expect 0 ebmctl fork "$child" --at 160 --set name=same -o json
    wait_end "$(jq .job <<<"$out")" succeeded
    equal "signals of its fork" "$signals" "$(ebmctl stability "$(jq .job <<<"$out")" -o json)"
    contains "the parent's checkpoint is kept" used "$(checkpoints "$job" '.[] | select(.step == 80) | .kept_because')"
    expect 0 ebmctl fork "$job" --at 80 --set seed=99 --hold -o json
    child=$(jq .job <<<"$out")
    equal "a fork that is held" held "$(show "$child" .state)"
    expect 0 ebmctl release "$child"
    wait_end "$child" succeeded
    [ "$(digest_at "$child" $steps)" != "$(undisturbed)" ] || fail "another seed changed nothing"
    expect 1 ebmctl diff "$job" "$child"
    contains "diff" "seed: 7 -> 99" "$out"
}

# Stopped and taken up again it is what it would have been; so on any ranks.
case_pause_and_resume() {
    local job step
    start_ebmd
    job=$(training)
    wait_step "$job" 30
    expect 0 ebmctl pause "$job"
    wait_state "$job" paused
    equal "why" "paused on request" "$(show "$job" .reason)"
    equal "processes" "" "$(marked)"
    step=$(show "$job" .step)
    equal "a checkpoint where it stopped" "$step" "$(checkpoints "$job" 'last.step')"
    expect 1 ebmctl pause "$job"
    contains "pause again" "job $job is paused" "$err"
    restart_ebmd
    equal "its state after a restart" paused "$(show "$job" .state)"
    expect 0 ebmctl resume "$job"
    wait_end "$job" succeeded
    equal "history" "1 submit 0 paused, 2 resume $step succeeded" \
        "$(history_of "$job" 'map("\(.attempt) \(.cause) \(.from_step) \(.outcome)") | join(", ")')"
    equal "the last digest" "$(undisturbed)" "$(digest_at "$job" $steps)"
    assert_metrics_without_gap "$job" $steps
}

is_at() { [ "$(show "$1" ".attempt == $2 and .step >= $3")" = true ]; }

case_resume_on_other_ranks() {
    local job
    start_ebmd
    job=$(training)
    wait_checkpoint "$job" 40
    expect 0 ebmctl rollback "$job" --to 40 --set resources.ranks=1 --set noise_epoch=0
    # The first attempt may have come to 80 as well.
    wait_for $LATER "the second attempt at step 80" is_at "$job" 2 80
    wait_checkpoint "$job" 80
    expect 0 ebmctl rollback "$job" --to 80 --set resources.ranks=4 --set noise_epoch=0
    wait_end "$job" succeeded
    equal "attempts" "1 rolled-back, 2 rolled-back, 3 succeeded" "$(attempts_of "$job")"
    equal "the last digest" "$(undisturbed)" "$(digest_at "$job" $steps)"
}

case_cancel_and_kill() {
    local job
    start_ebmd
    job=$(training)
    wait_step "$job" 30
    expect 0 ebmctl cancel "$job"
    wait_end "$job" cancelled
    equal "a checkpoint where it stopped" "$(show "$job" .step)" "$(checkpoints "$job" 'last.step')"
    equal "attempts" "1 cancelled" "$(attempts_of "$job")"
    expect 0 ebmctl resume "$job"
    wait_step "$job" 50
    expect 0 ebmctl kill "$job"
    wait_end "$job" cancelled
    equal "attempts" "1 cancelled, 2 killed" "$(attempts_of "$job")"
    equal "processes" "" "$(marked)"
    expect 0 ebmctl resume "$job"
    wait_end "$job" succeeded
    equal "the last digest" "$(undisturbed)" "$(digest_at "$job" $steps)"
    assert_metrics_without_gap "$job" $steps
}

vault_has() { [ "$(sql checkpoints 'SELECT group_concat(checkpoint) FROM (SELECT checkpoint FROM blob ORDER BY 1)')" = "$1" ]; }

# The last, the best, the pinned, the newest healthy one and, of a run so short,
# the oldest, for what is seen late: no other, neither listed nor in the vault; the rows of all stay as history.
case_checkpoints_that_are_kept() {
    local kept
    use_fake EBM_FAKE_STEP_MS=8
    start_ebmd
    submit --hold --set train.steps=400 --set checkpoint.every_steps=50 --set checkpoint.keep_last=3 \
        --set checkpoint.keep_best=1 >/dev/null
    expect 0 ebmctl release 1
    wait_for $SOON "the second checkpoint" has_checkpoint 1 100
    expect 0 ebmctl pin c2
    wait_end 1 succeeded
    contains "why the first is kept" ageing "$(checkpoints 1 '.[0].kept_because')"
    contains "why the second is kept" pinned "$(checkpoints 1 '.[1].kept_because')"
    contains "why the last is kept" last-3 "$(checkpoints 1 'last.kept_because')"
    contains "why the best is kept" best-1 "$(checkpoints 1 'last.kept_because')"
    equal "the last three" "300 350 400" "$(checkpoints 1 'map(.step)[-3:] | join(" ")')"
    contains "why the newest healthy one is kept" healthy \
        "$(checkpoints 1 '[.[] | select(.health == "healthy")] | last.kept_because')"
    kept=$(checkpoints 1 'map(.checkpoint) | join(",")')
    [ "$(checkpoints 1 length)" -le 6 ] || fail "too many are kept: $kept"
    wait_for $SOON "only $kept in the vault" vault_has "$kept"
    expect 0 ebmctl unpin c2
    wait_for $SOON "only ${kept/,2,/,} in the vault" vault_has "${kept/,2,/,}"
    equal "rows in history" "$(grep -c ' fake-checkpoint ' "$EBM_HOME/jobs/1/attempt-1/output.log")" \
        "$(sql ebmd 'SELECT count(*) FROM checkpoint')"
    expect 5 ebmctl rollback 1 --to c2
    expect 5 ebmctl pin c2
}

run_cases
