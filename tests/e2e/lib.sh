# shellcheck shell=bash
# What the end-to-end and kill tests share. A test is a list of cases:
#
#   #!/usr/bin/env bash
#   # usage: submit.sh BIN_DIR [CASE...]
#   source "$(dirname "$0")/../e2e/lib.sh"
#   case_one_job() { ... }
#   run_cases
#
# By hand, one case: tests/e2e/submit.sh build/bin case_one_job
#
# Each case has a shell, a working folder and a home of its own, so cases
# neither see nor hurt one another, nor anything else on the machine. It ends
# at its first failure; what was expected and what was seen is printed. A case
# that passes stops its jobs and its ebmd, and then nothing of them may be
# left: no process, no folder in memory.
#
#   EBM_TEST_KEEP=1   keeps the working folders of cases that fail
set -eu

bin=$(cd "${1:?usage: $0 BIN_DIR [CASE...]}" && pwd)
shift
wanted_cases=("$@")
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(cd "$tests/.." && pwd)
PATH=$bin:$PATH

# No setting of whoever runs the tests reaches them.
keep=${EBM_TEST_KEEP:-}
unset "${!EBM_@}" "${!OMPI_@}" NO_COLOR 2>/dev/null || true
export EBM_NO_AUTOSTART=1 # or a daemon would outlive its test
export LC_ALL=C.UTF-8 TERM=dumb
export EBM_SLOTS=4 # the same on every machine
export OMPI_MCA_mpi_yield_when_idle=1 # other tests want the cores too

# Deadlines are for machines that are busy; what is waited for comes sooner.
readonly SOON=30 LATER=90

out="" err="" # of the last `expect`

# ---- running cases ----

run_cases() {
    local name failed=0 began
    [ ${#wanted_cases[@]} -gt 0 ] ||
        mapfile -t wanted_cases < <(sed -n 's/^\(case_[a-z0-9_]*\)() {.*/\1/p' "$0")
    shared=$(mktemp -d /tmp/ebm-e2e-XXXXXX) # what an earlier case leaves for later ones
    trap 'rm -rf "$shared"' EXIT
    for name in "${wanted_cases[@]}"; do
        began=$(date +%s%N)
        # Not in a condition: there `set -e` would mean nothing.
        set +e
        (begin_case && "$name")
        local status=$?
        set -e
        case $status in
        0) printf 'ok   %s (%s ms)\n' "$name" $((($(date +%s%N) - began) / 1000000)) ;;
        77) printf 'skip %s\n' "$name" ;;
        *) printf 'FAIL %s\n' "$name" && failed=$((failed + 1)) ;;
        esac
    done
    [ "$failed" -eq 0 ] || { echo "$failed of ${#wanted_cases[@]} cases failed" && exit 1; }
}

begin_case() {
    set -eu
    work=$(mktemp -d /tmp/ebm-e2e-XXXXXX) # short: a socket's path has 107 bytes
    export EBM_HOME=$work/h
    helpers=()
    trap end_case EXIT
    trap 'exit 143' TERM INT
    cd "$work"
}

