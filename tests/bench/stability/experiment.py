"""The proof of the divergence detector and of the recovery ladder. See run.sh.

parts: healthy   runs that must be left alone
       faults    what is done to a healthy run, and when that is seen
       unstable  unstable specs under three policies, many seeds, by ebmd
       hygiene   the same with and without what keeps the buffer clean
       kills     ebmd, mpirun or a rank killed in the middle of recoveries"""
import argparse
import csv
import datetime
import json
import math
import os
import random
import signal
import subprocess
import time

import specs

COLUMNS_SHOWN = ("energy_gap", "langevin_grad", "param_grad", "suspicion")


class Bench:
    def __init__(self, args):
        self.args = args
        self.bin = os.path.abspath(args.bin)
        self.out = os.path.abspath(args.out)
        os.makedirs(self.out, exist_ok=True)

    def folder(self, *names):
        path = os.path.join(self.out, *[n.replace(" ", "-").replace("/", "-") for n in names])
        os.makedirs(path, exist_ok=True)
        return path

    def write_spec(self, folder, text, name, seed, steps):
        path = os.path.join(folder, "spec.yaml")
        for a, b in (("NAME", name), ("SEED", str(seed)), ("STEPS", str(steps)),
                     ("DATA", self.args.data)):
            text = text.replace(a, b)
        with open(path, "w") as f:
            f.write(text)
        return path

    def train(self, folder, spec, steps, sets=(), env=None, start=None, ranks=1):
        """Standalone; returns the word, the step, the onset and the reason of its end."""
        command = [os.path.join(self.bin, "ebm-worker"), "--standalone", spec, "--out", folder,
                   "--steps", str(steps)]
        if ranks > 1:
            command = ["mpirun", "--bind-to", "none", "-n", str(ranks), *command]
        for s in sets:
            command += ["--set", s]
        if start:
            command += ["--from", start]
        with open(os.path.join(folder, "log"), "w") as log:
            subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False,
                           env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})})
        with open(os.path.join(folder, "log")) as f:
            for line in f:
                if line.startswith("finished "):
                    words = dict(w.split("=", 1) for w in line.split(" reason=")[0].split()[1:])
                    return (words["outcome"], int(words["step"]), int(words["onset"]),
                            line.split(" reason=")[1].strip().strip('"'))
        raise RuntimeError(f"{folder}: no end in its log")


def rows_of(folder):
    with open(os.path.join(folder, "metrics.csv")) as f:
        return [{k: float(v) if v else math.nan for k, v in r.items()} for r in csv.DictReader(f)]


# ---- healthy -------------------------------------------------------------

def healthy(bench):
    result, total = [], 0
    for name, (text, steps) in specs.HEALTHY.items():
        steps = max(1000, int(steps * bench.args.scale))
        folder = bench.folder("healthy", name)
        spec = bench.write_spec(folder, text, "healthy", bench.args.seed, steps)
        outcome, step, _, reason = bench.train(folder, spec, steps)
        with open(os.path.join(folder, "log")) as f:
            log = f.read()
        row = {"run": name, "steps": step, "outcome": outcome, "reason": reason,
               "warnings": log.count("verdict=warn"), "skips": log.count("verdict=skip"),
               "largest_suspicion": max(r["suspicion"] for r in rows_of(folder))}
        total += step
        result.append(row)
        print(f"  {name:28s} {step:6d} steps  {outcome}  warnings {row['warnings']}  skips "
              f"{row['skips']}  nearest to a limit {row['largest_suspicion']:.2f}", flush=True)
    print(f"  {total} steps in all", flush=True)
    return {"runs": result, "steps": total,
            "left_alone": all(r["outcome"] == "succeeded" and r["warnings"] + r["skips"] == 0
                              for r in result)}


# ---- faults --------------------------------------------------------------

def first_beyond(folder, limit):
    for r in rows_of(folder):
        if not abs(r["loss"]) <= limit:
            return int(r["step"])
    return None


def faults(bench):
    result = []
    for kind, values, guards in specs.FAULT_RUNS:
        result += faults_of(bench, kind, specs.IMAGES.format(**values), guards)
    return result


