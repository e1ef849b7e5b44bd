"""The coordinator's bench: every budget of ebmd's design that concerns it,
each figure beside its budget. See coordinator.sh."""
import argparse
import datetime
import json
import os
import pty
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from home import Home, wait_until

TOY = """name: toy
seed: 7
resources: { ranks: %(ranks)d }
data: { dataset: toy/rings, noise_std: 0.01, batch_size: 32 }
model: { layers: [ dense: 16, swish, dense: 1 ] }
sampler: { steps: 5, step_size: 0.1, noise_std: 0.1, gradient_clip: 0, clamp: none, init: replay }
replay: { size: 256, reinit_prob: 0.05 }
optimizer: { kind: adam, lr: 1.0e-3, gradient_clip: 0 }
train: { steps: %(steps)d }
checkpoint: { every_steps: %(every)d, keep_last: 3, keep_best: 0 }
"""
FASHION = """name: fashion
seed: 7
resources: { ranks: 2 }
data: { dataset: fashion-mnist, noise_std: 0.03, batch_size: 128 }
model: { preset: conv-small }
sampler: { steps: %(langevin)d, step_size: 20.0, noise_std: 0.005, gradient_clip: 0.03 }
train: { steps: %(steps)d }
checkpoint: { every_steps: %(every)d, keep_last: 4, keep_best: 0 }
"""
POINTS_A_ROW = 11


class Report:
    def __init__(self, args):
        self.args, self.rows = args, []

    def add(self, what, value, unit, budget=None, limit=None, note=""):
        """limit: the value must be at most this; when negative, at least -limit."""
        met = None
        if limit is not None:
            met = value <= limit if limit > 0 else value >= -limit
        self.rows.append({"what": what, "value": value, "unit": unit, "budget": budget,
                          "met": met, "note": note})
        print("  " + self.line(self.rows[-1]), flush=True)

    @staticmethod
    def line(r):
        verdict = {None: "", True: "met", False: "MISSED"}[r["met"]]
        number = f"{r['value']:,.0f}" if abs(r["value"]) >= 1000 else f"{r['value']:.3g}"
        return (f"{r['what']:52s} {number:>10s} {r['unit']:9s} {r['budget'] or '-':12s} "
                f"{verdict:7s} {r['note']}").rstrip()

    def print(self):
        print(f"\n{'what':52s} {'measured':>10s} {'':9s} {'budget':12s}")
        for r in self.rows:
            print(self.line(r))


def median(values):
    return statistics.median(values)


def now_ms():
    return time.time() * 1000


def watch(home, job, steps):
    """Until it has succeeded; says now and then where it is."""
    told = time.monotonic()
    while (show := home.ctl("show", job))["state"] != "succeeded":
        if show["state"] in ("failed", "diverged", "paused"):
            raise RuntimeError(f"job {job} has {show['state']}: {show['reason']}")
        if time.monotonic() > told + 5:
            told = time.monotonic()
            print(f"  job {job}: step {show['step']} of {steps}", flush=True)
        time.sleep(0.2)


# ---- the machine ----


