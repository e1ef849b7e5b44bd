#!/usr/bin/env bash
# Looking on: logs, samples, wait, submit --follow, watch, and output that
# somebody cuts short.
#
# usage: follow.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"

# The follower of a log: its pid in $follower, its output in followed and
# followed.err.
follow_log() {
    ebmctl logs "$@" -f >followed 2>followed.err &
    follower=$!
    helpers+=("$follower")
}

assert_follower_ends() { # with 0
    local code=0
    wait_for $SOON "the follower to end" is_gone "$follower"
    wait "$follower" || code=$?
    equal "exit of the follower ($(cat followed.err))" 0 $code
}

# From before the start, over a crash and a killed ebmd, to the end.
case_logs_followed_through_a_restart_of_the_job() {
    use_fake EBM_FAKE=die-once-at:35 EBM_FAKE_STEP_MS=10
    start_ebmd
    submit --hold --set train.steps=80 --set checkpoint.every_steps=20 >/dev/null
    follow_log 1
    expect 0 ebmctl release 1
    wait_step 1 50
    kill_ebmd
    start_ebmd
    wait_end 1 succeeded
    assert_follower_ends
    contains "the follower's stderr" "--- attempt 2 ---" "$(cat followed.err)"
    equal "checkpoints in the log" "20 40 60 80" \
        "$(sed -n 's/.* fake-checkpoint step=\([0-9]*\) .*/\1/p' followed | sort -n | tr '\n' ' ' | sed 's/ $//')"
    equal "the log in pieces" "$(cat "$EBM_HOME"/jobs/1/attempt-1/output.log "$EBM_HOME"/jobs/1/attempt-2/output.log)" \
        "$(cat followed)"
    equal "logs --attempt 1" "$(cat "$EBM_HOME/jobs/1/attempt-1/output.log")" "$(ebmctl logs 1 --attempt 1)"
    equal "logs" "$(cat "$EBM_HOME/jobs/1/attempt-2/output.log")" "$(ebmctl logs 1)"
    expect 5 ebmctl logs 1 --attempt 3
    expect 5 ebmctl logs 1 --rank 7
}

case_logs_of_a_rank() {
    start_ebmd
    wait_end "$(submit --set train.steps=40)" succeeded
    expect 0 ebmctl logs 1 --rank 0
    contains "rank 0" " rank=0 " "$out"
    lacks "rank 0" " rank=1 " "$out"
    expect 0 ebmctl logs 1 --rank 1
}

assert_png() { # WHAT FILE
    equal "signature of $1" 89504e470d0a1a0a "$(head -c 8 "$2" | od -An -tx1 | tr -d ' \n')"
    equal "end of $1" 49454e44ae426082 "$(tail -c 8 "$2" | od -An -tx1 | tr -d ' \n')"
}

case_samples() {
    start_ebmd
    export EBM_TEST_STEP_DELAY_MS=3
    restart_ebmd
    wait_end "$(submit --set train.steps=120 --set checkpoint.every_steps=40)" succeeded
    expect 0 ebmctl samples 1 -o newest.png
    equal "samples" "wrote newest.png: samples of job 1 at step 120" "${out% (*}"
    assert_png "the newest" newest.png
    expect 0 ebmctl samples 1 -o first.png --at "c$(checkpoints 1 '.[0].checkpoint')"
    assert_png "the first" first.png
    expect 0 ebmctl samples 1 -o step.png --at "$(checkpoints 1 '.[0].step')"
    cmp first.png step.png || fail "the picture of a checkpoint and of its step differ"
    ! cmp -s first.png newest.png || fail "the first picture and the newest are the same"
    ebmctl samples 1 -o - >stdout.png
    cmp newest.png stdout.png || fail "the picture on stdout is another one"
    expect 0 ebmctl samples 1
    assert_png "the standard name" job-1-step-120.png
    expect 5 ebmctl samples 1 --at 77 -o no.png
    [ ! -e no.png ] || fail "a file of a picture that is not there"
    expect 1 ebmctl samples 1 -o no/folder/x.png
    expect 2 ebmctl samples 1 --at somewhere
}

