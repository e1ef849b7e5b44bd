"""Runs of ebm-worker without a daemon, as the parts of the bench need them."""
import csv
import os
import re
import shutil
import subprocess
import time

POLL_S = 0.02


class Run:
    """What a run left behind: metric columns, the last share outside of
    chains and gradient passes, and the memory of its ranks in kB."""

    def __init__(self, columns, outside, peak_kb, resident_kb):
        self.columns, self.outside = columns, outside
        self.peak_kb, self.resident_kb = peak_kb, resident_kb

    def seconds(self, skip):
        """Of the steps after the first `skip`."""
        return self.columns["step_seconds"][skip:]


def mpirun(ranks):
    """Each rank on a core of its own, where there are so many."""
    bind = "core" if ranks <= len(os.sched_getaffinity(0)) else "none"
    return ["mpirun", "-n", str(ranks), "--oversubscribe", "--bind-to", bind]


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def memory_kb(pid):
    """(VmHWM, VmRSS) of a process that may be gone."""
    try:
        with open(f"/proc/{pid}/status") as f:
            found = dict(re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB", f.read(), re.M))
        return int(found["VmHWM"]), int(found["VmRSS"])
    except (OSError, KeyError):
        return None


def is_training(folder, steps):
    """A step is done, and the last is not: lines beside the heading."""
    try:
        with open(os.path.join(folder, "metrics.csv")) as f:
            return 0 < f.read().count("\n") - 1 < steps
    except OSError:
        return False


def watch(process, folder, steps, peak, resident):
    """Until it ends: the peak of each rank, and what it held while it trained."""
    while process.poll() is None:
        training = is_training(folder, steps)
        for rank, pid in enumerate(children(process.pid)):
            now = memory_kb(pid)
            if now is not None:
                peak[rank] = max(peak.get(rank, 0), now[0])
                if training:
                    resident.setdefault(rank, []).append(now[1])
        time.sleep(POLL_S)


def read_columns(path):
    with open(path) as f:
        rows = list(csv.DictReader(f))
    return {name: [float(r[name]) for r in rows] for name in (rows[0] if rows else {})}


def run_worker(args, spec, ranks, steps, folder, threads=1, sets=(), engine="auto"):
    """Trains; RuntimeError with what it said last when it does not succeed."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    command = (mpirun(ranks) if ranks > 0 else []) + [
        os.path.join(args.bin, "ebm-worker"), "--standalone", spec, "--out", folder, "--steps",
        str(steps), "--engine", engine]
    for s in sets:
        command += ["--set", s]
    log = os.path.join(folder, "log")
    peak, resident = {}, {}
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                   env={**os.environ, "OMP_NUM_THREADS": str(threads)})
        watch(process, folder, steps, peak, resident)
    with open(log, errors="replace") as f:
        text = f.read()
    if process.returncode != 0:
        raise RuntimeError(f"ebm-worker: exit {process.returncode}: {text[-400:]}")
    outside = re.findall(r"progress.* outside=([0-9.]+)%", text)
    for name in os.listdir(folder):
        if name.startswith("checkpoint-"):
            os.remove(os.path.join(folder, name))
    return Run(read_columns(os.path.join(folder, "metrics.csv")),
               float(outside[-1]) if outside else None, peak, resident)
