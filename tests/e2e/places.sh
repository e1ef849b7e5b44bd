#!/usr/bin/env bash
# Where ebmd lives, and what it says when it cannot: two on one home, paths
# too long, read-only folders, no mpirun, root, settings, damaged files.
#
# usage: places.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"
use_fake EBM_FAKE_STEP_MS=5
toy() { submit --set train.steps=40 --set checkpoint.every_steps=20 "$@"; }

# Runs a command as a user who may do little: nobody, where we are root.
nobody=()
[ "$(id -u)" -ne 0 ] || nobody=(setpriv --reuid=nobody --regid=nogroup --clear-groups --)

need_nobody() {
    # Not by running it: setpriv still has its rights when it does.
    "${nobody[@]}" test -x "$bin/ebmd" || skip "no other user may run $bin/ebmd"
    chmod 755 "$work"
}

case_two_daemons_on_one_home() {
    local first
    start_ebmd
    first=$(ebmd_pid)
    expect 1 ebmd
    equal "the second" "ebmd: another ebmd (pid $first) serves $EBM_HOME" "$err"
    expect 1 ebmd --background
    contains "the second, in the background" "another ebmd (pid $first) serves $EBM_HOME" "$err"
    equal "the first" "$first" "$(ebmctl status -o json | jq .pid)"
}

# The lock is held by the process, not by what the file says.
case_a_pid_that_was_used_again() {
    mkdir "$EBM_HOME"
    echo $$ >"$EBM_HOME/ebmd.lock"
    start_ebmd
    equal "the pid in the lock" "$(ebmctl status -o json | jq .pid)" "$(cat "$EBM_HOME/ebmd.lock")"
}

case_a_path_too_long_for_a_socket() {
    export EBM_HOME=$work/a-folder-with-a-name-that-is-much-too-long-to-hold-the-path-of-a-unix-socket-in-it
    expect 2 ebmd
    contains "ebmd" "$EBM_HOME/run/control: a socket path of $((${#EBM_HOME} + 12)) bytes, and the system allows 107: set EBM_HOME to a shorter folder" "$err"
    [ ! -e "$EBM_HOME" ] || fail "it made $EBM_HOME all the same"
    expect 2 ebmctl list
    contains "ebmctl" "set EBM_HOME to a shorter folder" "$err"
}

# Without EBM_HOME: a login, su and cron find the same ebmd, and the workers of
# one that was started in a login find the next one.
case_another_login() {
    local attempts
    export XDG_STATE_HOME=$work XDG_CONFIG_HOME=$work/config EBM_FAKE_STEP_MS=20
    mkdir one two
    export -n EBM_HOME
    EBM_HOME=$work/ebmd
    XDG_RUNTIME_DIR=$work/one start_ebmd
    toy --set train.steps=400 >/dev/null
    wait_state 1 running
    expect 0 env XDG_RUNTIME_DIR="$work/two" ebmctl list
    contains "another login" "running" "$out"
    expect 0 env XDG_RUNTIME_DIR="$work/two" ebmctl daemon stop
    rm -rf one
    XDG_RUNTIME_DIR=$work/two start_ebmd
    wait_end 1 succeeded
    attempts=$(attempts_of 1)
    equal "attempts" "1 succeeded" "$attempts"
    equal "modes of sockets" 600 "$(find "$EBM_HOME/run" -type s -printf '%m\n' | sort -u)"
    expect 0 ebmctl daemon stop
}

