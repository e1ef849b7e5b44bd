"""Part step: a whole training step, ebm-worker's against the peers', in turns:
data, replay buffer, chains, gradient of both sides, clipping, Adam."""
import os

from candidate import VARIANTS, add_ratios, best_peers, median, spread, start_peers, take_turns
from nets import write_images, write_spec
from worker_run import run_worker

SKIP = 2  # steps that warm up, in each turn


class Worker:
    """ebm-worker as a candidate: a run of some steps in each turn."""

    def __init__(self, args, name, spec, ranks):
        self.args, self.name, self.spec, self.ranks = args, name, spec, ranks
        self.times, self.outside, self.log, self.ready = {"step": []}, [], "", {}

    def run(self, order):
        folder = os.path.join(self.args.out, "run")
        done = run_worker(self.args, self.spec, self.ranks, self.args.worker_steps + SKIP, folder)
        self.log = os.path.join(folder, "log")
        self.times[order].append(median(done.seconds(SKIP)))
        self.outside.append(done.outside)
        return True

    def close(self):
        pass


def chosen(report, net, threads):
    """The best fp32 and the best bf16 variant of each library by their chains,
    where those were measured; else None: all."""
    for r in report.parts.get("chain", []):
        if r["net"] == net.name and r["layers"] == net.layers and r["threads"] == threads:
            names = set()
            for library in VARIANTS:
                ms = {n: row["ms"] for n, row in r["rows"].items() if n.startswith(library)}
                low = {n: v for n, v in ms.items() if "bf16" in n}
                names.update(n for n in (best_peers(ms)[0], min(low, key=low.get, default=None))
                             if n)
            return names
    return None


def ours(args, net, ranks, dataset):
    found = []
    for precision in ("fp32", "bf16"):
        spec = write_spec(os.path.join(args.out, f"step-{precision}.yaml"), net, dataset,
                          args.batch, args.step_k, ranks, 1, precision)
        found.append(Worker(args, f"ebmd {precision}", spec, ranks))
    return found


def row_of(c):
    times = c.times["step"]
    row = {"ms": 1000 * median(times), "spread": spread(times), "seconds": times}
    if isinstance(c, Worker):
        row["outside_percent"] = median([o for o in c.outside[1:] if o is not None])
    print(f"  {c.name:20s} {row['ms']:9.1f} ms  spread {100 * row['spread']:4.1f} %" +
          (f"  outside chains and gradient {row['outside_percent']:.2f} %"
           if "outside_percent" in row else ""))
    return row


def measure(args, net, threads, report, dataset):
    print(f"\nstep: {net.name}, {threads} core{'s' * (threads > 1)}, batch {args.batch}, K = "
          f"{args.step_k}", flush=True)
    found = ours(args, net, threads, dataset)
    found += start_peers(args, net, threads, "step", args.step_k, chosen(report, net, threads))
    take_turns(found, "step", args.step_rounds)
    result = {"net": net.name, "shape": net.shape, "layers": net.layers, "threads": threads,
              "batch": args.batch, "k": args.step_k, "rows": {c.name: row_of(c) for c in found}}
    add_ratios(result)
    for c in found:
        c.close()
    return result


def run(args, nets, report):
    for net in nets:
        dataset = write_images(os.path.join(args.out, "data-" + net.name), net, args.batch)
        for threads in args.threads:
            report.add("step", measure(args, net, threads, report, dataset))