def chosen_by(onset, every=100):
    """The step of the checkpoint that a recovery goes back to: the newest one
    that has proved healthy before the onset (see retention.h)."""
    return max(0, (onset - 2 * every - 1) // every * every)


def trip_of(folder, outcome, step, onset, reason, at):
    """What became of a watched run: where it stopped, and what it says of it."""
    rows = rows_of(folder)
    trip = step + 1 if outcome == "diverged" else None
    return {"detected": trip is not None, "reason": reason,
            "steps_to_trip": trip - at if trip else None,
            "onset_error": onset - (at + 1) if trip else None,
            "clean_target": chosen_by(onset) <= at if trip else None, "trip": trip,
            "slots_replaced": int(sum(r["replaced"] for r in rows)),
            "largest_suspicion": max(r["suspicion"] for r in rows)}


def tell_fault(row):
    seen = (f"trip after {row['steps_to_trip']} steps, onset off by {row['onset_error']}"
            if row["detected"] else f"no trip, {row['largest_suspicion']:.2f} of a limit")
    print(f"  {row['run']:10s} {row['fault']:32s} {seen}; {row['slots_replaced']} slots replaced; "
          f"unwatched, |L| reaches {row['largest_loss_unwatched']:.3g}, 1e5 at step "
          f"{row['beyond_1e5']}, 1e8 at {row['beyond_1e8']}", flush=True)


def faults_of(bench, kind, text, guards):
    """Every fault from one checkpoint of a healthy run on: watched, and unwatched
    as far as the published limits, with the same guards of the buffer."""
    at, after, result = 1500, 2500, []
    base = bench.folder("faults", kind)
    spec = bench.write_spec(base, text, "faults", bench.args.seed, at + after)
    bench.train(base, spec, at, guards)
    start = os.path.join(base, f"checkpoint-{at}.ebm")
    for name, (env, sets, ranks) in specs.FAULTS.items():
        env = {k: v.replace("STEP", str(at + 1)) for k, v in env.items()}
        on = bench.folder("faults", kind, name, "on")
        end = bench.train(on, spec, at + after, [*guards, *sets], env, start, ranks)
        off = bench.folder("faults", kind, name, "off")
        bench.train(off, spec, at + after, [*guards, *sets, "stability.detector=off",
                                            "stability.max_energy=1e30"], env, start, ranks)
        row = {"run": kind, "fault": name, **trip_of(on, *end, at),
               "beyond_1e5": first_beyond(off, 1e5), "beyond_1e8": first_beyond(off, 1e8)}
        for limit in ("1e5", "1e8"):
            beyond = row["beyond_" + limit]
            row["lead_" + limit] = beyond - row["trip"] if beyond and row["trip"] else None
        row["largest_loss_unwatched"] = max(abs(r["loss"]) for r in rows_of(off))
        tell_fault(row)
        result.append(row)
    return result


# ---- ebmd ----------------------------------------------------------------

class Ebmd:
    """A coordinator of our own, in a home of its own."""

    def __init__(self, bench, name):
        self.home = bench.folder(name)
        self.env = {**os.environ, "EBM_HOME": self.home, "OMP_NUM_THREADS": "1",
                    "PATH": bench.bin + ":" + os.environ["PATH"]}

    def ask(self, *words, check=True):
        p = subprocess.run(["ebmctl", *words], env=self.env, capture_output=True, text=True)
        if check and p.returncode != 0:
            raise RuntimeError(f"ebmctl {' '.join(words)}: {p.stderr}")
        return p.stdout

    def json(self, *words):
        return json.loads(self.ask(*words, "-o", "json"))

    def submit(self, spec, sets, *more):
        words = [w for s in sets for w in ("--set", s)]
        return self.json("submit", spec, *words, *more)["job"]

    def jobs(self):
        return {j["job"]: j for j in self.json("list")}

    def wait(self, label):
        while True:
            jobs = self.jobs()
            over = [j for j in jobs.values()
                    if j["state"] in ("succeeded", "failed", "cancelled", "diverged")]
            print(f"\r  {label}: {len(over)} of {len(jobs)} are over ", end="", flush=True)
            if len(over) == len(jobs):
                print(flush=True)
                return jobs
            time.sleep(1)

    def pid(self):
        return self.json("status")["pid"]

    def stop(self):
        self.ask("daemon", "stop", check=False)


# ---- unstable ------------------------------------------------------------

def tiles(path):
    """Pictures of a grid as the rows of a matrix; see picture_grid_png."""
    import matplotlib.image
    import numpy

    sheet = matplotlib.image.imread(path)
    sheet = sheet if sheet.ndim == 2 else sheet[:, :, 0]
    gap, side = 2, 8
    tile = (sheet.shape[0] - gap) // side
    scale = (tile - gap) // 28
    return numpy.array([sheet[gap + r * tile:gap + r * tile + 28 * scale:scale,
                              gap + c * tile:gap + c * tile + 28 * scale:scale].ravel()
                        for r in range(side) for c in range(side)])


def read_images(folder, n):
    import gzip
    import numpy

    name = [f for f in sorted(os.listdir(folder)) if "train-images" in f or "t10k-images" in f][-1]
    path = os.path.join(folder, name)
    with (gzip.open(path) if name.endswith(".gz") else open(path, "rb")) as f:
        data = f.read()
    return numpy.frombuffer(data, numpy.uint8, n * 784, 16).reshape(n, 784) / 255.0


def energy_distance(x, y):
    """Of two samples (Szekely & Rizzo 2013); 0 for one distribution."""
    import numpy

    def mean_distance(a, b):
        d = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * a @ b.T
        return numpy.sqrt(numpy.maximum(d, 0))

    def own(a):
        return mean_distance(a, a).sum() / (len(a) * (len(a) - 1))

    return 2 * mean_distance(x, y).mean() - own(x) - own(y)


def distances(bench):
    """The quality of a sheet of samples, and what noise and data would get."""
    import numpy

    if not bench.args.data.startswith("idx:"):
        folder = "/usr/share/datasets/fashion-mnist"
    else:
        folder = bench.args.data[4:]
    data = read_images(folder, 3000)
    rng = numpy.random.default_rng(1)
    scale = {"data": energy_distance(data[:64], data[1000:]),
             "noise": energy_distance(rng.random((64, 784)), data[1000:])}
    return (lambda path: energy_distance(tiles(path), data[1000:])), scale


def submit_all(bench, ebmd, part, runs, policies, steps):
    """Every run under every policy for every seed; {job: (name, seed, policy)}."""
    meant = {}
    for seed in range(1, bench.args.seeds + 1):
        for name, text in runs.items():
            spec = bench.write_spec(bench.folder(part, name, str(seed)), text, part, seed, steps)
            for policy, sets in policies.items():
                meant[ebmd.submit(spec, sets)] = (name, seed, policy)
    return meant


def result_of(bench, ebmd, part, job, meant, measure):
    name, seed, policy = meant
    attempts = ebmd.json("history", str(job["job"]))
    row = {"spec": name, "seed": seed, "policy": policy, "state": job["state"],
           "step": job["step"], "rollbacks": len(attempts) - 1,
           "steps_trained": sum(a["last_step"] - a["from_step"] for a in attempts),
           "reason": job["reason"], "distance": None}
    sheet = os.path.join(bench.folder(part, name, str(seed)), policy + ".png")
    try:
        ebmd.ask("samples", str(job["job"]), "-o", sheet)
        row["distance"] = float(measure(sheet))
    except (RuntimeError, OSError):
        pass
    return row


def tell_policies(result, scale):
    for name, policy in dict.fromkeys((r["spec"], r["policy"]) for r in result):
        rows = [r for r in result if (r["spec"], r["policy"]) == (name, policy)]
        done = [r for r in rows if r["state"] == "succeeded"]
        quality = sorted(r["distance"] for r in done if r["distance"] is not None)
        middle = f"{quality[len(quality) // 2]:.2f}" if quality else "-"
        print(f"  {name:28s} {policy:8s} {len(done):2d} of {len(rows)} finished, distance "
              f"{middle} (data {scale['data']:.2f}, noise {scale['noise']:.2f}), rollbacks "
              f"{sum(r['rollbacks'] for r in rows) / len(rows):.1f}", flush=True)


def by_policy(bench, part, runs, policies):
    measure, scale = distances(bench)
    ebmd = Ebmd(bench, part + "-home")
    steps = int(3000 * bench.args.scale)
    meant = submit_all(bench, ebmd, part, runs, policies, steps)
    jobs = ebmd.wait("runs")
    result = [result_of(bench, ebmd, part, jobs[job], what, measure)
              for job, what in meant.items()]
    ebmd.stop()
    tell_policies(result, scale)
    return {"runs": result, "scale": {k: float(v) for k, v in scale.items()}, "steps": steps}


def unstable(bench):
    return by_policy(bench, "unstable", specs.UNSTABLE, specs.POLICIES)


def hygiene(bench):
    return by_policy(bench, "hygiene", specs.HYGIENE_RUNS, specs.HYGIENE)


# ---- kills ---------------------------------------------------------------

def victims(ebmd, kind):
    """Pids of this home's processes of a kind, by the mark in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as f:
                comm = f.read().strip()
            with open(f"/proc/{pid}/environ", "rb") as f:
                ours = ebmd.home.encode() in f.read()
        except OSError:
            continue
        if ours and comm == kind:
            found.append(int(pid))
    return found


def lineage_of(ebmd, job):
    keys = ("attempt", "cause", "actor", "from_step", "last_step", "outcome", "overrides")
    attempts = [{k: a.get(k) for k in keys} for a in ebmd.json("history", str(job))]
    recoveries = [(a["from_step"], a["overrides"]) for a in attempts
                  if a["cause"] == "rollback" and a["actor"] == "ebmd"]
    digests = {c["step"]: c["digest"] for c in ebmd.json("checkpoints", str(job))}
    return recoveries, digests


def undisturbed(bench, text, folder, steps, sets):
    """The first seed whose run diverges: its spec, recoveries and digests."""
    calm = Ebmd(bench, "kills-calm")
    for seed in range(1, 20):
        spec = bench.write_spec(folder, text, "kills", seed, steps)
        job = calm.submit(spec, sets)
        calm.wait(f"undisturbed, seed {seed}")
        wanted, digests = lineage_of(calm, job)
        if wanted:
            break
    calm.stop()
    return spec, wanted, digests


def killed_run(ebmd, job, rng, most):
    """kill -9 of somebody within half a second of each recovery, and now and
    then of the restarts that come of it; how many."""
    done, seen = 0, 1
    while True:
        time.sleep(0.03)
        attempts = ebmd.json("history", str(job))
        now = ebmd.jobs()[job]
        if now["state"] in ("succeeded", "diverged", "failed"):
            return done
        if len(attempts) <= seen or done >= most:
            continue
        seen = len(attempts)
        if attempts[-1]["cause"] != "rollback" and rng.random() < 0.5:
            continue
        time.sleep(rng.uniform(0, 0.5))
        found = victims(ebmd, rng.choice(["ebmd", "mpirun", "ebm-worker", "ebm-shepherd"]))[:1]
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        done += len(found)


def kills(bench):
    """One unstable run, undisturbed; then the same with kill -9 at its recoveries."""
    folder = bench.folder("kills")
    # Slow enough for every checkpoint to be stored, kills or not.
    os.environ["EBM_TEST_STEP_DELAY_MS"] = "2"
    sets = ["resources.max_restarts=1000", "checkpoint.every_steps=100"]
    spec, wanted, digests = undisturbed(bench, specs.UNSTABLE["short chains from noise"], folder,
                                        int(1500 * bench.args.scale), sets)
    last = max(digests)
    print(f"  undisturbed: {len(wanted)} recoveries, last checkpoint at {last}", flush=True)
    rng, done, same, left, runs = random.Random(1), 0, 0, 0, 0
    while done < bench.args.kills:
        ebmd = Ebmd(bench, f"kills-{runs}")
        job = ebmd.submit(spec, sets)
        done += killed_run(ebmd, job, rng, bench.args.kills - done)
        got, after = lineage_of(ebmd, job)
        equal = got == wanted and after.get(last) == digests[last]
        same += equal
        runs += 1
        ebmd.stop()
        time.sleep(1)
        left += sum(len(victims(ebmd, k)) for k in ("mpirun", "ebm-worker", "ebm-shepherd"))
        print(f"  run {runs}: {done} of {bench.args.kills} kills, {same} runs the same", flush=True)
        if not equal:
            print(f"  {got} instead of {wanted}", flush=True)
    print(f"  {done} kills in {runs} runs: {same} runs with the same recoveries and digest, "
          f"{left} processes left", flush=True)
    return {"kills": done, "runs": runs, "same": same, "processes_left": left,
            "recoveries": len(wanted)}


PARTS = {"healthy": healthy, "faults": faults, "unstable": unstable, "hygiene": hygiene,
         "kills": kills}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--bin", required=True, help="folder of the programs")
    p.add_argument("--out", required=True)
    p.add_argument("--data", default="fashion-mnist", help="fashion-mnist, or idx:DIR of 28 x 28 images")
    p.add_argument("--parts", default=",".join(PARTS))
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--seeds", type=int, default=10)
    p.add_argument("--kills", type=int, default=50)
    p.add_argument("--scale", type=float, default=1.0, help="of the numbers of steps")
    bench = Bench(p.parse_args())
    path = os.path.join(bench.out, "stability.json")
    report = {}
    if os.path.exists(path):
        with open(path) as f:
            report = json.load(f)
    report["date"] = datetime.date.today().isoformat()
    report["data"] = bench.args.data
    for part in bench.args.parts.split(","):
        print(f"\n{part}", flush=True)
        begin = time.time()
        report[part] = PARTS[part](bench)
        report.setdefault("seconds", {})[part] = round(time.time() - begin)
        with open(path, "w") as f:
            json.dump(report, f, indent=1)
    print(f"\nwrote {path}")


main()
