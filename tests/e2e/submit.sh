#!/usr/bin/env bash
# What was acknowledged is there, once, whenever ebmd is killed.
#
# usage: submit.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"

# Twenty submits named PREFIX-1 ... one after the other, each again until it is
# acknowledged; writes "job name" lines.
submit_twenty() {
    local i job
    for i in $(seq 20); do
        until job=$(try_submit --hold --set "name=$1-$i"); do sleep 0.02; done
        echo "$job $1-$i" >>acknowledged
    done
    touch "$1.done"
}

acknowledged() { [ -e "$2.done" ] || [ "$(wc -l <acknowledged)" -ge "$1" ]; }

assert_each_is_there_once() {
    local doubled
    ebmctl list -o json | jq -r '.[] | "\(.job) \(.name)"' >there
    equal "acknowledged jobs that are not there" "" "$(sort acknowledged | comm -23 - <(sort there))"
    doubled=$(cut -d' ' -f2 there | sort | uniq -d)
    equal "names that are there twice" "" "$doubled"
}

# Two at a time, three rounds; ebmd dies at three moments of each, and comes
# back.
case_twenty_submits_while_ebmd_is_killed() {
    local round n
    toy_spec
    start_ebmd
    : >acknowledged
    for round in 1 2 3; do
        submit_twenty "a$round" &
        helpers+=("$!")
        submit_twenty "b$round" &
        helpers+=("$!")
        for n in 8 18 30; do
            wait_for $SOON "submit $n of round $round" acknowledged $(((round - 1) * 40 + n + round)) "a$round"
            kill_ebmd
            start_ebmd
        done
        wait_for $SOON "the end of round $round" test -e "a$round.done" -a -e "b$round.done"
        assert_each_is_there_once
    done
    equal "acknowledged submits" 120 "$(wc -l <acknowledged)"
    equal "integrity" ok "$(sql ebmd 'PRAGMA integrity_check')"
}

request_came_again() { grep -q ' request-again ' "$EBM_HOME/ebmd.log"; }

# ebmd stands still, the client asks again with the same key, and both
# requests are read when it goes on.
case_a_request_sent_twice_is_done_once() {
    local pid client
    toy_spec
    start_ebmd
    pid=$(ebmd_pid)
    kill -STOP "$pid"
    ebmctl submit toy.yaml --hold -o json >job &
    client=$!
    helpers+=("$client")
    sleep 2.5 # the client's own time until it asks again is 2 s
    kill -CONT "$pid"
    wait "$client" || fail "submit was refused"
    wait_for $SOON "the second request" request_came_again
    equal "the job's number" 1 "$(jq .job job)"
    equal "jobs" 1 "$(ebmctl list -o json | jq length)"
}

# One that listens, and at least a client's probe and its session.
client_is_connected() { [ "$(grep -c "$EBM_HOME/run/control\$" /proc/net/unix)" -ge 3 ]; }

# The reply is lost with a killed ebmd; the request comes again to the next.
case_a_request_survives_the_daemon_it_was_sent_to() {
    local pid client
    toy_spec
    start_ebmd
    pid=$(ebmd_pid)
    kill -STOP "$pid"
    ebmctl submit toy.yaml --hold -o json >job &
    client=$!
    helpers+=("$client")
    wait_for $SOON "the client" client_is_connected
    kill_ebmd
    start_ebmd
    wait "$client" || fail "submit was refused"
    equal "jobs" 1 "$(ebmctl list -o json | jq length)"
    equal "the acknowledged job" "$(jq .job job)" "$(ebmctl list -o json | jq '.[0].job')"
}

run_cases
