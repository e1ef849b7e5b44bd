#!/usr/bin/env bash
# Who starts when, and why the others wait.
#
# usage: queue.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"
use_fake EBM_FAKE_STEP_MS=2
short() { submit --set train.steps=20 --set checkpoint.every_steps=10 "$@"; }
# Until it is killed: for those who wait behind it.
endless() { submit --set train.steps=1000000 --set checkpoint.every_steps=100000 "$@"; }

assert_waits() { # JOB REASON
    equal "the state of job $1" queued "$(show "$1" .state)"
    equal "why job $1 waits" "$2" "$(show "$1" .reason)"
}

# Numbers of jobs in the order in which their first attempts started.
starts() { ebmctl events -o json | jq -r '[.[] | select(.kind == "started") | .job] | join(" ")'; }

case_hold_and_release() {
    start_ebmd
    short --hold >/dev/null
    equal "its state" held "$(show 1 .state)"
    equal "why" "held: release it to let it start" "$(show 1 .reason)"
    expect 1 ebmctl hold 1
    contains "hold again" "job 1 is held; release it first" "$err"
    expect 0 ebmctl release 1
    wait_end 1 succeeded
    expect 1 ebmctl release 1
    contains "release again" "job 1 has succeeded" "$err"
    endless >/dev/null
    wait_state 2 running
    expect 1 ebmctl hold 2
    contains "hold a running job" "job 2 is running" "$err"
}

case_priorities() {
    start_ebmd
    endless --set resources.ranks=4 --hold >/dev/null
    short --hold >/dev/null
    short --hold --priority 5 >/dev/null
    short --hold --priority -1 >/dev/null
    short --hold --priority 5 >/dev/null
    expect 0 ebmctl release 1
    wait_state 1 running
    expect 0 ebmctl release 2 3 4 5
    assert_waits 3 "waits for 2 slots: 0 of 4 are free"
    assert_waits 2 "waits behind job 3, which is next (0 of 4 slots are free)"
    expect 0 ebmctl kill 1
    for job in 2 3 4 5; do wait_end $job succeeded; done
    equal "the order of the starts" "1 3 5 2 4" "$(starts)"
}

# A large job is not overtaken by small ones behind it.
case_a_large_job_is_not_overtaken() {
    start_ebmd
    endless --set resources.ranks=1 >/dev/null
    wait_state 1 running
    short --set resources.ranks=4 >/dev/null
    short --set resources.ranks=1 >/dev/null
    assert_waits 2 "waits for 4 slots: 3 of 4 are free"
    assert_waits 3 "waits behind job 2, which is next (3 of 4 slots are free)"
    expect 0 ebmctl kill 1
    wait_end 2 succeeded
    wait_end 3 succeeded
    equal "the order of the starts" "1 2 3" "$(starts)"
}

# Of six jobs with two ranks each, two at a time: as it was seen, and as it is
# on record.
case_slots_are_never_overdrawn() {
    local used most=0
    start_ebmd
    for _ in 1 2 3 4 5 6; do short --set train.steps=60 >/dev/null; done
    until [ "$(ebmctl status -o json | jq .succeeded)" = 6 ]; do
        used=$(ranks | wc -l)
        [ "$used" -le "$most" ] || most=$used
    done
    [ "$most" -le 4 ] || fail "$most ranks at once"
    equal "attempts at once, at most" 2 "$(sql ebmd '
        SELECT max(n) FROM (SELECT count(*) AS n FROM attempt a JOIN attempt b
            ON b.started_ms <= a.started_ms AND a.started_ms < b.ended_ms GROUP BY a.job)')"
}

case_after_another_job() {
    start_ebmd
    short --hold >/dev/null
    short --after 1 >/dev/null
    short --after 2 >/dev/null
    assert_waits 2 "waits for job 1 to succeed (held now)"
    assert_waits 3 "waits for job 2 to succeed (queued now)"
    equal "it is on record" 1 "$(show 2 .after)"
    restart_ebmd
    assert_waits 2 "waits for job 1 to succeed (held now)"
    expect 0 ebmctl release 1
    wait_end 3 succeeded
    equal "the order of the starts" "1 2 3" "$(starts)"
}

