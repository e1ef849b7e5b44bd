#!/usr/bin/env bash
# The bench in one command: builds ebmd as it is installed, makes a Python
# environment for each peer, and measures. All of it lies below BUILD_DIR
# (default build/bench); what is there already is used again, so to get newer
# peers delete BUILD_DIR/venv.
#
# usage: run.sh [OPTION]...      the options are those of bench.py
#        run.sh --help
#
# It writes bench.json, bench.md and bench.png into BUILD_DIR/results, or
# where --out says.
set -euo pipefail
began=$SECONDS
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD_DIR:-$root/build/bench}
venvs=$build/venv
python=/usr/bin/python3
[ -x "$python" ] || python=python3
say() { printf '== %4ds  %s\n' $((SECONDS - began)) "$*"; }

case " $* " in
*" --help "* | *" -h "*)
    "$python" "$here/bench.py" --help
    exit 0
    ;;
esac

# A virtual environment NAME with PACKAGE...; the peer is left out without it.
environment() {
    local name=$1 log=$build/$1.log
    shift
    [ -e "$venvs/$name/ready" ] && return 0
    say "$name: a virtual environment with $* (log: $log)"
    rm -rf "${venvs:?}/$name"
    if "$python" -m venv "$venvs/$name" >"$log" 2>&1 &&
        "$venvs/$name/bin/pip" install --timeout 60 --retries 2 --progress-bar off "$@" 2>&1 |
        tee -a "$log" | sed -u -n 's/^\( *Downloading .*\)/  \1/p; s/^\(Successfully .*\)/  \1/p'; then
        touch "$venvs/$name/ready"
        return 0
    fi
    rm -rf "${venvs:?}/$name"
    say "$name: does not install: $(grep -m1 -iE 'error|no module' "$log" || tail -n1 "$log")"
    return 1
}

# Debian's PyTorch, as the second choice.
debian_torch() {
    if ! /usr/bin/python3 -c 'import torch' 2>/dev/null; then
        say "torch: trying Debian's python3-torch"
        [ "$(id -u)" -eq 0 ] && apt-get install -y -q --no-install-recommends python3-torch \
            >"$build/debian-torch.log" 2>&1
        /usr/bin/python3 -c 'import torch' 2>/dev/null || return 1
    fi
    /usr/bin/python3 -m venv --system-site-packages --without-pip "$venvs/torch" || return 1
    touch "$venvs/torch/ready"
    say "torch: Debian's python3-torch"
}

mkdir -p "$build" "$venvs"
say "build: Release in $build"
cmake -G Ninja -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release >"$build/configure.log"
cmake --build "$build" --parallel --target bench_chain ebm-worker | sed -u -n '$p; /FAILED/p'

environment torch torch numpy || debian_torch || say "torch: left out"
environment jax jax numpy || say "jax: left out"
environment tensorflow tensorflow-cpu || say "tensorflow: left out"
driver=$python
if environment plot matplotlib; then
    driver=$venvs/plot/bin/python
else
    say "plot: left out, the figures are in bench.json and bench.md"
fi

say "measuring"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
"$driver" -u "$here/bench.py" --bin "$build/bin" --venvs "$venvs" --out "$build/results" "$@"
say "done"