def sync_ms(folder, rounds=200):
    """What one small synced write costs here: the floor of a durable submit."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as f:
        for _ in range(rounds):
            begin = time.perf_counter()
            f.write(b"x" * 4096)
            f.flush()
            os.fdatasync(f.fileno())
            times.append(1000 * (time.perf_counter() - begin))
    return median(times)


def measure_disk(report):
    report.add("a write of 4 KiB, synced", sync_ms(tempfile.gettempdir()), "ms",
               note="the floor of one durable submit")


# ---- submits ----


def held_job(home):
    return home.submit(TOY % {"ranks": 1, "steps": 100, "every": 50}, "--hold")


def add_submits(report, r, where):
    report.add(f"submit, {where}: p50", r["p50_ms"], "ms", "< 10", 10)
    report.add(f"submit, {where}: p99", r["p99_ms"], "ms", "< 50", 50)


def measure_submits(report):
    with Home(report.args.bin, EBM_SLOTS="1") as home:
        first = held_job(home)
        r = home.ask("submit", 2000, first)
        add_submits(report, r, "empty store")
        report.add("durable submits, one by one", r["per_second"], "1/s", "> 200", -200)
        whole = []
        for _ in range(21):
            begin = time.perf_counter()
            home.run("ebmctl", "submit", os.path.join(home.path, "bench.yaml"), "--hold")
            whole.append(1000 * (time.perf_counter() - begin))
        report.add("ebmctl submit, the whole program: median", median(whole), "ms")


def measure_uploads(report):
    """Submits and pings while checkpoints of 200 MB arrive, one after another."""
    fake = {"EBM_WORKER_PROGRAM": os.path.join(report.args.bin, "fake-worker"),
            "EBM_FAKE_BYTES": "200000000", "EBM_FAKE_STEP_MS": "2", "EBM_FAKE_EVERY": "50",
            "EBM_FAKE_STEPS": "100000000"}
    with Home(report.args.bin, EBM_SLOTS="1", **fake) as home:
        job = home.submit(TOY % {"ranks": 1, "steps": 100000, "every": 50})
        behind = held_job(home)
        home.wait_state(job, "running")
        ping = home.ask_beside("ping", 20, behind)
        rounds = [home.ask("submit", 500, behind)]
        while ping.poll() is None:
            rounds.append(home.ask("submit", 500, behind))
        arrived = home.ctl("checkpoints", job)
        count = 1 + max((c["checkpoint"] for c in arrived), default=-1)
        note = f"{count} checkpoints came meanwhile"
        worst = {k: max(r[k] for r in rounds) for k in ("p99_ms",)}
        worst["p50_ms"] = median([r["p50_ms"] for r in rounds])
        add_submits(report, worst, "200 MB checkpoints arriving")
        r = json.loads(ping.stdout.read())
        report.add("ping, 200 MB checkpoints arriving: p99", r["p99_ms"], "ms", "< 50", 50, note)


# ---- a hundred thousand jobs ----


def time_restart(home, number):
    home.stop(number)
    begin = time.perf_counter()
    home.start()
    started = time.perf_counter() - begin
    return started


def measure_restarts(report, home, running, size):
    for number, how in ((signal.SIGKILL, "kill -9"), (signal.SIGTERM, "SIGTERM")):
        times = [time_restart(home, number) for _ in range(5)]
        show = home.ctl("show", running)
        adopted = show["state"] == "running" and show["attempt"] == 1
        report.add(f"restart after {how}, {size} jobs", median(times), "s", "< 5", 5,
                   "its job was adopted" if adopted else "ITS JOB WAS NOT ADOPTED")
        home.ask("ping", 2, running)


def measure_lists(report, home, size):
    lists = [home.ask("list") for _ in range(5)]
    report.add("list: the first page, 5,000 jobs", median([r["first_page_ms"] for r in lists]),
               "ms", "< 100", 100)
    report.add(f"list: all pages, {lists[0]['jobs']:,} jobs",
               median([r["all_ms"] for r in lists]), "ms", "< 100", 100)
    for words in (["-n", "20"], ["--all", "-o", "csv"]):
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            home.run("ebmctl", "list", *words)
            times.append(1000 * (time.perf_counter() - begin))
        report.add(f"ebmctl list {' '.join(words)}, {size} jobs", median(times), "ms", "< 100",
                   100)


def measure_load(report, home, first, size):
    """Pings while jobs come in bulk and metric rows stream in."""
    r = home.ask("ping", 5, first)
    report.add(f"ping, {size} jobs: p99", r["p99_ms"], "ms", "< 50", 50)
    ping = home.ask_beside("ping", 10, first)
    bulks = []
    while ping.poll() is None:
        bulks.append(home.ask("bulk", 2000, first)["per_second"])
    r = json.loads(ping.stdout.read())
    report.add(f"ping, {size} jobs, bulk submits, metrics: p50", r["p50_ms"], "ms")
    report.add(f"ping, {size} jobs, bulk submits, metrics: p99", r["p99_ms"], "ms", "< 50", 50,
               f"longest {r['max_ms']:.0f} ms")
    add_submits(report, home.ask("submit", 500, first), f"{size} jobs")


def terminal_ms(home, *command):
    """Of a program that writes to a terminal, whose text nobody keeps."""
    ours, its = pty.openpty()
    begin = time.perf_counter()
    child = subprocess.Popen([home.program(command[0]), *command[1:]], env=home.env, stdin=its,
                             stdout=its)
    os.close(its)
    try:
        while os.read(ours, 65536):
            pass
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    child.wait()
    return 1000 * (time.perf_counter() - begin)


def measure_end(report, home, first, size):
    """The job that all wait for is cancelled: they fail, some in each turn."""
    ping = home.ask_beside("ping", 30, first)
    begin = time.perf_counter()
    home.run("ebmctl", "cancel", first)
    while home.ctl("status")["queued"] > 0:
        print(f"  {home.ctl('status')['queued']} are still queued", flush=True)
        time.sleep(2)
    seconds = time.perf_counter() - begin
    ping.send_signal(signal.SIGINT)
    r = json.loads(ping.stdout.read())
    report.add(f"{size} jobs fail behind one", seconds, "s")
    report.add("ping meanwhile: p99", r["p99_ms"], "ms", "< 50", 50,
               f"longest {r['max_ms']:.0f} ms")
    report.add(f"ebmctl list on a terminal, {size} jobs ended",
               median([terminal_ms(home, "ebmctl", "list") for _ in range(5)]), "ms", "< 100", 100)


def measure_crowd(report):
    size = f"{report.args.jobs:,}"
    fake = {"EBM_WORKER_PROGRAM": os.path.join(report.args.bin, "fake-worker"),
            "EBM_FAKE_STEP_MS": "1", "EBM_FAKE_EVERY": "100000000",
            "EBM_FAKE_STEPS": "100000000"}
    with Home(report.args.bin, EBM_SLOTS="1", **fake) as home:
        first = held_job(home)
        running = home.submit(TOY % {"ranks": 1, "steps": 100000, "every": 50})
        home.wait_state(running, "running")
        r = home.ask("bulk", report.args.jobs, first)
        report.add("durable submits in bulk", r["per_second"], "1/s", "> 2,000", -2000)
        measure_lists(report, home, size)
        measure_load(report, home, first, size)
        measure_restarts(report, home, running, size)
        measure_end(report, home, first, size)


def measure_queue(report):
    home = tempfile.TemporaryDirectory(prefix="ebm-bench-")
    with home as path:
        done = subprocess.run([os.path.join(report.args.bin, "bench_queue"),
                               str(report.args.jobs)], env={**os.environ, "EBM_HOME": path},
                              stdout=subprocess.PIPE, check=True, text=True)
    r = json.loads(done.stdout)
    where = f"{report.args.jobs:,} waiting"
    report.add(f"queue pass, {where}: one new job", r["one_new_ms"], "ms", "< 5", 5)
    report.add(f"queue pass, {where}: 256 new jobs", r["many_new_ms"], "ms", "< 5", 5)
    report.add(f"queue pass, {where}: the first of a daemon", r["first_ms"], "ms")


# ---- metrics ----


def measure_metrics(report, steps=150000, jobs=2):
    """fake-worker's rows, as fast as it makes them, through the whole way."""
    fake = {"EBM_WORKER_PROGRAM": os.path.join(report.args.bin, "fake-worker"),
            "EBM_FAKE_STEP_MS": "0", "EBM_FAKE_EVERY": "100000000", "EBM_FAKE_STEPS": str(steps)}
    with Home(report.args.bin, EBM_SLOTS=str(jobs), **fake) as home:
        spec = TOY % {"ranks": 1, "steps": steps, "every": 50}
        numbers = [home.submit(spec) for _ in range(jobs)]
        for job in numbers:
            watch(home, job, steps)
        end = max(e["time"] for j in numbers for e in home.ctl("events", j) if e["kind"] == "ended")
        rows = [home.ask("rows", j) for j in numbers]
    stored, wanted = sum(r["rows"] for r in rows), steps * jobs
    seconds = end - min(r["first_ms"] for r in rows) / 1000
    lost = wanted - stored
    report.add("metrics stored: points", stored * POINTS_A_ROW / seconds, "1/s", "> 50,000",
               -50000, f"{stored / seconds:,.0f} rows/s; {lost} of {wanted} rows lost")
    report.add("metrics lost", lost, "rows", "none", 0.5)


