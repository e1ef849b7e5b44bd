#!/usr/bin/env bash
# Installs what ebmd needs on Debian 12: deploy/setup.sh [--tests]
# Run again, it finds everything there and does nothing.
set -euo pipefail

build="build-essential cmake ninja-build pkg-config libzmq3-dev libsqlite3-dev libyaml-dev
       libopenmpi-dev openmpi-bin libdnnl-dev libpng-dev zlib1g-dev libsodium-dev
       libprotobuf-c-dev protobuf-c-compiler libcurl4-openssl-dev dataset-fashion-mnist
       ca-certificates"
tests="libcmocka-dev clang libclang-rt-14-dev tmux jq procps sqlite3"

wanted=$build
if [ "${1:-}" = --tests ]; then wanted="$build $tests"; fi

missing=""
for p in $wanted; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
done
if [ -z "$missing" ]; then
    echo "setup: all packages are installed"
    exit 0
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "setup: needs root: run it as root, or install sudo" >&2; exit 1; }
    as_root="sudo"
fi
echo "setup: installing$missing"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
echo "setup: done"