end_case() {
    local status=$?
    set +e
    trap '' TERM INT
    trap - EXIT
    if [ "$status" -eq 0 ]; then
        (set -e && settle)
        status=$?
    fi
    [ "$status" -eq 0 ] || [ "$status" -eq 77 ] || tell_state >&2
    clean_up
    if [ -n "$keep" ] && [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        echo "kept: $work" >&2
    else
        chmod -R u+rwX "$work" 2>/dev/null
        rm -rf "$work"
    fi
    exit "$status"
}

# The case passed: now nothing may be left of it.
settle() {
    local job
    for pid in "${helpers[@]}"; do kill "$pid" 2>/dev/null || true; done
    if [ "$(ebmd_pid)" -ne 0 ]; then
        for job in $(ebmctl list -o json |
            jq -r '.[] | select(.state | IN("succeeded","failed","cancelled","diverged") | not).job'); do
            ebmctl kill "$job" >/dev/null || true
        done
        wait_for $SOON "the end of all jobs" no_live_jobs
        stop_ebmd
    fi
    wait_for 10 "no process of $EBM_HOME" no_processes
    wait_for 10 "no folder in memory of $EBM_HOME" no_scratch
}

no_live_jobs() {
    [ "$(ebmctl status -o json | jq '.starting + .running + .pausing + .unknown + .queued')" = 0 ]
}

# Whatever happened: of this home, and of no other, nothing stays.
clean_up() {
    local pid folder
    for pid in "${helpers[@]}"; do kill -9 "$pid" 2>/dev/null; done
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        pid=$(ebmd_pid)
        [ "$pid" -eq 0 ] || kill -9 "$pid" 2>/dev/null
        # shellcheck disable=SC2046
        kill_all $(shepherds) $(marked) $(notifiers)
        no_processes && break
        sleep 0.1
    done
    for folder in $(scratch_folders); do rm -rf "$folder"; done
    ! mountpoint -q "$EBM_HOME" || umount "$EBM_HOME"
}

# What a person needs to see why a case failed.
tell_state() {
    echo "---- ebmd.log"
    tail -n 40 "$EBM_HOME/ebmd.log"
    echo "---- jobs and events"
    timeout 20 "$bin/ebmctl" list
    timeout 20 "$bin/ebmctl" events -n 40
    local log
    for log in "$EBM_HOME"/jobs/*/attempt-*/output.log; do
        [ -e "$log" ] || continue
        echo "---- ${log#"$EBM_HOME"/}"
        tail -n 12 "$log"
    done
    echo "----"
} 2>/dev/null

# ---- saying what is wrong ----

fail() {
    local i at=""
    for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
        case ${FUNCNAME[i]} in case_*) at=" (line ${BASH_LINENO[i - 1]})" ;; esac
    done
    printf 'FAILED%s: %s\n' "$at" "$*" >&2
    exit 1
}

skip() {
    printf 'skipped: %s\n' "$*"
    exit 77
}

equal() { # equal WHAT EXPECTED SEEN
    [ "$2" = "$3" ] || fail "$1: expected '$2', saw '$3'"
}

contains() { # contains WHAT PART TEXT
    case $3 in *"$2"*) ;; *) fail "$1: expected '$2' in it, saw '$3'" ;; esac
}

lacks() { # lacks WHAT PART TEXT
    case $3 in *"$2"*) fail "$1: expected no '$2' in it, saw '$3'" ;; esac
}

# expect CODE COMMAND...: runs it; $out and $err are what it printed.
expect() {
    local wanted=$1 status=0
    shift
    timeout 120 "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
    out=$(tr -d '\0' <"$work/out") err=$(tr -d '\0' <"$work/err")
    [ "$status" -eq "$wanted" ] ||
        fail "$(printf '%s: expected exit %s, saw %s\nstdout: %s\nstderr: %s' "$*" "$wanted" "$status" "$out" "$err")"
}

# wait_for SECONDS WHAT COMMAND...: until it succeeds.
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -le $deadline ] || fail "waited in vain for $what"
        sleep 0.03
    done
}

# ---- ebmd ----

# The ebmd of this home by the pid in its lock, 0 when there is none.
ebmd_pid() {
    local pid=0
    [ ! -s "$EBM_HOME/ebmd.lock" ] || read -r pid <"$EBM_HOME/ebmd.lock" || true
    if [ "$pid" -gt 0 ] && is_alive "$pid" && grep -qszxF "EBM_HOME=$EBM_HOME" "/proc/$pid/environ"; then
        echo "$pid"
    else
        echo 0
    fi
}

start_ebmd() {
    timeout 60 ebmd --background >"$work/start" 2>&1 || fail "ebmd does not start: $(cat "$work/start")"
}

kill_ebmd() { # kill -9, and it is gone
    local pid
    pid=$(ebmd_pid)
    [ "$pid" -ne 0 ] || fail "no ebmd to kill"
    kill -9 "$pid"
    wait_for 10 "the death of ebmd" is_gone "$pid"
}

