#!/usr/bin/env bash
# The keys of JSON and CSV that the contract names, and the exit codes.
#
# usage: formats.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"
use_fake EBM_FAKE_STEP_MS=1

job_keys="job name state step total_steps attempt attempts priority health reason"
checkpoint_keys="checkpoint attempt step health bytes digest"
metric_names="loss energy_data energy_sample energy_gap langevin_grad param_grad sample_mean sample_std saturation step_seconds chain_steps_per_second data_mean data_std energy_rms fresh_gap langevin_low langevin_high replaced suspicion"

# assert_keys WHAT FILTER KEYS: the object that the filter finds in $out has them.
assert_keys() {
    local key keys
    keys=$(jq -r "$2 | keys_unsorted | .[]" <<<"$out") || fail "$1 is no JSON: $out"
    for key in $3; do
        grep -qx "$key" <<<"$keys" || fail "$1: expected the key '$key', saw $(tr '\n' ' ' <<<"$keys")"
    done
}

# assert_csv WHAT KEYS ROWS: a header with these columns, and so many rows,
# each as wide as the header.
assert_csv() {
    local key header
    header=$(head -n 1 <<<"$out")
    for key in $2; do
        case ",$header," in *",$key,"*) ;; *) fail "$1: expected the column '$key', saw '$header'" ;; esac
    done
    equal "rows of $1" "$3" "$(tail -n +2 <<<"$out" | grep -c .)"
    [ "$3" -gt 0 ] || return 0
    equal "columns in the rows of $1" "$(awk -F, 'NR == 1 { print NF }' <<<"$out")" \
        "$(awk -F, 'NR > 1 { print NF }' <<<"$out" | sort -u | tr '\n' ' ' | sed 's/ $//')"
}

# One job that has succeeded, and one that waits.
stage() {
    start_ebmd
    wait_end "$(submit --set train.steps=60 --set checkpoint.every_steps=20)" succeeded
    submit --hold --priority 3 >/dev/null
}

case_submit() {
    toy_spec
    start_ebmd
    expect 0 ebmctl submit toy.yaml --hold -o json
    equal "submit -o json" '{"job":1}' "$(jq -c . <<<"$out")"
    expect 0 ebmctl submit toy.yaml --hold -o csv
    equal "submit -o csv" "$(printf 'job\n2')" "$out"
    expect 0 ebmctl submit toy.yaml --hold
    contains "submit" "job 3 submitted" "$out"
}

case_list() {
    stage
    expect 0 ebmctl list -o json
    equal "rows" 2 "$(jq length <<<"$out")"
    assert_keys "a job of the list" '.[0]' "$job_keys"
    equal "the first job" '{"job":1,"name":"toy","state":"succeeded","step":60,"total_steps":60,"attempt":1,"attempts":1,"priority":0,"health":"ok","reason":""}' \
        "$(jq -c '.[0] | {job, name, state, step, total_steps, attempt, attempts, priority, health, reason}' <<<"$out")"
    equal "the second job" "2 held 3" "$(jq -r '.[1] | "\(.job) \(.state) \(.priority)"' <<<"$out")"
    expect 0 ebmctl list -o csv
    equal "the first columns" "${job_keys// /,}" "$(head -n 1 <<<"$out" | cut -d, -f1-10)"
    assert_csv "list" "$job_keys" 2
    expect 0 ebmctl list --state held -o json
    equal "held jobs" 2 "$(jq '.[].job' <<<"$out")"
    expect 0 ebmctl list -n 1 -o json
    equal "the newest job" 2 "$(jq '.[].job' <<<"$out")"
}

case_an_empty_list() {
    start_ebmd
    expect 0 ebmctl list -o json
    equal "list -o json" "[]" "$(jq -c . <<<"$out")"
    expect 0 ebmctl list -o csv
    assert_csv "list" "$job_keys" 0
    expect 0 ebmctl list
    contains "list" "no jobs yet" "$out"
}

