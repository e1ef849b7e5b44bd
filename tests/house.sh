#!/usr/bin/env bash
# The house's rules that a machine can check: doors of foreign libraries,
# layers, sizes of files and functions.
#
# usage: house.sh SOURCE_ROOT
set -euo pipefail
cd "$1"
failed=0
fail() {
    echo "FAILED: $*"
    failed=1
}
sources() { find "$@" \( -name '*.c' -o -name '*.h' \) -print; }

# door HEADER-PATTERN WHERE...: outside tests, these alone include it.
door() {
    local header=$1 file
    shift
    while read -r file; do
        case " $* " in
        *" $file "*) ;;
        *) fail "$file includes $header; its door is $*" ;;
        esac
    done < <(sources proto daemon worker client |
        xargs grep -lE "#include *[<\"]([a-z-]+/)*$header[>\"]" || true)
}
door 'zmq(_utils)?\.h' proto/link/link.c
door 'protobuf-c\.h' proto/wire/scan.h proto/wire/wire.h
door 'ebm\.pb-c\.h' proto/wire/wire.h
door 'yaml\.h' proto/spec/yaml.c
door 'sodium\.h' proto/digest/digest.c
door 'zlib\.h' proto/idx/idx.c
door 'sqlite3\.h' daemon/store/db.c
door 'mpi\.h' worker/comm/comm.c
door 'dnnl\.h' worker/engine/onednn/door.c worker/engine/onednn/door.h
door 'curl/curl\.h' daemon/notify/post.c
door 'png\.h' worker/picture/encode.c

# layer FOLDER FORBIDDEN-FOLDERS: what it must not include.
layer() {
    local folder=$1 file other
    shift
    for other in "$@"; do
        while read -r file; do
            fail "$file includes $other/..."
        done < <(sources "$folder" | xargs grep -lE "#include *\"$other/" || true)
    done
}
layer proto daemon worker client store launch engine comm train agent ebm
layer daemon client worker engine comm train agent ebm data opt picture
layer client daemon store launch worker engine comm train agent ebm data opt picture
layer worker daemon store launch client
for lower in comm engine data picture; do
    layer "worker/$lower" ebm opt train agent
done
layer worker/ebm train opt agent
layer worker/opt train agent
if grep -n '#include "base/' proto/base/*.[ch] | grep -vE '"base/(err|log|buf|clock|rng|rng_isa|fsio)\.h"'; then
    fail "proto/base includes more than itself"
fi

# SQL lives in sql/: nothing builds it with printf.
if sources daemon worker client | xargs grep -nE '"(SELECT|INSERT|UPDATE|DELETE) '; then
    fail "SQL outside sql/"
fi

# Sizes.
while read -r lines file; do
    case $file in
    total) ;;
    tests/*) [ "$lines" -le 800 ] || fail "$file has $lines lines" ;;
    *) [ "$lines" -le 640 ] || fail "$file has $lines lines" ;;
    esac
done < <(sources proto daemon worker client tests | xargs wc -l)
while read -r file; do
    awk -v f="$file" '/^[{]/ {s = NR} /^[}]/ && s {if (NR - s > 80) {print "FAILED: " f ":" s " is a function of " NR - s " lines"; bad = 1} s = 0} END {exit bad}' \
        "$file" || failed=1
done < <(sources proto daemon worker client)

[ "$failed" -eq 0 ] && echo "ok: the house is in order"
exit "$failed"
