#!/usr/bin/env bash
# A full disk: the job pauses with that reason, what was stored stays sound,
# ebmd goes on, and with room again so does the job.
#
# usage: disk_full.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"

# Mounts of ours are seen by nobody else, and go with the last of our processes.
private_mounts() {
    [ -n "${MOUNTS_ARE_OURS:-}" ] || [ "$(id -u)" -ne 0 ] || ! unshare -m true 2>/dev/null ||
        MOUNTS_ARE_OURS=1 exec unshare -m --propagation private bash "$0" "$bin" "${wanted_cases[@]}"
}
private_mounts

# A home on a disk of so many MiB. From 64 free ones on ebmd keeps 16 back, to
# say what happened when the others are full.
small_disk() {
    [ -n "${MOUNTS_ARE_OURS:-}" ] || skip "mounting is not allowed here"
    mkdir "$EBM_HOME"
    mount -t tmpfs -o "size=${1}m,mode=700" ebm-e2e "$EBM_HOME" 2>/dev/null || skip "mounting is not allowed here"
}

steps=80
bytes=3000000 # of a checkpoint; none of them is retired
training() { submit --set train.steps=$steps --set checkpoint.every_steps=10 --set checkpoint.keep_last=100 "$@"; }

assert_goes_on_with_what_it_has() { # JOB
    assert_vault_whole
    assert_databases_sound
    [ "$(checkpoints "$1" length)" -gt 0 ] || fail "no checkpoint is left"
    equal "ebmd's answer" paused "$(show "$1" .state)"
    equal "processes" "" "$(marked)"
}

# As if nothing had happened.
assert_resumes() { # JOB
    local from other
    from=$(checkpoints "$1" 'last.step')
    expect 0 ebmctl resume "$1"
    wait_end "$1" succeeded
    equal "where the second attempt began" "$from" "$(history_of "$1" '.[1].from_step')"
    assert_metrics_without_gap "$1" $steps
    other=$(training)
    wait_end "$other" succeeded
    equal "the last digest" "$(checkpoints "$other" 'last.digest')" "$(checkpoints "$1" 'last.digest')"
    assert_vault_whole
}

fill_disk() { cat /dev/zero >"$EBM_HOME/filler" 2>/dev/null || true; }

case_checkpoints_fill_the_disk() {
    use_fake EBM_FAKE_STEP_MS=10 EBM_FAKE_BYTES=$bytes
    small_disk 100
    start_ebmd
    fallocate -l 50M "$EBM_HOME/filler"
    training >/dev/null
    wait_state 1 paused
    contains "why" "disk full: " "$(show 1 .reason)"
    equal "attempts" "1 paused" "$(attempts_of 1)"
    contains "events" "disk-full" "$(ebmctl events 1)"
    assert_goes_on_with_what_it_has 1
    restart_ebmd
    equal "its state after a restart" paused "$(show 1 .state)"
    rm "$EBM_HOME/filler"
    assert_resumes 1
}

# Rows only, for a long time.
case_metrics_fill_the_disk() {
    use_fake EBM_FAKE_STEP_MS=1 EBM_FAKE_EVERY=100
    small_disk 100
    start_ebmd
    submit --set train.steps=100000 >/dev/null
    wait_checkpoint 1 100
    fill_disk
    wait_state 1 paused
    contains "why" "disk full: " "$(show 1 .reason)"
    assert_goes_on_with_what_it_has 1
    rm "$EBM_HOME/filler"
    expect 0 ebmctl resume 1
    wait_state 1 running
}

