#!/usr/bin/env bash
# Spec files: each broken one is refused at the place that its first lines
# name, nothing of it is stored; each good one is sound.
#
# usage: specs.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"
use_fake

# "# expect: LINE[:COLUMN] FRAGMENT" at the top of the file; LINE 0: the whole.
expectations() { sed -n 's/^# expect: //p;/^# expect: /!q' "$1"; }

# assert_said FILE: each expectation is a line of $err, as a compiler has it.
assert_said() {
    local place part
    while read -r place part; do
        case $place in
        0) place="$1: error: " ;;
        *:*) place="$1:$place: error: " ;;
        *) place="$1:$place:" ;;
        esac
        grep -F -e "$place" <<<"$err" | grep -qF -e "$part" ||
            fail "$1: expected '$place...$part', saw: $err"
    done < <(expectations "$1")
}

assert_nothing_stored() {
    equal "jobs" 0 "$(sql ebmd 'SELECT count(*) FROM job')"
    equal "events" 0 "$(sql ebmd 'SELECT count(*) FROM event')"
}

case_broken_specs_are_refused_at_their_place() {
    local file n=0
    start_ebmd
    cd "$tests/e2e/broken-specs"
    for file in *.yaml; do
        [ -n "$(expectations "$file")" ] || fail "$file has no expectation"
        expect 2 ebmctl submit "$file"
        assert_said "$file"
        contains "the last line for $file" "nothing submitted" "$(tail -n 1 <<<"$err")"
        equal "stdout for $file" "" "$out"
        n=$((n + 1))
    done
    [ "$n" -ge 40 ] || fail "only $n broken specs"
    assert_nothing_stored
}

# All at once, and through every door.
case_all_errors_are_told_at_once() {
    start_ebmd
    cd "$tests/e2e/broken-specs"
    for command in "submit" "submit --dry-run" "submit --hold" validate; do
        # shellcheck disable=SC2086
        expect 2 ebmctl ${command%% *} five-at-once.yaml $(grep -o -- '--.*' <<<"$command" || true)
        assert_said five-at-once.yaml
        contains "$command" "6 errors" "$err"
    done
    timeout 20 ebmctl submit - <five-at-once.yaml >/dev/null 2>"$work/err" && fail "a broken spec from stdin was taken"
    err=$(<"$work/err")
    contains "submit -" "stdin:6:7: error: " "$err"
    assert_nothing_stored
}

case_good_specs_are_sound() {
    local file
    start_ebmd
    for file in "$tests"/e2e/good-specs/*.yaml "$root"/deploy/specs/*.yaml; do
        case $file in */every-field.yaml | */layers-in-flow.yaml) continue ;; esac
        expect 0 ebmctl validate "$file"
        expect 0 ebmctl submit "$file" --dry-run
        contains "$file" "nothing submitted (dry run)" "$out"
    done
    # What these ask for is sound but is not on this machine.
    expect 0 ebmctl validate "$tests/e2e/good-specs/every-field.yaml"
    expect 2 ebmctl submit "$tests/e2e/good-specs/every-field.yaml" --dry-run
    contains "too many slots" "every-field.yaml:6:10: error: 3 ranks x 2 threads need 6 slots, and this machine has 4" "$err"
    expect 2 ebmctl submit "$tests/e2e/good-specs/layers-in-flow.yaml"
    contains "no such folder" "layers-in-flow.yaml:4:12: error: " "$err"
    contains "no such folder" "good-specs/data with" "$err"
    assert_nothing_stored
}

case_expanded_is_a_spec_again() {
    expect 0 ebmctl validate --expand "$root/deploy/specs/toy-rings.yaml"
    printf '%s\n' "$out" >again.yaml
    expect 0 ebmctl validate again.yaml
}

# What only the machine can know has its place too.
case_what_the_machine_cannot_do() {
    toy_spec
    start_ebmd
    expect 2 ebmctl submit toy.yaml --set resources.ranks=5
    contains "--set ranks" "5 ranks x 1 threads need 5 slots, and this machine has 4" "$err"
    sed -i 's/ranks: 2/ranks: 50/' toy.yaml
    expect 2 ebmctl submit toy.yaml
    contains "ranks in the file" "toy.yaml:3:21: error: 50 ranks" "$err"
    toy_spec
    sed -i 's,toy/rings,idx:no/such/folder,' toy.yaml
    expect 2 ebmctl submit toy.yaml
    contains "a missing folder" "toy.yaml:4:18: error: " "$err"
    contains "a missing folder" "no/such/folder" "$err"
    sed -i -e 's,idx:no/such/folder,fashion-mnist,' -e 's/dense: 16, swish, dense: 1 /conv: {out: 4, kernel: 29, stride: 40}, dense: 2 /' toy.yaml
    expect 2 ebmctl submit toy.yaml
    contains "a net that does not fit" "toy.yaml:5:" "$err"
    assert_nothing_stored
}

run_cases