case_a_folder_that_is_read_only() {
    need_nobody
    mkdir -m 755 "$work/ro"
    [ "$(id -u)" -eq 0 ] || chmod 555 "$work/ro"
    export EBM_HOME=$work/ro/h
    expect 1 "${nobody[@]}" ebmd
    contains "a home that cannot be made" "$EBM_HOME: cannot create" "$err"
    contains "a home that cannot be made" "ermission denied" "$err"
    expect 6 env -u EBM_NO_AUTOSTART "${nobody[@]}" ebmctl list
    contains "autostart" "cannot start ebmd: " "$err"
    contains "autostart" "$EBM_HOME" "$err"
    mkdir -m 755 "$EBM_HOME" 2>/dev/null || { chmod 755 "$work/ro" && mkdir -m 555 "$EBM_HOME"; }
    expect 1 "${nobody[@]}" ebmd
    contains "a home that cannot be written" "$EBM_HOME: cannot write there (set EBM_HOME to a folder of yours)" "$err"
}

case_a_normal_user() {
    need_nobody
    [ "$(id -u)" -eq 0 ] || skip "we are one, in all other cases"
    toy_spec
    mkdir -m 777 "$work/user"
    export EBM_HOME=$work/user/h
    "${nobody[@]}" ebmd --background
    expect 0 "${nobody[@]}" ebmctl submit toy.yaml --set train.steps=40
    expect 0 "${nobody[@]}" ebmctl wait 1 --timeout $LATER
    contains "wait" "job 1 succeeded" "$out"
    lacks "its log" "as root" "$("${nobody[@]}" ebmctl logs 1)"
    equal "owner and mode of its home" "nobody 700" "$(stat -c '%U %a' "$EBM_HOME")"
}

case_root_is_told_of_open_mpi() {
    [ "$(id -u)" -eq 0 ] || skip "we are not root"
    start_ebmd
    wait_end "$(toy)" succeeded
    contains "the log" "running mpirun as root: by ebmd's own setting of OMPI_ALLOW_RUN_AS_ROOT" "$(ebmctl logs 1)"
}

case_no_mpirun() {
    mkdir empty
    toy_spec
    PATH=$work/empty "$bin/ebmd" --background
    toy >/dev/null
    wait_end 1 failed
    equal "attempts" "1 failed" "$(attempts_of 1)"
    contains "the reason" "no mpirun in PATH ($work/empty): install Open MPI" "$(show 1 .reason)"
    restart_ebmd
    expect 0 ebmctl resume 1
    wait_end 1 succeeded
}

case_an_mpirun_that_is_not_there() {
    export EBM_MPIRUN=$work/no/mpirun
    start_ebmd
    toy >/dev/null
    wait_end 1 failed
    equal "the reason" "EBM_MPIRUN=$work/no/mpirun: no such program" "$(show 1 .reason)"
}

case_a_worker_that_is_not_there() {
    export EBM_WORKER_PROGRAM=$work/no/worker
    start_ebmd
    toy >/dev/null
    wait_end 1 failed
    equal "the reason" "EBM_WORKER_PROGRAM=$work/no/worker: no such program" "$(show 1 .reason)"
}

# It fitted when it was submitted.
case_a_machine_that_became_too_small() {
    start_ebmd
    toy --hold >/dev/null
    restart_ebmd EBM_SLOTS=1
    expect 0 ebmctl release 1
    equal "its state" queued "$(show 1 .state)"
    equal "why it waits" "needs 2 slots, and this machine has 1 (EBM_SLOTS sets how many)" "$(show 1 .reason)"
    expect 2 ebmctl submit toy.yaml
    contains "submit" "2 ranks x 1 threads need 2 slots, and this machine has 1" "$err"
    wait_end "$(submit --set resources.ranks=1 --set train.steps=20)" succeeded
}

# ---- who starts it ----

case_autostart_says_so_in_one_line() {
    unset EBM_NO_AUTOSTART
    expect 0 ebmctl list -o json
    equal "stderr of the first" "started ebmd (home $EBM_HOME)" "$err"
    equal "stdout of the first" "[]" "$(jq -c . <<<"$out")"
    expect 0 ebmctl list -o json
    equal "stderr of the second" "" "$err"
}