case_show() {
    stage
    expect 0 ebmctl show 1 -o json
    assert_keys "show" . "$job_keys"
    contains "its effective spec" "every_steps: 20" "$(jq -r .spec <<<"$out")"
    equal "the folder of its files" "$EBM_HOME/jobs/1" "$(jq -r .dir <<<"$out")"
    expect 0 ebmctl show 1 -o csv
    contains "show -o csv" "${job_keys// /,}" "$(head -n 1 <<<"$out")"
    expect 0 ebmctl show 2
    contains "show" "held: release it" "$out"
}

case_checkpoints() {
    stage
    expect 0 ebmctl checkpoints 1 -o json
    assert_keys "a checkpoint" '.[0]' "$checkpoint_keys"
    equal "the last checkpoint" "1 60" "$(jq -r 'last | "\(.attempt) \(.step)"' <<<"$out")"
    equal "digests that are none" "" "$(jq -r '.[].digest' <<<"$out" | grep -vx '[0-9a-f]\{64\}' || true)"
    contains "digests of the log" "$(jq -r 'last.digest' <<<"$out")" "$(ebmctl logs 1)"
    expect 0 ebmctl checkpoints 1 -o csv
    equal "the first columns" "${checkpoint_keys// /,}" "$(head -n 1 <<<"$out" | cut -d, -f1-6)"
    expect 0 ebmctl checkpoints 2 -o json
    equal "checkpoints of a job that has none" "[]" "$(jq -c . <<<"$out")"
}

case_metrics() {
    stage
    expect 0 ebmctl metrics 1 -o json
    equal "rows" 60 "$(jq length <<<"$out")"
    assert_keys "a row" '.[0]' "attempt step time $metric_names"
    expect 0 ebmctl metrics 1 -o csv
    equal "the header" "attempt,step,time,${metric_names// /,}" "$(head -n 1 <<<"$out")"
    assert_csv "metrics" "" 60
    expect 0 ebmctl metrics 1 --name energy_gap,loss --since 58 -o csv
    equal "some columns" "attempt,step,time,energy_gap,loss" "$(head -n 1 <<<"$out")"
    equal "since a step" "58 59 60" "$(tail -n +2 <<<"$out" | cut -d, -f2 | tr '\n' ' ' | sed 's/ $//')"
    expect 0 ebmctl metrics 1 -n 2 -o json
    equal "the last two" "59 60" "$(jq -r 'map(.step) | join(" ")' <<<"$out")"
}

case_history_and_events() {
    stage
    expect 0 ebmctl history 1 -o json
    assert_keys "an attempt" '.[0]' "attempt cause actor from_checkpoint from_step last_step outcome overrides reason started ended host"
    equal "the attempt" "1 submit user null 0 60 succeeded" \
        "$(jq -r '.[0] | "\(.attempt) \(.cause) \(.actor) \(.from_checkpoint) \(.from_step) \(.last_step) \(.outcome)"' <<<"$out")"
    expect 0 ebmctl history 1 -o csv
    assert_csv "history" "attempt cause outcome" 1
    expect 0 ebmctl events 1 -o json
    assert_keys "an event" '.[0]' "seq time job attempt kind text"
    equal "numbers that do not rise" "true" "$(jq '[.[].seq] | . == (sort | unique)' <<<"$out")"
    for kind in submitted started running checkpoint ended succeeded; do
        jq -e --arg k $kind 'any(.[]; .kind == $k)' <<<"$out" >/dev/null || fail "no event of kind $kind"
    done
    expect 0 ebmctl events -o csv
    contains "events -o csv" "seq,time,job,attempt,kind,text" "$(head -n 1 <<<"$out")"
}

case_status() {
    stage
    expect 0 ebmctl status -o json
    assert_keys "status" . "version pid started home slots_total slots_used store_bytes metrics_bytes vault_bytes disk_free_bytes \
        queued held starting running pausing paused succeeded failed cancelled diverged unknown"
    equal "counts, slots, pid" "1 1 4 0 $(ebmd_pid)" \
        "$(jq -r '"\(.succeeded) \(.held) \(.slots_total) \(.slots_used) \(.pid)"' <<<"$out")"
    expect 0 ebmctl status -o csv
    assert_csv "status" "pid slots_total running unknown" 1
    expect 0 ebmctl daemon status -o json
    equal "daemon status" "$(ebmd_pid)" "$(jq .pid <<<"$out")"
}

