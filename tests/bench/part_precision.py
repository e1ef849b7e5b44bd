"""Part precision: the same training from several seeds, with chains in fp32
and in bf16, and with the first engine, oneDNN's primitives, as it was before
ours: are the curves of the energy gap within each other's spread?"""
import concurrent.futures
import itertools
import os
import statistics

from nets import NETS, Net, write_spec
from worker_run import run_worker

POINTS = 40
# name: (engine, precision); and who is compared with whom
CURVES = {"fp32": ("wide", "fp32"), "bf16": ("wide", "bf16"), "first engine": ("onednn", "fp32")}
PAIRS = (("fp32", "bf16"), ("first engine", "fp32"))
RARE = 0.05  # a chance below it is a difference


def smooth(curve, points):
    """Means of equal stretches."""
    n = len(curve)
    edges = [i * n // points for i in range(points + 1)]
    return [statistics.fmean(curve[a:b]) for a, b in zip(edges, edges[1:]) if b > a]


def train(args, net, which, seed):
    engine, precision = CURVES[which]
    name = f"precision-{engine}-{precision}-{seed}"
    spec = write_spec(os.path.join(args.out, name + ".yaml"), net, args.data,
                      args.precision_batch, args.precision_k, 1, 1, precision, seed, "1.0e-3")
    done = run_worker(args, spec, 0, args.precision_steps, os.path.join(args.out, name),
                      engine=engine)
    print(f"  {which}, seed {seed}: gap {done.columns['energy_gap'][-1]:+.4f} at the end",
          flush=True)
    return smooth(done.columns["energy_gap"], min(POINTS, args.precision_steps))


def within(a, b):
    """At how many points b's mean lies in a's range."""
    inside = [min(p) <= statistics.fmean(q) <= max(p) for p, q in zip(zip(*a), zip(*b))]
    return sum(inside) / len(inside)


def distance(a, b):
    """Mean over the points of the squared difference of the means, in
    variances of all curves at that point."""
    total, points = 0.0, len(a[0])
    for p, q in zip(zip(*a), zip(*b)):
        spread = statistics.variance(p + q)
        total += (statistics.fmean(p) - statistics.fmean(q)) ** 2 / (spread or 1e-300)
    return total / points


def chance(a, b):
    """How many of all ways to part the curves into two such groups part them
    at least as far: what precision does beyond what seeds do makes it small."""
    curves, here = a + b, distance(a, b) * (1 - 1e-9)
    ways = [set(w) for w in itertools.combinations(range(len(curves)), len(a))]
    far = sum(distance([curves[i] for i in w],
                       [c for i, c in enumerate(curves) if i not in w]) >= here for w in ways)
    return far / len(ways)


def judge(curves, a, b):
    p, q = curves[a], curves[b]
    result = {"a": a, "b": b, "b_in_a": within(p, q), "a_in_b": within(q, p), "chance": chance(p, q)}
    result["agree"] = result["chance"] > RARE
    print(f"  the mean of {b} lies in the range of {a}'s seeds at {100 * result['b_in_a']:.0f} % of "
          f"the points, that of {a} in {b}'s at {100 * result['a_in_b']:.0f} %; of all ways to part "
          f"the {len(p + q)} curves, {100 * result['chance']:.0f} % part them as far: "
          f"{'within' if result['agree'] else 'NOT within'} each other's spread", flush=True)
    return result


def run(args, nets, report):
    net = Net("conv-small", *NETS["conv-small"])
    print(f"\nprecision: {net.name} on {args.data}, {args.seeds} seeds of {', '.join(CURVES)}, batch "
          f"{args.precision_batch}, K = {args.precision_k}, {args.precision_steps} steps",
          flush=True)
    curves = {which: [None] * args.seeds for which in CURVES}
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = {pool.submit(train, args, net, which, s + 1): (which, s)
                for s in range(args.seeds) for which in curves}
        for job in concurrent.futures.as_completed(jobs):
            which, seed = jobs[job]
            curves[which][seed] = job.result()
    report.add("precision", {"net": net.name, "data": args.data, "batch": args.precision_batch,
                             "k": args.precision_k, "steps": args.precision_steps,
                             "curves": curves, "pairs": [judge(curves, *p) for p in PAIRS]})
