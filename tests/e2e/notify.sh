#!/usr/bin/env bash
# Who is told of what becomes of a job: by a command, by a request; one that
# hangs, one that fails, and ebmd killed in between.
#
# usage: notify.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"
use_fake EBM_FAKE_STEP_MS=1

lines_are() { [ -e "$2" ] && [ "$(wc -l <"$2")" -eq "$1" ]; } # lines_are COUNT FILE
all_told() { [ "$(sql ebmd 'SELECT count(*) FROM notice WHERE ended_ms = 0')" = 0 ]; }
outcomes() { sql ebmd 'SELECT job || " " || event || " " || outcome FROM notice ORDER BY id' | tr '\n' ','; }
was_not_told() { timeout 20 ebmctl events "$1" | grep -q "not-told"; }
children() { ps -o stat=,comm= --ppid "$(ebmd_pid)" || true; }

serve() { # serve ANSWER...: sets $url
    post-taker port bodies "$@" &
    helpers+=("$!")
    wait_for $SOON "the server" test -s port
    url=http://127.0.0.1:$(<port)/hook
}

case_a_command_is_run_for_ends() {
    local job
    start_ebmd
    job=$(submit --set name=good --set "on_event.command=cat >>$work/told")
    wait_end "$job" succeeded
    restart_ebmd EBM_FAKE=fail-at:5
    job=$(submit --set name=bad --set "on_event.command=cat >>$work/told")
    wait_end "$job" failed
    wait_for $SOON "two lines" lines_are 2 told
    equal "the first" "finished 1 good succeeded 300 300 1" \
        "$(sed -n 1p told | jq -r '"\(.event) \(.job) \(.name) \(.state) \(.step) \(.total_steps) \(.attempt)"')"
    equal "the second" "failed 2 bad failed $(show 2 .reason)" \
        "$(sed -n 2p told | jq -r '"\(.event) \(.job) \(.name) \(.state) \(.reason)"')"
    equal "its time" true "$(sed -n 2p told | jq --argjson now "$(date +%s)" '.time > $now - 120 and .time < $now + 2')"
    wait_for $SOON "the end of all notices" all_told
    equal "on record" "1 finished told,2 failed told," "$(outcomes)"
    equal "children of ebmd" "" "$(children)"
    equal "notices that are left" "" "$(ls "$EBM_HOME"/jobs/*/notice-* 2>/dev/null)"
    contains "its log" "told program=ebm-notify notice=2 event=failed by=command try=1" "$(cat "$EBM_HOME/jobs/2/notify.log")"
}

case_a_command_sees_the_event_and_its_words() {
    local job
    start_ebmd
    # shellcheck disable=SC2016
    job=$(submit --set 'on_event.command=echo "$EBM_EVENT,$EBM_JOB,$EBM_STATE,$EBM_REASON,$PWD" >told; echo noise' \
        --set "on_event.events=cancelled" --hold)
    expect 0 ebmctl cancel "$job"
    wait_for $SOON "the line" lines_are 1 "$EBM_HOME/jobs/1/told"
    equal "what it saw" "cancelled,1,cancelled,cancelled on request,$EBM_HOME/jobs/1" "$(cat "$EBM_HOME/jobs/1/told")"
    wait_for $SOON "the end of all notices" all_told
    contains "what it said" noise "$(cat "$EBM_HOME/jobs/1/notify.log")"
}

case_a_server_that_fails_twice_is_told() {
    local job
    serve 503 500 200
    start_ebmd
    job=$(submit --set "on_event.url=$url")
    wait_end "$job" succeeded
    wait_for $SOON "a request that was taken" test -s bodies
    equal "the JSON" "finished 1" "$(head -n 1 bodies | jq -r '"\(.event) \(.job)"')"
    contains "the request" "application/json POST /hook HTTP/1.1" "$(cat bodies)"
    wait_for $SOON "the end of all notices" all_told
    contains "its tries" "by=url try=2 error=\"the server answered 500\"" "$(cat "$EBM_HOME/jobs/1/notify.log")"
    lacks "its log" /hook "$(cat "$EBM_HOME/jobs/1/notify.log")"
    equal "on record" "1 finished told," "$(outcomes)"
}

case_a_command_that_hangs_is_killed() {
    local job
    start_ebmd
    job=$(submit --set "on_event.command=touch $work/begun; sleep 300; touch $work/after" \
        --set on_event.timeout_seconds=1 --set on_event.retries=0)
    wait_end "$job" succeeded
    wait_for $SOON "the command" test -e begun
    expect 0 timeout 5 ebmctl status # it serves meanwhile
    wait_for $SOON "the end of the command" was_not_told "$job"
    equal "on record" "1 finished failed," "$(outcomes)"
    equal "its state" succeeded "$(show "$job" .state)"
    equal "processes" "" "$(notifiers)$(with_environment EBM_EVENT=finished "EBM_HOME=$EBM_HOME")"
    contains "its log" "no end within 1 s: killed" "$(cat "$EBM_HOME/jobs/1/notify.log")"
}

# A gate that the command waits at.
gated() { echo "on_event.command=touch $work/begun; while [ ! -e $work/gate ]; do sleep 0.05; done; echo told >>$work/told"; }

case_ebmd_and_its_notifier_are_killed() {
    local job
    start_ebmd
    job=$(submit --set "$(gated)")
    wait_end "$job" succeeded
    wait_for $SOON "the command" test -e begun
    kill_ebmd
    # shellcheck disable=SC2046
    kill_all $(notifiers)
    wait_for $SOON "the death of the command" no_processes
    touch gate
    start_ebmd
    wait_for $SOON "the end of all notices" all_told
    equal "told" told "$(cat told)"
}

case_ebmd_alone_is_killed() {
    local job
    start_ebmd
    job=$(submit --set "$(gated)")
    wait_end "$job" succeeded
    wait_for $SOON "the command" test -e begun
    kill_ebmd
    start_ebmd
    equal "due" 1 "$(sql ebmd 'SELECT count(*) FROM notice WHERE ended_ms = 0')"
    touch gate
    wait_for $SOON "the end of all notices" all_told
    equal "told, and not twice" told "$(cat told)"
}

# Killed as soon as the job has ended: its notice was committed with that.
case_ebmd_is_killed_right_after_the_event() {
    local job round
    for round in 1 2 3 4 5; do
        start_ebmd
        job=$(submit --set train.steps=20 --set "on_event.command=echo \$EBM_JOB >>$work/told")
        wait_state "$job" succeeded
        kill_ebmd
    done
    start_ebmd
    wait_for $SOON "the end of all notices" all_told
    equal "told" "1 2 3 4 5" "$(sort -nu told | tr '\n' ' ' | sed 's/ $//')"
}

case_a_rollback_is_told_by_its_own_setting() {
    local job
    start_ebmd
    job=$(submit)
    wait_end "$job" succeeded
    equal "on record" "" "$(outcomes)"
    expect 2 ebmctl rollback "$job" --to 200 --set on_event.events=finishd
    contains "a word that is none" "did you mean 'finished'?" "$err"
    expect 0 ebmctl rollback "$job" --to 200 --set "on_event.command=echo \$EBM_EVENT >>$work/told"
    wait_end "$job" succeeded
    wait_for $SOON "two lines" lines_are 2 told
    equal "told" "rolled-back finished" "$(tr '\n' ' ' <told | sed 's/ $//')"
}

run_cases
