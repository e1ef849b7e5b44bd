#!/usr/bin/env bash
# A training job whose processes are killed, each kind in turn, ends with the
# bits of a run that nobody disturbed.
#
# usage: training_survives.sh BIN_DIR [CASE...]
source "$(dirname "$0")/../e2e/lib.sh"

steps=200
# Slow enough to be hit where it is aimed, with every checkpoint stored, and
# with steps enough after the last hit.
export EBM_TEST_STEP_DELAY_MS=12
# A worker looks for a new ebmd after four heartbeats, four of which are a lease.
export EBM_LEASE_MS=1000

submit_training() { submit --set train.steps=$steps --set checkpoint.every_steps=30 --set checkpoint.keep_last=20 "$@"; }

final_digest() { checkpoints "$1" ".[] | select(.step == $steps) | .digest"; }

# The digest of an undisturbed run, which is made once.
undisturbed() {
    local job
    if [ ! -e "$shared/digest" ]; then
        job=$(submit_training --set name=undisturbed)
        wait_end "$job" succeeded
        equal "attempts of the undisturbed run" "1 succeeded" "$(attempts_of "$job")"
        final_digest "$job" >"$shared/digest"
    fi
    cat "$shared/digest"
}

# assert_as_undisturbed JOB ATTEMPTS
assert_as_undisturbed() {
    wait_end "$1" succeeded
    equal "attempts" "$2" "$(attempts_of "$1")"
    equal "digest of the last checkpoint" "$(undisturbed)" "$(final_digest "$1")"
    assert_metrics_without_gap "$1" $steps
    assert_vault_whole
    assert_databases_sound
}

# It runs, or has run already while we looked elsewhere.
attempt_is() { [ "$(show "$1" .attempt)" = "$2" ] && state_is "$1" running succeeded; }

# kill_at JOB STEP WHAT: once the job is there, and its next attempt is up.
kill_at() {
    local attempt
    wait_state "$1" running
    wait_step "$1" "$2"
    attempt=$(show "$1" .attempt)
    # shellcheck disable=SC2046
    kill_all $($3 "$1")
    wait_for $SOON "the next attempt after $3 were killed" attempt_is "$1" $((attempt + 1))
}

rank_0() { ranks "$1" | head -n 1; }
rank_1() { ranks "$1" | tail -n 1; }

case_ranks_killed_three_times() {
    local job
    export EBM_TEST_STEP_DELAY_MS=25 # three hits have to find it still there
    start_ebmd
    job=$(submit_training)
    kill_at "$job" 31 rank_1
    kill_at "$job" 61 rank_0
    kill_at "$job" 91 ranks
    assert_as_undisturbed "$job" "1 crashed, 2 crashed, 3 crashed, 4 succeeded"
    contains "why the first attempt ended" "rank 1 exited on signal 9" "$(history_of "$job" '.[0].reason')"
    # A slow machine kills later than it aims, so which checkpoint is left open.
    equal "attempts that began from no checkpoint" "" \
        "$(history_of "$job" '.[1:][] | .from_step | select(. < 30 or . % 30 != 0)')"
}

case_killed_before_the_first_checkpoint() {
    local job
    start_ebmd
    job=$(submit_training --set checkpoint.every_steps=100)
    kill_at "$job" 0 ranks
    assert_as_undisturbed "$job" "1 crashed, 2 succeeded"
    equal "the second attempt began at" 0 "$(history_of "$job" '.[1].from_step')"
}

case_mpirun_killed() {
    local job
    start_ebmd
    job=$(submit_training)
    kill_at "$job" 35 mpiruns
    assert_as_undisturbed "$job" "1 crashed, 2 succeeded"
    contains "why it ended" "mpirun was killed by signal 9" "$(history_of "$job" '.[0].reason')"
}

case_shepherd_killed() {
    local job
    start_ebmd
    job=$(submit_training)
    kill_at "$job" 35 shepherds
    assert_as_undisturbed "$job" "1 crashed, 2 succeeded"
    contains "why it ended" "its shepherd was killed" "$(history_of "$job" '.[0].reason')"
}

# The daemon's death stops no training: one attempt, and each row is there.
case_ebmd_killed_and_started_again() {
    local job ranks_before
    start_ebmd
    job=$(submit_training)
    wait_step "$job" 35
    ranks_before=$(ranks "$job")
    kill_ebmd
    start_ebmd
    equal "the ranks" "$ranks_before" "$(ranks "$job")"
    wait_step "$job" 70
    kill_ebmd
    start_ebmd
    assert_as_undisturbed "$job" "1 succeeded"
}

has_ended_training() { grep -q ' end .*outcome=succeeded' "$EBM_HOME/jobs/$1/attempt-1/output.log"; }