# It fails with those behind it, when the one it waits for will not succeed.
case_after_a_job_that_is_cancelled() {
    start_ebmd
    short --hold >/dev/null
    short --after 1 >/dev/null
    short --after 2 >/dev/null
    expect 0 ebmctl cancel 1
    wait_end 2 failed
    wait_end 3 failed
    equal "why" "job 1, which it was to follow, has ended as cancelled" "$(show 2 .reason)"
    equal "why" "job 2, which it was to follow, has ended as failed" "$(show 3 .reason)"
    equal "attempts" 0 "$(show 2 .attempts)"
}

case_waiting_jobs_can_be_stopped() {
    start_ebmd
    short --hold >/dev/null
    for job in 2 3 4; do short --after 1 >/dev/null; done
    expect 0 ebmctl pause 2
    equal "paused in the queue" "paused paused on request" "$(show 2 '.state + " " + .reason')"
    expect 0 ebmctl cancel 3
    equal "cancelled in the queue" "cancelled cancelled on request" "$(show 3 '.state + " " + .reason')"
    expect 0 ebmctl hold 4
    equal "held in the queue" held "$(show 4 .state)"
    expect 0 ebmctl kill 4
    expect 0 ebmctl release 1
    wait_end 1 succeeded
    expect 0 ebmctl resume 2
    wait_end 2 succeeded
    equal "the order of the starts" "1 2" "$(starts)"
}

# Crash after crash without a new checkpoint: a longer pause each time, which
# is told, and in the end it has failed.
case_the_restart_budget() {
    use_fake EBM_FAKE=die-at:5
    start_ebmd
    short --set resources.max_restarts=2 >/dev/null
    wait_for $SOON "the back-off" backs_off 1
    contains "why it waits" "waits 1 s more: restart 2 of 2 after a crash: rank 0 exited on signal 9" "$(cat reason)"
    wait_end 1 failed
    equal "attempts" "1 crashed, 2 crashed, 3 crashed" "$(attempts_of 1)"
    contains "why" "crashed again after 2 restarts without a new checkpoint: rank 0 exited on signal 9" "$(show 1 .reason)"
    restart_ebmd EBM_FAKE=normal
    expect 0 ebmctl resume 1
    wait_end 1 succeeded
}

backs_off() { # and says so: in the file reason
    show "$1" .reason >reason
    grep -q '^waits 1 s more' reason
}

# Who is out of sight is left alone.
case_a_frozen_worker_is_unknown() {
    use_fake EBM_FAKE=freeze-at:5 EBM_LEASE_MS=400
    start_ebmd
    short >/dev/null
    wait_state 1 unknown
    equal "why" "its workers are out of sight; it is left alone, and kill ends it" "$(show 1 .reason)"
    equal "ranks" 2 "$(ranks 1 | wc -l)"
    kill -CONT $(ranks 1)
    wait_end 1 succeeded
    equal "attempts" "1 succeeded" "$(attempts_of 1)"
    short >/dev/null
    wait_state 2 unknown
    restart_ebmd
    equal "its state after a restart" unknown "$(show 2 .state)"
    expect 0 ebmctl kill 2
    wait_end 2 cancelled
    equal "processes" "" "$(marked)"
}

# One that does not obey is made to.
case_a_deaf_worker_is_made_to_stop() {
    use_fake EBM_FAKE=deaf EBM_STOP_GRACE_MS=300
    start_ebmd
    endless >/dev/null
    wait_state 1 running
    expect 0 ebmctl pause 1
    wait_state 1 paused
    equal "attempts" "1 killed" "$(attempts_of 1)"
    contains "why" "it did not stop in time and was made to" "$(show 1 .reason)"
}

# Old fences, lies and garbage: refused, and ebmd goes on.
case_workers_that_lie() {
    use_fake EBM_FAKE=stale
    start_ebmd
    short --set resources.max_restarts=0 >/dev/null
    wait_end 1 failed
    contains "ebmd's log" "another attempt of this job is live" "$(cat "$EBM_HOME/ebmd.log")"
    restart_ebmd EBM_FAKE=lying
    wait_end "$(short)" succeeded
    assert_metrics_without_gap 2 20
    assert_vault_whole
    restart_ebmd EBM_FAKE=bad-end
    endless --set resources.max_restarts=0 --set train.steps=10 >/dev/null
    wait_for $SOON "the word that is none" grep -q "no outcome 'dancing'" "$EBM_HOME/ebmd.log"
    expect 0 ebmctl kill 3
    wait_end 3 cancelled
}

run_cases