# ---- exit codes ----

case_exit_0_and_1() {
    toy_spec
    use_fake EBM_FAKE=fail-at:5
    start_ebmd
    expect 0 ebmctl submit toy.yaml
    expect 1 ebmctl wait 1 --timeout $LATER
    contains "wait" "job 1 failed at step 5: fail-at says so" "$out"
    expect 1 ebmctl pause 1
    contains "pause" "job 1 has failed" "$err"
    expect 0 ebmctl submit toy.yaml --hold
    expect 0 ebmctl cancel 2
    expect 1 ebmctl wait 2
    expect 1 ebmctl submit toy.yaml --after 2
    contains "submit after a cancelled job" "would never start" "$err"
}

case_exit_2() {
    toy_spec
    start_ebmd
    expect 2 ebmctl
    expect 2 ebmctl lits
    contains "a word that is no command" "did you mean 'list'" "$err"
    expect 2 ebmctl list --stat held
    expect 2 ebmctl list --state heldd
    expect 2 ebmctl show
    expect 2 ebmctl show one
    expect 2 ebmctl show 0
    expect 2 ebmctl list -o yaml
    expect 2 ebmctl wait 1 --timeout soon
    expect 2 ebmctl submit nowhere.yaml
    expect 2 ebmctl submit toy.yaml --set optimizer.lr=-1
    expect 2 ebmctl submit toy.yaml --set optimizer.lerning_rate=1
    expect 2 ebmctl submit toy.yaml --priority high
    expect 2 ebmctl metrics 1 --name los
    expect 2 ebmd --unknown
    equal "jobs" 0 "$(ebmctl list -o json | jq length)"
}

case_exit_3() {
    toy_spec
    use_fake EBM_FAKE=nan-at:25
    start_ebmd
    expect 0 ebmctl submit toy.yaml --set stability.on_divergence=fail
    expect 3 ebmctl wait 1 --timeout $LATER
    equal "its state" diverged "$(show 1 .state)"
    equal "its health" bad "$(show 1 .health)"
    expect 0 ebmctl submit toy.yaml --set stability.max_rollbacks=2 --set checkpoint.every_steps=20
    expect 3 ebmctl wait 2 --timeout $LATER
    equal "attempts" "1 diverged, 2 diverged, 3 diverged" "$(attempts_of 2)"
    expect 3 ebmctl wait 1 2 --timeout $LATER
}

case_exit_5() {
    toy_spec
    start_ebmd
    expect 0 ebmctl submit toy.yaml --hold
    for verb in show checkpoints history metrics logs pause resume cancel kill hold release rollback fork wait "events"; do
        expect 5 ebmctl $verb 9
        contains "$verb of a job that is not there" "no job 9" "$err"
    done
    expect 5 ebmctl rollback 1 --to 400
    expect 5 ebmctl samples 1 -o x.png
    expect 5 ebmctl logs 1
    expect 5 ebmctl pin c9
    expect 5 ebmctl submit toy.yaml --after 9
}

case_exit_6() {
    toy_spec
    for command in list "show 1" "submit toy.yaml" status "daemon status" "daemon stop" "wait 1"; do
        # shellcheck disable=SC2086
        expect 6 ebmctl $command
        contains "$command without ebmd" "no ebmd serves" "$err"
    done
}

case_exit_124() {
    toy_spec
    start_ebmd
    expect 0 ebmctl submit toy.yaml --hold
    expect 124 ebmctl wait 1 --timeout 0.2
    contains "wait" "has not ended in time" "$err"
}

# A shell sees 128 + 2 for who was interrupted, and 128 + 15.
case_exit_128_and_the_signal() {
    local client code signal
    toy_spec
    start_ebmd
    expect 0 ebmctl submit toy.yaml --hold
    for signal in TERM KILL; do
        code=0
        ebmctl wait 1 --timeout 60 &
        client=$!
        helpers+=("$client")
        wait_for $SOON "the client to wait" client_waits "$client"
        kill -s $signal $client
        wait $client 2>/dev/null || code=$?
        equal "exit of a client that got SIG$signal" $((128 + $(kill -l $signal))) $code
    done
}

client_waits() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" = ebmctl ]; }

run_cases
