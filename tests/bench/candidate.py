"""A candidate of the bench: a process that does a piece of work for each line
it is given, and says how long that took."""
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PAUSE_S = 0.02  # idle threads of the one before stop spinning

VARIANTS = {"torch": ("eager", "channels-last", "compile", "bf16", "bf16-channels-last",
                      "compile-bf16"),
            "jax": ("fp32", "fp32-unrolled", "bf16", "bf16-unrolled"),
            "tensorflow": ("graph", "xla", "bf16")}

# Memory that is freed stays with the process, as the guides of the peers have
# it by another allocator: else PyTorch's large tensors are mapped anew at each
# step, and it takes 1.2 to 1.5 times as long.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
               "MALLOC_TOP_PAD_": str(1 << 26)}


def median(times):
    return statistics.median(times)


def spread(times):
    """Between the quartiles, as a share of the median."""
    if len(times) < 4:
        return (max(times) - min(times)) / median(times)
    q = statistics.quantiles(times, n=4)
    return (q[2] - q[0]) / median(times)


def pinned(threads):
    """So many threads keep to so many cores, whoever they belong to: JAX takes
    all that it sees."""
    cores = set(sorted(os.sched_getaffinity(0))[-threads:])
    return lambda: os.sched_setaffinity(0, cores)


class Candidate:
    def __init__(self, name, command, threads, log, environment=None):
        self.name, self.times, self.log = name, {}, log
        with open(log, "w") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                preexec_fn=pinned(threads),
                env={**os.environ, **KEEP_MEMORY, "OMP_NUM_THREADS": str(threads),
                     **(environment or {})})
        line = self.process.stdout.readline()
        if not line.startswith("ready"):
            self.close()
            raise RuntimeError(f"{name} does not start: {last_line(log)}")
        self.ready = dict(w.split("=") for w in line.split()[1:])

    def run(self, order):
        """False when it has died."""
        time.sleep(PAUSE_S)
        try:
            self.process.stdin.write(order + "\n")
            self.process.stdin.flush()
            self.times.setdefault(order, []).append(float(self.process.stdout.readline()))
        except (ValueError, OSError):
            return False
        return True

    def close(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass
        self.process.wait()


def last_line(path):
    with open(path, errors="replace") as f:
        lines = [line.strip() for line in f if line.strip()]
    return lines[-1][:200] if lines else "it says nothing"


def wanted_peers(args, variants=None):
    """(library, variant, python) of the peers that were installed."""
    for library, all_variants in VARIANTS.items():
        python = os.path.join(args.venvs, library, "bin", "python")
        if args.peers and library not in args.peers.split(","):
            continue
        if not os.path.exists(os.path.join(args.venvs, library, "ready")):
            print(f"  ({library} is not installed: left out)")
            continue
        for variant in all_variants:
            if variants is None or f"{library} {variant}" in variants:
                yield library, variant, python


def start_peers(args, net, threads, order, steps, variants=None):
    found = []
    for library, variant, python in wanted_peers(args, variants):
        name = f"{library} {variant}"
        print(f"  starting {name}", flush=True)
        log = os.path.join(args.out, f"peer-{library}-{variant}.log")
        try:
            found.append(Candidate(
                name, [python, os.path.join(HERE, "peers.py"), library, variant, net.shape,
                       net.layers, str(args.batch), str(steps), str(threads), order],
                threads, log))
        except (RuntimeError, OSError) as e:
            print(f"  ({e}: left out)", flush=True)
    return found


def take_turns(found, order, rounds, more=None):
    """One after another, in rounds; the first warms up and does not count.
    more(candidate): what else is done in its turn."""
    begin = time.monotonic()
    for round_ in range(rounds + 1):
        for c in list(found):
            if not c.run(order):
                print(f"  ({c.name} has died: {last_line(c.log)}: left out)")
                found.remove(c)
            elif more is not None:
                more(c)
        print(f"  round {round_} of {rounds}, {time.monotonic() - begin:.0f} s", flush=True)
        sys.stdout.flush()
    for c in found:
        for times in c.times.values():
            del times[0]


def is_peer(name):
    return name.split()[0] in VARIANTS


def best_peers(ms):
    """The best fp32 peer and the best of any precision, of {name: ms}."""
    peers = {n: v for n, v in ms.items() if is_peer(n)}
    exact = {n: v for n, v in peers.items() if "bf16" not in n}
    return (min(exact, key=exact.get, default=None), min(peers, key=peers.get, default=None))


def add_ratios(result):
    """ebmd in fp32 against the best fp32 peer, in bf16 against the best; of the
    medians, and of the shortest times, which other work on the machine touches
    least."""
    for short, measure in (("", lambda row: row["ms"]),
                           ("_shortest", lambda row: min(row["seconds"]))):
        ms = {name: measure(row) for name, row in result["rows"].items()}
        for precision, peer in zip(("fp32", "bf16"), best_peers(ms)):
            ours = f"ebmd {precision}"
            if peer and ours in ms:
                result[f"ratio_{precision}{short}"] = ms[peer] / ms[ours]
                result[f"peer_{precision}{short}"] = peer
    for precision, which in (("fp32", "fp32 "), ("bf16", "")):
        if f"ratio_{precision}" in result:
            print(f"  {precision}: {result[f'ratio_{precision}']:.2f} x the best {which}peer "
                  f"({result[f'peer_{precision}']}); of the shortest "
                  f"{result[f'ratio_{precision}_shortest']:.2f} x "
                  f"({result[f'peer_{precision}_shortest']})")