restart_ebmd() { # restart_ebmd [VARIABLE=VALUE...]
    stop_ebmd
    [ $# -eq 0 ] || export "$@"
    start_ebmd
}

stop_ebmd() { # as a service manager does; jobs go on
    local pid
    pid=$(ebmd_pid)
    [ "$pid" -ne 0 ] || fail "no ebmd to stop"
    kill -TERM "$pid"
    wait_for 10 "ebmd to stop" is_gone "$pid"
}

# ---- processes ----

is_alive() { # and no zombie
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    stat=${stat##*) }
    case $stat in Z* | X*) return 1 ;; esac
}

is_gone() { ! is_alive "$1"; }

pids_of_files() { sed -n 's,^/proc/\([0-9]*\)/.*,\1,p'; }

# Processes whose environment has all of these entries.
with_environment() {
    local files entry
    files=$(grep -lszxF -e "$1" /proc/[0-9]*/environ) || true
    shift
    for entry in "$@"; do
        [ -n "$files" ] || break
        # shellcheck disable=SC2086
        files=$(grep -lszxF -e "$entry" $files) || true
    done
    pids_of_files <<<"$files"
}

marked() { with_environment "EBM_HOME_MARK=$EBM_HOME" "$@"; }

# pids_named NAME [ENTRY...]: marked ones that are this program.
pids_named() {
    local name=$1 pid comm
    shift
    for pid in $(marked "$@"); do
        { read -r comm <"/proc/$pid/comm"; } 2>/dev/null || continue
        [ "$comm" != "$name" ] || echo "$pid"
    done
}

ranks() { # ranks [JOB]: pids, rank 0 first
    local pid
    for pid in $(pids_named "${worker:-ebm-worker}" ${1:+"EBM_JOB=$1"}); do
        { tr '\0' '\n' <"/proc/$pid/environ"; } 2>/dev/null |
            sed -n "s/^OMPI_COMM_WORLD_RANK=\([0-9]*\)\$/\1 $pid/p"
    done | sort -n | cut -d' ' -f2
}

mpiruns() { pids_named mpirun ${1:+"EBM_JOB=$1"}; }

shepherds() { # shepherds [JOB]
    pids_of_files <<<"$(grep -lsz "^$EBM_HOME/jobs/${1:-[0-9]*}/attempt-" /proc/[0-9]*/cmdline)"
}

notifiers() { # and what they run
    pids_of_files <<<"$(grep -lsz "^$EBM_HOME/jobs/[0-9]*\$" /proc/[0-9]*/cmdline)"
    with_environment "EBM_HOME=$EBM_HOME" EBM_EVENT=finished
}

kill_all() { # kill_all PID...: -9; one that is gone is fine
    local pid
    for pid in "$@"; do kill -9 "$pid" 2>/dev/null || true; done
}

no_processes() {
    [ -z "$(marked)$(shepherds)$(notifiers)" ] && [ "$(ebmd_pid)" -eq 0 ]
}

scratch_folders() {
    local folder
    sed -n 's/^scratch=//p' "$EBM_HOME"/jobs/*/attempt-*/launch 2>/dev/null | sort -u |
        while read -r folder; do [ ! -e "$folder" ] || echo "$folder"; done
}

no_scratch() { [ -z "$(scratch_folders)" ]; }

# ---- jobs ----

# A net of 65 parameters, which takes 0.1 ms a step. Arguments are --set's of
# the file: "train.steps=50".
toy_spec() {
    cat >"$work/toy.yaml" <<'END'
name: toy
seed: 7
resources: { ranks: 2 }
data: { dataset: toy/rings, noise_std: 0.01, batch_size: 32 }
model: { layers: [ dense: 16, swish, dense: 1 ] }
sampler: { steps: 5, step_size: 0.1, noise_std: 0.1, gradient_clip: 0, clamp: none, init: replay }
replay: { size: 256, reinit_prob: 0.05 }
optimizer: { kind: adam, lr: 1.0e-3, gradient_clip: 0 }
train: { steps: 300 }
checkpoint: { every_steps: 50, keep_last: 5 }
END
}

# Jobs run fake-worker, which only pretends: EBM_FAKE and the like say how.
use_fake() {
    worker=fake-worker
    export EBM_WORKER_PROGRAM=$bin/fake-worker
    [ $# -eq 0 ] || export "$@"
}

# try_submit [OPTION...]: of toy.yaml; prints the job's number, or fails.
try_submit() {
    local reply
    reply=$(timeout 60 ebmctl submit "$work/toy.yaml" "$@" -o json 2>>"$work/submit.err") || return 1
    jq .job <<<"$reply"
}

submit() {
    [ -e "$work/toy.yaml" ] || toy_spec
    try_submit "$@" || fail "submit $* was refused: $(tail -n 3 "$work/submit.err")"
}

show() { # show JOB FILTER
    timeout 60 ebmctl show "$1" -o json | jq -r "$2"
}

state_is() { # state_is JOB STATE...
    local state
    state=$(show "$1" .state)
    shift
    case " $* " in *" $state "*) ;; *) return 1 ;; esac
}