# Nobody is there when it ends: the workers wait with the results.
case_training_ends_while_ebmd_is_away() {
    local job
    start_ebmd
    job=$(submit_training)
    wait_step "$job" 35
    kill_ebmd
    wait_for $SOON "the end of the training" has_ended_training "$job"
    equal "ranks that wait" 2 "$(ranks "$job" | wc -l)"
    start_ebmd
    assert_as_undisturbed "$job" "1 succeeded"
}

# Ranks die while nobody looks: the next ebmd sees it and goes on.
case_ranks_killed_while_ebmd_is_away() {
    local job
    start_ebmd
    job=$(submit_training)
    wait_step "$job" 35
    kill_ebmd
    # shellcheck disable=SC2046
    kill_all $(ranks "$job")
    wait_for $SOON "the end of the shepherd" no_processes
    start_ebmd
    assert_as_undisturbed "$job" "1 crashed, 2 succeeded"
}

sockets_are_there() {
    local name
    for name in control worker events; do [ -S "$EBM_HOME/run/$name" ] || return 1; done
}

case_socket_folder_deleted() {
    local job
    start_ebmd
    job=$(submit_training)
    wait_step "$job" 35
    rm -rf "$EBM_HOME/run"
    wait_for $SOON "the sockets to be made again" sockets_are_there
    equal "mode of the folder" 700 "$(stat -c %a "$EBM_HOME/run")"
    equal "mode of a socket" 600 "$(stat -c %a "$EBM_HOME/run/control")"
    assert_as_undisturbed "$job" "1 succeeded"
}

# A shepherd that dies before it says that it runs, with its folder in memory
# made: the launch has failed, and that folder goes as well.
case_shepherd_killed_at_its_start() {
    mkdir libexec
    cat >libexec/ebm-shepherd <<'END'
#!/bin/bash
mkdir -m 700 "$(sed -n 's/^scratch=//p' "$1/launch")"
kill -9 $$
END
    chmod +x libexec/ebm-shepherd
    export EBM_LIBEXEC=$work/libexec
    start_ebmd
    submit --set resources.max_restarts=0 >/dev/null
    wait_end 1 failed
    contains "why" "ebm-shepherd did not say that it runs" "$(show 1 .reason)"
    equal "folders in memory" "" "$(scratch_folders)"
}

# One that is so slow that it is given up: it starts nothing any more.
case_shepherd_too_slow_to_start() {
    mkdir libexec
    printf '#!/bin/bash\n{ sleep 2.5; exec "%s" "$@"; } &\n' "$bin/ebm-shepherd" >libexec/ebm-shepherd
    chmod +x libexec/ebm-shepherd
    use_fake
    export EBM_LIBEXEC=$work/libexec
    start_ebmd
    submit --set resources.max_restarts=0 >/dev/null
    wait_end 1 failed
    contains "why" "ebm-shepherd did not say that it runs" "$(show 1 .reason)"
    wait_for $SOON "the late shepherd" grep -q "nobody waits for this launch any more" "$EBM_HOME/jobs/1/attempt-1/shepherd.log"
    equal "what it started" "" "$(marked)"
}

# Bytes of the vault that are not what was committed are never started from:
# the older checkpoint is.
case_a_damaged_checkpoint() {
    local job newest
    start_ebmd
    job=$(submit_training)
    wait_checkpoint "$job" 60
    expect 0 ebmctl kill "$job"
    wait_end "$job" cancelled
    newest=$(checkpoints "$job" 'last.checkpoint')
    sql checkpoints "UPDATE chunk SET bytes = zeroblob(length(bytes)) WHERE checkpoint = $newest"
    expect 0 ebmctl resume "$job"
    wait_end "$job" succeeded
    equal "attempts" "1 killed, 2 crashed, 3 succeeded" "$(attempts_of "$job")"
    contains "why the second attempt ended" "checkpoint $newest: its bytes do not have its digest" \
        "$(history_of "$job" '.[1].reason')"
    equal "health of the damaged one" poisoned "$(checkpoints "$job" ".[] | select(.checkpoint == $newest) | .health")"
    equal "the last digest" "$(undisturbed)" "$(final_digest "$job")"
    assert_metrics_without_gap "$job" $steps
}

case_all_mixed() {
    local job
    export EBM_TEST_STEP_DELAY_MS=25
    start_ebmd
    job=$(submit_training)
    kill_at "$job" 31 rank_0
    rm -rf "$EBM_HOME/run"
    # shellcheck disable=SC2046
    kill_all $(mpiruns "$job")
    wait_for $SOON "the third attempt" attempt_is "$job" 3
    kill_ebmd
    # shellcheck disable=SC2046
    kill_all $(shepherds "$job")
    start_ebmd
    wait_for $SOON "the fourth attempt" attempt_is "$job" 4
    kill_at "$job" 91 shepherds
    kill_ebmd
    rm -rf "$EBM_HOME/run"
    start_ebmd
    assert_as_undisturbed "$job" "1 crashed, 2 crashed, 3 crashed, 4 crashed, 5 succeeded"
}

run_cases
