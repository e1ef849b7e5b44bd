#!/usr/bin/env bash
# Kills whatever there is at random moments, round after round, and looks
# after each whether the promises hold; at the end every job that was let go
# has come to its end, with the bits of one that nobody disturbed.
#
# usage: kill_loop.sh BIN_DIR [CASE...]
#   KILL_SEED=N     of the random moments; 1 is the default
#   KILL_ROUNDS=N   how many; 20 is the default: each deed once
source "$(dirname "$0")/../e2e/lib.sh"

seed=${KILL_SEED:-1} rounds=${KILL_ROUNDS:-20}
steps=120 every=20

# ---- chance ----

# A number below $1, into $picked: $(...) would have a chance of its own.
pick() { picked=$((RANDOM % $1)); }

# One of the arguments, into $one; "" when there is none.
pick_one() {
    one=""
    [ $# -gt 0 ] || return 0
    pick $#
    shift "$picked"
    one=$1
}

# A moment that nobody chose. This sleep is what is tested, not a wait.
wait_a_moment() {
    pick "$1"
    sleep "$(printf '0.%03d' "$picked")"
}

# ---- what is done ----

submit_some() {
    local job
    submitted=$((submitted + 1))
    job=$(try_submit --set "name=job-$submitted") || return 0 # not acknowledged: nothing is promised
    echo "$job job-$submitted" >>acknowledged
}

live_jobs() { sql ebmd "SELECT id FROM job WHERE state IN ('starting','running','pausing','unknown')"; }

# A live job, into $one.
pick_job() {
    # shellcheck disable=SC2046
    pick_one $(live_jobs)
}

do_kill_rank() {
    # shellcheck disable=SC2046
    pick_one $(ranks)
    kill_all $one
}

do_kill_mpirun() {
    # shellcheck disable=SC2046
    pick_one $(mpiruns)
    kill_all $one
}

do_kill_shepherd() {
    # shellcheck disable=SC2046
    pick_one $(shepherds)
    kill_all $one
}

do_kill_ebmd() {
    kill_ebmd
    wait_a_moment 300
    start_ebmd
}

do_kill_ebmd_and_shepherds() {
    kill_ebmd
    # shellcheck disable=SC2046
    kill_all $(shepherds)
    start_ebmd
}

do_kill_all() {
    kill_ebmd
    # shellcheck disable=SC2046
    kill_all $(shepherds) $(marked)
    start_ebmd
}

do_kill_ebmd_twice() {
    kill_ebmd
    timeout 60 ebmd --background >start 2>&1 &
    wait_a_moment 60 # it may not even serve yet
    local starter=$! pid
    pid=$(ebmd_pid)
    [ "$pid" -eq 0 ] || kill_all "$pid"
    wait "$starter" || true
    wait_for 10 "the death of the second ebmd" is_gone "$pid"
    [ "$(ebmd_pid)" -ne 0 ] || start_ebmd
}

# The client may hold on to the next ebmd, or be refused.
do_kill_ebmd_during_submits() {
    local i
    for i in 1 2 3; do submit_some; done &
    helpers+=("$!")
    wait_a_moment 40
    kill_ebmd
    start_ebmd
    wait $! || true
    submitted=$((submitted + 3))
}

do_delete_sockets() {
    rm -rf "$EBM_HOME/run"
    wait_for $SOON "the sockets" test -S "$EBM_HOME/run/control"
}

do_delete_sockets_and_kill_ebmd() {
    rm -rf "$EBM_HOME/run"
    do_kill_ebmd
}

do_freeze_rank() {
    # shellcheck disable=SC2046
    pick_one $(ranks)
    [ -n "$one" ] || return 0
    local pid=$one
    kill -STOP "$pid" 2>/dev/null || true
    wait_a_moment 999
    kill -CONT "$pid" 2>/dev/null || true
}

# What a person asks for may be refused: the job may just have ended.
ask() { timeout 60 ebmctl "$@" >>ask.out 2>>ask.err || true; }

do_rollback() {
    pick_job
    [ -z "$one" ] || ask rollback "$one" --to newest
}

do_rollback_and_kill_ebmd() {
    do_rollback
    do_kill_ebmd
}

do_pause_and_resume() {
    pick_job
    [ -n "$one" ] || return 0
    ask pause "$one"
    wait_a_moment 400
    ask resume "$one"
    echo "$one" >>paused # it may be too early to resume it now
}

do_cancel() {
    pick_job
    [ -n "$one" ] || return 0
    ask cancel "$one"
    echo "$one" >>given_up
}

do_kill_job() {
    pick_job
    [ -n "$one" ] || return 0
    ask kill "$one"
    echo "$one" >>given_up
    pick 2
    [ "$picked" -eq 0 ] || do_kill_ebmd
}

# The deaths come more often than the wishes. Drawn as from a deck of cards,
# so that no deed is left out.
deeds=(kill_rank kill_rank kill_mpirun kill_mpirun kill_shepherd kill_shepherd kill_ebmd kill_ebmd
    kill_ebmd_and_shepherds kill_all kill_ebmd_twice kill_ebmd_during_submits delete_sockets
    delete_sockets_and_kill_ebmd freeze_rank rollback rollback_and_kill_ebmd pause_and_resume cancel
    kill_job)

# The next of the deck, into $deed.
draw() {
    local i
    [ ${#deck[@]} -gt 0 ] || deck=("${deeds[@]}")
    pick ${#deck[@]}
    i=$picked
    deed=${deck[i]}
    deck=("${deck[@]:0:i}" "${deck[@]:i+1}")
}

# ---- what must hold at any moment ----

assert_acknowledged_are_there() {
    sql ebmd "SELECT id || ' ' || name FROM job" | sort >there
    equal "acknowledged jobs that are not there" "" "$(sort acknowledged | comm -23 - there)"
    equal "jobs that are there twice" "" "$(cut -d' ' -f2 there | sort | uniq -d)"
}

# A live state is one live attempt, the newest; any other state is none.
assert_states_agree_with_attempts() {
    equal "jobs whose state disagrees with their attempts" "" "$(sql ebmd "
        SELECT j.id || ' ' || j.state FROM job j
        LEFT JOIN attempt a ON a.job = j.id AND a.ended_ms = 0
        WHERE (j.state IN ('starting', 'running', 'pausing', 'unknown')) <> (a.job IS NOT NULL)
           OR (a.job IS NOT NULL AND a.attempt <> j.attempt)")"
}

# "job fence pid" of each rank.
list_ranks() {
    local pid entry job fence
    for pid in $(pids_named "$worker"); do
        job="" fence=""
        while IFS= read -r -d '' entry; do
            case $entry in
            EBM_JOB=*) job=${entry#*=} ;;
            EBM_FENCE=*) fence=${entry#*=} ;;
            esac
        done 2>/dev/null <"/proc/$pid/environ" || continue
        [ -z "$fence" ] || echo "$job $fence $pid"
    done
}

# An attempt that has ended on record has no process. Asked in this order, it
# is true at every moment.
assert_no_process_of_ended_attempts() {
    sql ebmd "SELECT job || ' ' || fence FROM attempt WHERE ended_ms <> 0" | sort >ended
    list_ranks >running
    equal "ranks of attempts that have ended" "" "$(cut -d' ' -f1,2 running | sort -u | comm -12 - ended)"
}

# One look at /proc takes its time, so two sets are two only when both are
# there a look later.
two_sets() {
    local job
    list_ranks >running
    for job in $(cut -d' ' -f1,2 running | sort -u | cut -d' ' -f1 | uniq -d); do
        # shellcheck disable=SC2046
        for pid in $(sed -n "s/^$job [0-9]* //p" running); do is_alive "$pid" || return 0; done
        echo "job $job: $(grep "^$job " running | tr '\n' ';')"
    done
}

assert_promises() {
    equal "jobs with two sets of processes" "" "$(two_sets)"
    assert_no_process_of_ended_attempts
    assert_acknowledged_are_there
    assert_states_agree_with_attempts
}

# ---- the end ----

resume_paused() {
    local job
    for job in $(sort -u paused); do
        ! state_is "$job" paused || ask resume "$job"
    done
}

all_have_ended() {
    resume_paused
    [ "$(sql ebmd "SELECT count(*) FROM job
        WHERE state NOT IN ('succeeded', 'cancelled', 'failed', 'diverged')")" = 0 ]
}

assert_ends() {
    local job digest
    sort -u given_up >given_up.sorted
    equal "jobs that did not succeed, and were not given up" "" "$(sql ebmd "
        SELECT id FROM job WHERE state <> 'succeeded'" | sort | comm -23 - given_up.sorted |
        while read -r job; do echo "$job: $(show "$job" '.state + " " + .reason')"; done)"
    digest=$(<"$shared/digest")
    for job in $(sql ebmd "SELECT id FROM job WHERE state = 'succeeded'"); do
        equal "digest of the last checkpoint of job $job" "$digest" \
            "$(checkpoints "$job" ".[] | select(.step == $steps) | .digest" | sort -u)"
        assert_metrics_without_gap "$job" $steps
    done
}

# Something to kill: two jobs live or about to be, one of them with its ranks up.
is_busy() {
    local n
    n=$(sql ebmd "SELECT count(*) FROM job
        WHERE state IN ('queued', 'starting', 'running', 'pausing', 'unknown')")
    for ((; n < 2; n++)); do submit_some; done
    [ -n "$(ranks)" ]
}

prepare() {
    use_fake EBM_FAKE_STEP_MS=6 EBM_FAKE_BYTES=100000 EBM_LEASE_MS=800
    toy_spec
    sed -i -e "s/steps: 300/steps: $steps/" -e "s/every_steps: 50/every_steps: $every/" \
        -e 's/ranks: 2/ranks: 2, max_restarts: 1000/' toy.yaml
    touch acknowledged paused given_up
    submitted=0
    start_ebmd
    submit_some
    wait_end 1 succeeded
    checkpoints 1 ".[] | select(.step == $steps) | .digest" >"$shared/digest"
}

case_random_kills() {
    local round deck=()
    echo "seed $seed, $rounds rounds"
    RANDOM=$seed
    prepare
    for round in $(seq "$rounds"); do
        wait_for $LATER "ranks" is_busy
        wait_a_moment 400
        draw
        echo "round $round: $deed ($(live_jobs | wc -l) jobs live)"
        "do_$deed"
        assert_promises
        wait_a_moment 300
        assert_promises
    done
    wait_for 180 "the end of all jobs" all_have_ended
    assert_promises
    assert_ends
    assert_databases_sound
    assert_vault_whole
}

run_cases