wait_state() { # wait_state JOB STATE...
    wait_for $LATER "job $1 to be $2" state_is "$@"
}

step_is_past() { [ "$(show "$1" .step)" -ge "$2" ]; }

wait_step() { # wait_step JOB STEP
    wait_for $LATER "step $2 of job $1" step_is_past "$@"
}

checkpoints() { timeout 60 ebmctl checkpoints "$1" -o json | jq -r "$2"; }
history_of() { timeout 60 ebmctl history "$1" -o json | jq -r "$2"; }

has_checkpoint() { checkpoints "$1" '.[].step' | grep -qx "$2"; }

wait_checkpoint() { # wait_checkpoint JOB STEP
    wait_for $LATER "a checkpoint of job $1 at step $2" has_checkpoint "$@"
}

wait_end() { # wait_end JOB STATE: its end is this
    local code=0
    timeout 120 ebmctl wait "$1" --timeout $LATER >"$work/wait" 2>&1 || code=$?
    equal "the end of job $1 (wait said $code: $(cat "$work/wait"))" "$2" "$(show "$1" .state)"
}

# What is seen of attempts, as "1 crashed, 2 succeeded".
attempts_of() {
    history_of "$1" 'map("\(.attempt) \(if .outcome == "" then "live" else .outcome end)") | join(", ")'
}

# Each step of 1..LAST has one row in the line that led here.
assert_metrics_without_gap() { # JOB LAST
    local seen
    seen=$(timeout 60 ebmctl metrics "$1" --lineage --name loss -o csv | tail -n +2 | cut -d, -f2)
    equal "the steps of job $1 that have a row" "$(seq 1 "$2" | tr '\n' ' ')" "$(tr '\n' ' ' <<<"$seen")"
}

# ---- the databases ----

sql() { # sql DATABASE QUERY
    sqlite3 -cmd '.timeout 10000' "$EBM_HOME/$1.db" "$2"
}

assert_databases_sound() {
    local db
    for db in ebmd metrics checkpoints; do
        equal "integrity of $db.db" ok "$(sql $db 'PRAGMA integrity_check')"
        equal "foreign keys of $db.db" "" "$(sql $db 'PRAGMA foreign_key_check')"
    done
}

# Each checkpoint row has all of its bytes, and they have its digest.
assert_vault_whole() {
    local id digest bytes
    sql ebmd "SELECT id || ' ' || lower(hex(digest)) || ' ' || bytes FROM checkpoint WHERE deleted = 0" |
        while read -r id digest bytes; do
            equal "vault row of c$id" "$bytes 1" \
                "$(sql checkpoints "SELECT bytes || ' ' || complete FROM blob WHERE checkpoint = $id")"
            equal "SHA-256 of the bytes of c$id" "$digest" \
                "$(sql checkpoints "SELECT hex(bytes) FROM chunk WHERE checkpoint = $id ORDER BY position" |
                    basenc --base16 -d -i | sha256sum | cut -d' ' -f1)"
        done
}