case_ten_first_users_at_once() {
    local i clients=()
    unset EBM_NO_AUTOSTART
    toy_spec
    for i in 1 2 3 4 5 6 7 8 9 10; do
        ebmctl submit toy.yaml --hold -o json >"job.$i" 2>"said.$i" &
        clients+=($!)
    done
    for i in "${clients[@]}"; do wait "$i" || fail "a submit was refused: $(cat said.*)"; done
    equal "their jobs" "1 2 3 4 5 6 7 8 9 10" "$(cat job.* | jq .job | sort -n | tr '\n' ' ' | sed 's/ $//')"
    equal "ebmds" 1 "$(grep -lszxF "EBM_HOME=$EBM_HOME" /proc/[0-9]*/environ | pids_of_files |
        while read -r pid; do cat "/proc/$pid/comm"; done 2>/dev/null | grep -cx ebmd)"
}

case_no_autostart() {
    expect 6 ebmctl list
    equal "what it says" "ebmctl: no ebmd serves $EBM_HOME (start it: ebmctl daemon start)" "$err"
    [ ! -e "$EBM_HOME" ] || fail "it made $EBM_HOME all the same"
}

case_daemon_start_and_stop() {
    local before
    expect 0 ebmctl daemon start
    equal "start" "started ebmd (home $EBM_HOME)" "$out"
    expect 0 ebmctl daemon start
    equal "start again" "ebmd serves $EBM_HOME already" "$out"
    toy --set train.steps=300 >/dev/null
    wait_state 1 running
    before=$(ranks 1)
    expect 0 ebmctl daemon stop
    equal "stop" "ebmd has stopped; jobs that run go on" "$out"
    equal "ebmd" 0 "$(ebmd_pid)"
    equal "the ranks" "$before" "$(ranks 1)"
    expect 0 ebmctl daemon start
    wait_end 1 succeeded
    equal "attempts" "1 succeeded" "$(attempts_of 1)"
}

# ---- settings and files ----

case_settings_that_are_wrong() {
    expect 2 env EBM_SLOTS=many ebmd
    contains "a variable" "ebmd: environment variable EBM_SLOTS: slots: 'many' is not a whole number from 1 to 65536" "$err"
    mkdir "$EBM_HOME"
    printf 'lease_ms: 2000\nslot: 3\n' >"$EBM_HOME/ebmd.yaml"
    expect 2 ebmd
    contains "a key" "$EBM_HOME/ebmd.yaml:2:1: unknown key 'slot'" "$err"
    printf 'lease_ms: soon\n' >"$EBM_HOME/ebmd.yaml"
    expect 2 ebmd
    contains "a value" "$EBM_HOME/ebmd.yaml:1:1: lease_ms: 'soon' is not a whole number" "$err"
    printf 'slots: 3\n' >"$EBM_HOME/ebmd.yaml"
    unset EBM_SLOTS
    start_ebmd
    equal "slots" 3 "$(ebmctl status -o json | jq .slots_total)"
}

case_a_damaged_store() {
    start_ebmd
    toy --hold >/dev/null
    stop_ebmd
    cp "$EBM_HOME/ebmd.db" whole
    printf 'this is no database' | dd of="$EBM_HOME/ebmd.db" conv=notrunc status=none
    expect 1 ebmd
    contains "a foreign file" "$EBM_HOME/ebmd.db" "$err"
    cp whole "$EBM_HOME/ebmd.db"
    sql ebmd 'PRAGMA user_version = 99'
    expect 1 ebmd
    contains "a newer schema" "99" "$err"
    cp whole "$EBM_HOME/ebmd.db"
    start_ebmd
    equal "the job" held "$(show 1 .state)"
}

case_the_home_is_private() {
    start_ebmd
    toy --hold >/dev/null
    equal "what others may read" "" "$(find "$EBM_HOME" -perm /077 -printf '%m %P\n')"
    equal "modes of folders" 700 "$(find "$EBM_HOME" -type d -printf '%m\n' | sort -u)"
    equal "modes of sockets" 600 "$(find "$EBM_HOME/run" -type s -printf '%m\n' | sort -u)"
}

run_cases