# Whoever submits is told, and ebmd lives.
case_submits_on_a_full_disk() {
    local i code=0
    : >acknowledged
    use_fake
    small_disk 100
    start_ebmd
    submit --hold >/dev/null
    for i in 1 2; do
        fill_disk # the second time the ballast is gone already
        for _ in $(seq 40); do
            code=0
            ebmctl submit toy.yaml --hold -o json >said 2>&1 || code=$?
            [ "$code" -eq 0 ] || break
            jq .job said >>acknowledged
        done
    done
    [ "$code" -ne 0 ] || fail "the disk was not full"
    equal "the exit of a submit that found no room ($(cat said))" 1 "$code"
    equal "acknowledged jobs that are not there" "" \
        "$(ebmctl list -o json | jq '.[].job' | sort >there && sort acknowledged | comm -23 - there)"
    rm "$EBM_HOME/filler"
    expect 0 ebmctl submit toy.yaml --hold
    assert_databases_sound
}

# What runs must be seen, and can be ended, on a disk without one free byte.
case_a_start_on_a_full_disk() {
    use_fake EBM_FAKE_STEP_MS=50
    small_disk 100
    start_ebmd
    submit --set train.steps=100000 --set checkpoint.every_steps=90000 >/dev/null
    wait_state 1 running
    [ -s "$EBM_HOME/ballast" ] || fail "no ballast"
    kill_ebmd
    fill_disk
    equal "free" 0 "$(stat -fc %a "$EBM_HOME")"
    start_ebmd
    equal "its state" running "$(show 1 .state)"
    expect 0 ebmctl kill 1
    wait_end 1 cancelled
    rm "$EBM_HOME/filler"
    assert_databases_sound
}

# The ballast was needed before, and nothing of a log of SQLite is there.
case_a_start_without_any_room() {
    use_fake EBM_FAKE_STEP_MS=50
    small_disk 100
    start_ebmd
    submit --set train.steps=100000 --set checkpoint.every_steps=90000 >/dev/null
    wait_state 1 running
    stop_ebmd
    rm "$EBM_HOME/ballast"
    fill_disk
    equal "free" 0 "$(stat -fc %a "$EBM_HOME")"
    start_ebmd
    equal "its state" running "$(show 1 .state)"
    expect 0 ebmctl list
    expect 1 ebmctl submit toy.yaml
    contains "a submit" "no space left" "$err"
    rm "$EBM_HOME/filler"
    expect 0 ebmctl kill 1
    wait_end 1 cancelled
}

# The run has come to its end, but what it has to show found no room.
case_the_last_checkpoint_finds_no_room() {
    use_fake EBM_FAKE_STEP_MS=50 EBM_FAKE_BYTES=3000000 EBM_VAULT_MAX_BYTES=8MB
    start_ebmd
    submit --set train.steps=30 --set checkpoint.every_steps=10 >/dev/null
    wait_state 1 paused succeeded
    equal "its state" paused "$(show 1 .state)"
    contains "why" "disk full: " "$(show 1 .reason)"
    equal "checkpoints" "10 20" "$(checkpoints 1 'map(.step) | join(" ")')"
    restart_ebmd EBM_VAULT_MAX_BYTES=80MB
    expect 0 ebmctl resume 1
    wait_end 1 succeeded
    equal "checkpoints" "10 20 30" "$(checkpoints 1 'map(.step) | join(" ")')"
}

# No special rights are needed for this one.
case_the_quota_of_the_vault() {
    use_fake EBM_FAKE_STEP_MS=10 EBM_FAKE_BYTES=$bytes EBM_VAULT_MAX_BYTES=12MB
    start_ebmd
    training >/dev/null
    wait_state 1 paused
    contains "why" "disk full: " "$(show 1 .reason)"
    contains "why" "quota" "$(show 1 .reason)"
    assert_goes_on_with_what_it_has 1
    # Without more room it pauses again, and still tells the truth.
    expect 0 ebmctl resume 1
    wait_for $LATER "the second attempt" grep -q ' attempt=2 state=paused ' "$EBM_HOME/ebmd.log"
    equal "attempts" "1 paused, 2 paused" "$(attempts_of 1)"
    restart_ebmd EBM_VAULT_MAX_BYTES=400MB
    expect 0 ebmctl resume 1
    wait_end 1 succeeded
    assert_metrics_without_gap 1 $steps
    assert_vault_whole
}

run_cases