# ---- faults ----


def measure_bad_step(report, rounds=3):
    times = []
    for _ in range(rounds):
        fake = {"EBM_WORKER_PROGRAM": os.path.join(report.args.bin, "fake-worker"),
                "EBM_FAKE": "nan-once-at:120", "EBM_FAKE_STEP_MS": "5", "EBM_FAKE_STEPS": "200"}
        with Home(report.args.bin, EBM_SLOTS="1", **fake) as home:
            job = home.submit(TOY % {"ranks": 1, "steps": 200, "every": 50})
            home.wait_state(job, "succeeded", "failed")
            rows = home.run("ebmctl", "metrics", job, "--name", "loss", "-o", "csv").split("\n")
            bad = [r.split(",") for r in rows if r.startswith("1,120,")][0]
            told = min(e["time"] for e in home.ctl("events", job)
                       if e["attempt"] == 1 and e["kind"] in ("diverged", "ended", "rollback"))
            times.append(1000 * (told - float(bad[2])))
    report.add("a bad step to its verdict on record: median", median(times), "ms", "< 1,000", 1000)


def launcher_ms(home, rounds=5):
    """From mpirun's start to the first instruction of the last of two ranks."""
    env = {**home.env, "EBM_RANK": "brief", "EBM_ATTEMPT_DIR": home.path, "OMPI_ALLOW_RUN_AS_ROOT":
           "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    times = []
    for _ in range(rounds):
        begin = now_ms()
        subprocess.run(["mpirun", "-n", "2", "--oversubscribe", "--bind-to", "none",
                        home.program("launch-rank")], env=env, check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
        first = []
        for rank in range(2):
            with open(f"{home.path}/rank-{rank}.at") as f:
                first.append(int(f.read().split()[2]))
        times.append(max(first) - begin)
    return median(times)


def measure_faults(report, rounds=5):
    with Home(report.args.bin, EBM_SLOTS="2") as home:
        launcher = launcher_ms(home)
        report.add("mpirun's own start, two ranks: median", launcher, "ms")
        spec = TOY % {"ranks": 2, "steps": 10000000, "every": 2000}
        times, seen = [], []
        for i in range(rounds):
            job = home.submit(spec)
            home.ask("row", job, 1)
            wait_until("a checkpoint", lambda j=job: home.ctl("checkpoints", j))
            pid = home.rank(job, 1)
            begin = now_ms()
            os.kill(pid, signal.SIGKILL)
            r = home.ask("row", job, 2)
            times.append(r["row_ms"] - begin)
            seen.append(r["seen_ms"] - begin)
            home.run("ebmctl", "kill", job)
            home.wait_state(job, "cancelled")
            print(f"  fault {i + 1} of {rounds}: {times[-1]:.0f} ms", flush=True)
        report.add("kill -9 of a rank to the first new step: median", median(times) / 1000, "s",
                   note=f"its row is stored after {median(seen) / 1000:.2f} s")
        report.add("the same beyond mpirun's own start", (median(times) - launcher) / 1000, "s",
                   "< 2", 2)


# ---- checkpoints ----


def rows_of(home, job):
    text = home.run("ebmctl", "metrics", job, "--name", "loss", "-o", "csv").split("\n")[1:]
    return [1000 * float(line.split(",")[2]) for line in text if line]


def excess(times, every):
    """Of each stretch between checkpoints: its time beyond what its quieter
    half would make of the whole."""
    found = []
    for at in range(every, len(times) - every, every):
        stretch = times[at:at + every + 1]
        gaps = [b - a for a, b in zip(stretch, stretch[1:])]
        found.append(sum(gaps) - every * median(gaps[every // 2:]))
    return found


def measure_stalls(report, langevin=60, every=15, stretches=7):
    """Checkpoints far more often than one would; the share is that of the
    default, one in 200 steps."""
    steps = every * stretches
    with Home(report.args.bin, EBM_SLOTS="2") as home:
        job = home.submit(FASHION % {"langevin": langevin, "steps": steps, "every": every})
        watch(home, job, steps)
        stalls = [int(n) for n in re.findall(r"stall_ms=(\d+)", home.log_of(job))]
        size = max(int(n) for n in re.findall(r"bytes=(\d+) score", home.log_of(job)))
        times = rows_of(home, job)
    step = median([b - a for a, b in zip(times, times[1:])])
    extra = excess(times, every)
    report.add("a training step: fashion, conv-small, 60 Langevin", step, "ms")
    report.add("checkpoint stall: median", median(stalls), "ms",
               note=f"{size / 1e6:.1f} MB; longest {max(stalls)} ms")
    report.add("checkpoint stall, one in 200 steps", 100 * median(stalls) / (200 * step), "%",
               "< 0.5", 0.5)
    report.add("the same, what its upload slows down as well",
               100 * max(0, median(extra)) / (200 * step), "%", note="by the pace of steps")


MEASURES = {"disk": measure_disk, "submits": measure_submits, "queue": measure_queue,
            "crowd": measure_crowd, "uploads": measure_uploads, "metrics": measure_metrics,
            "verdict": measure_bad_step, "faults": measure_faults, "stalls": measure_stalls}


def processor():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":", 1)[1].strip() for line in f
                     if line.startswith("model name")), "?")


def describe(report, failed):
    return {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg(),
            "command": " ".join(sys.argv), "failed": failed, "rows": report.rows}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--bin", required=True)
    p.add_argument("--out", help="the report as JSON; coordinator.json beside the programs' folder")
    p.add_argument("--jobs", type=int, default=100000)
    p.add_argument("--only", default=",".join(MEASURES), help="of " + ",".join(MEASURES))
    args = p.parse_args()
    args.bin = os.path.abspath(args.bin)
    args.out = args.out or os.path.join(os.path.dirname(args.bin), "coordinator.json")
    unknown = set(args.only.split(",")) - set(MEASURES)
    if unknown:
        p.error("no measure " + ", ".join(sorted(unknown)))
    report = Report(args)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed = {}
    for name in report.args.only.split(","):
        print(f"{name} (load {os.getloadavg()[0]:.1f})", flush=True)
        try:
            MEASURES[name](report)
        except (RuntimeError, subprocess.SubprocessError, OSError, ValueError) as e:
            failed[name] = str(e)
            print(f"  NOT MEASURED: {e}", flush=True)
        with open(report.args.out, "w") as f:
            json.dump(describe(report, failed), f, indent=1)
    report.print()
    print(f"wrote {report.args.out}")
    return 1 if failed else 0


sys.exit(main())
