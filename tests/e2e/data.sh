#!/usr/bin/env bash
# Data files that are not what they should be: the error names the file, the
# job has failed with that reason, and it is not tried again and again.
#
# usage: data.sh BIN_DIR [CASE...]
source "$(dirname "$0")/lib.sh"

# big_endian NUMBER: 4 bytes
big_endian() {
    local octal
    octal=$(printf '\\%03o\\%03o\\%03o\\%03o' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)))
    # shellcheck disable=SC2059
    printf "$octal"
}

# images COUNT BYTES: IDX of 8 x 8 pictures that says COUNT and holds BYTES
images() {
    mkdir -p data
    { printf '\0\0\010\003' && big_endian "$1" && big_endian 8 && big_endian 8 && head -c "$2" /dev/zero; } \
        >data/train-images-idx3-ubyte
}

labels() {
    { printf '\0\0\010\001' && big_endian "$1" && head -c "$1" /dev/zero; } >data/train-labels-idx1-ubyte
}

image_spec() {
    cat >toy.yaml <<'END'
name: pictures
resources: { ranks: 2 }
data: { dataset: "idx:data", batch_size: 8 }
model: { layers: [ dense: 4, swish, dense: 1 ] }
sampler: { steps: 2 }
replay: { size: 64 }
train: { steps: 20 }
checkpoint: { every_steps: 10, keep_last: 3 }
END
}

# assert_fails FILE REASON: job 1 ends as failed at its first attempt.
assert_fails() {
    wait_end 1 failed
    equal "attempts" "1 failed" "$(attempts_of 1)"
    contains "the reason" "$1" "$(show 1 .reason)"
    contains "the reason" "$2" "$(show 1 .reason)"
    contains "the reason in history" "$2" "$(history_of 1 '.[0].reason')"
    contains "the log" "$1" "$(ebmctl logs 1)"
    expect 1 ebmctl wait 1
    contains "wait" "$2" "$out"
}

case_sound_files_train() {
    image_spec
    images 40 $((40 * 64))
    labels 40
    start_ebmd
    submit >/dev/null
    wait_end 1 succeeded
}

case_truncated_images() {
    image_spec
    images 40 $((40 * 64 - 1))
    start_ebmd
    submit >/dev/null
    assert_fails data/train-images-idx3-ubyte 2559
}

case_truncated_gzip() {
    image_spec
    images 4000 $((4000 * 64))
    gzip data/train-images-idx3-ubyte
    head -c 200 data/train-images-idx3-ubyte.gz >short && mv short data/train-images-idx3-ubyte.gz
    start_ebmd
    submit >/dev/null
    assert_fails data/train-images-idx3-ubyte.gz "its header promises 256000 bytes"
}

case_more_labels_than_images() {
    image_spec
    images 40 $((40 * 64))
    labels 41
    start_ebmd
    submit >/dev/null
    assert_fails data/train-labels-idx1-ubyte "41 labels"
}

# What its header tells is told before anything is stored.
case_wrong_magic_is_refused_at_once() {
    image_spec
    mkdir data
    printf 'P5 8 8 255 and so on, which is no IDX file' >data/train-images-idx3-ubyte
    start_ebmd
    expect 2 ebmctl submit toy.yaml
    contains "submit" "toy.yaml:3:18: error: " "$err"
    contains "submit" "data/train-images-idx3-ubyte" "$err"
    : >data/train-images-idx3-ubyte
    expect 2 ebmctl submit toy.yaml
    contains "an empty file" "data/train-images-idx3-ubyte" "$err"
    equal "jobs" 0 "$(ebmctl list -o json | jq length)"
}

# It was sound when the job was submitted.
case_files_that_change_while_the_job_waits() {
    image_spec
    images 40 $((40 * 64))
    start_ebmd
    submit --hold >/dev/null
    printf 'P5 8 8 255 and so on, which is no IDX file' >data/train-images-idx3-ubyte
    expect 0 ebmctl release 1
    assert_fails data/train-images-idx3-ubyte "is not an IDX file"
}

case_folder_that_goes_while_the_job_waits() {
    image_spec
    images 40 $((40 * 64))
    start_ebmd
    submit --hold >/dev/null
    rm -r data
    expect 0 ebmctl release 1
    assert_fails "$work/data" "there is no folder"
}

# With the data mended, the failed job goes on.
case_a_mended_file() {
    image_spec
    images 40 100
    start_ebmd
    submit >/dev/null
    wait_end 1 failed
    images 40 $((40 * 64))
    expect 0 ebmctl resume 1
    wait_end 1 succeeded
    equal "attempts" "1 failed, 2 succeeded" "$(attempts_of 1)"
}

run_cases