# ebmd may be restarted while somebody waits; that ends no job.
case_wait() {
    local client code=0
    use_fake EBM_FAKE_STEP_MS=10
    start_ebmd
    submit --set train.steps=100 >/dev/null
    expect 124 ebmctl wait 1 --timeout 0.1
    equal "its state" true "$(show 1 '.state == "running" or .state == "starting"')"
    ebmctl wait 1 --timeout 60 >waited 2>&1 &
    client=$!
    helpers+=("$client")
    wait_step 1 20
    kill_ebmd
    start_ebmd
    wait $client || code=$?
    equal "exit of wait" 0 $code
    equal "what it said" "job 1 succeeded at step 100" "$(cat waited)"
    submit --set train.steps=20 >/dev/null
    expect 0 ebmctl wait 1 2 --timeout $LATER
    equal "wait for two" "$(printf 'job 1 succeeded at step 100\njob 2 succeeded at step 20')" "$out"
    expect 0 ebmctl wait 1 2 --timeout 0
}

# Of several, each is told of as soon as it is so: pauses too.
case_wait_tells_of_each_at_once() {
    use_fake EBM_FAKE_STEP_MS=10
    start_ebmd
    submit --set train.steps=100000 >/dev/null
    submit --set train.steps=100000 >/dev/null
    wait_state 1 running
    wait_state 2 running
    ebmctl wait 1 2 --timeout 60 >waited 2>told &
    helpers+=("$!")
    expect 0 ebmctl pause 2
    wait_for $SOON "a word of the pause" grep -q '^job 2 is paused: paused on request' told
    expect 0 ebmctl cancel 2
    wait_for $SOON "a word of the end" grep -q '^job 2 cancelled' waited
}

case_submit_and_follow() {
    use_fake EBM_FAKE_STEP_MS=5
    toy_spec
    start_ebmd
    expect 0 ebmctl submit toy.yaml --follow --set train.steps=60
    contains "submit --follow" "job 1 submitted: toy" "$out"
    contains "submit --follow" "succeeded" "$out"
    lacks "submit --follow" $'\033' "$out"
    equal "its state" succeeded "$(show 1 .state)"
    restart_ebmd EBM_FAKE=fail-at:5
    expect 1 ebmctl submit toy.yaml --follow
    contains "a job that fails" "fail-at says so" "$out$err"
    restart_ebmd EBM_FAKE=nan-at:5
    expect 3 ebmctl submit toy.yaml --follow --set stability.on_divergence=fail
}

case_watch_once() {
    use_fake EBM_FAKE_STEP_MS=2
    start_ebmd
    wait_end "$(submit --set train.steps=60)" succeeded
    expect 0 ebmctl watch --once
    contains "watch --once" "toy" "$out"
    contains "watch --once" "succeeded" "$out"
    lacks "watch --once" $'\033' "$out"
    expect 0 ebmctl watch 1 --once
    contains "watch 1 --once" "toy" "$out"
    expect 0 ebmctl watch 1 --once --ascii
    equal "other characters than ASCII" "" "$(LC_ALL=C grep -n '[^ -~]' <<<"$out" || true)"
    expect 5 ebmctl watch 9 --once
}

# `| head` closes the pipe: nothing is said about it.
case_output_that_is_cut_short() {
    use_fake EBM_FAKE_STEP_MS=0 EBM_FAKE_EVERY=1000
    start_ebmd
    wait_end "$(submit --set train.steps=3000 --set resources.ranks=1)" succeeded
    for i in 1 2 3; do submit --hold >/dev/null; done
    equal "list" "$(ebmctl list >all && head -n 1 all)" "$(ebmctl list 2>err | head -n 1)"
    equal "noise of list" "" "$(cat err)"
    equal "metrics" "attempt,step,time" "$(ebmctl metrics 1 -o csv 2>err | head -n 1 | cut -d, -f1-3)"
    equal "noise of metrics" "" "$(cat err)"
    equal "logs" 1 "$(ebmctl logs 1 2>err | head -n 1 | wc -l)"
    equal "noise of logs" "" "$(cat err)"
}

# No room for the output is told.
case_output_that_cannot_be_written() {
    local code=0
    [ -c /dev/full ] || skip "no /dev/full here"
    start_ebmd
    submit --hold >/dev/null
    ebmctl list >/dev/full 2>err || code=$?
    equal "its exit" 1 $code
    contains "what it says" "cannot write the output" "$(cat err)"
}

run_cases
