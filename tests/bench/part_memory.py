"""Part memory: what a rank holds, for few Langevin steps and for many, beside
a bound made of what it needs: weights, tiles, its stripe of the buffer."""
import os
import subprocess

from candidate import median
from nets import IMAGES, REPLAY, Net, write_images, write_spec
from worker_run import run_worker

MB = 1e6
TINY = Net("tiny", "1x4x4", "dense:1")
STEPS, MOST_STEPS, SIGHTS = 20, 2000, 6  # a run in which memory is seen so often
SLACK_MB = 2  # what the heap and the stacks round up
SHORT_K, LONG_K = 4, 16


def engine_of(args, net):
    """bench_chain's word: parameters, tile, bytes of an engine with one lane."""
    spec = write_spec(os.path.join(args.out, "memory-engine.yaml"), net)
    out = subprocess.run([os.path.join(args.bin, "bench_chain"), spec, str(args.batch), "1", "1",
                          "fp32"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         check=True, env={**os.environ, "BENCH_SHAPE": net.shape}).stdout
    ready = dict(w.split("=") for w in out.split()[1:])
    return int(ready["params"]), int(ready["tile"]), int(ready["engine_bytes"])


def parts_of(args, net, ranks):
    """Bytes of a rank's parts, from the sizes alone."""
    params, tile, engine = engine_of(args, net)
    chains = -(-args.batch // ranks)
    shards = -(-chains // tile)
    replay = max(REPLAY, args.batch)
    return {
        "parameters and moments": 3 * 4 * params,
        "gradients, one a shard": 4 * params * (shards + 1),
        "engine: packed weights, one tile": engine,
        "replay stripe": 4 * (net.size + 3) * -(-replay // ranks),
        "chains on their way": 4 * (3 * net.size + 4) * args.batch,
        "data set": net.size * max(IMAGES, 2 * args.batch),
    }


def held_mb(args, net, ranks, k, dataset):
    """While it trains, the largest rank, in the first half of what was seen;
    and the peak, with the checkpoint at the end that rank 0 gathers."""
    spec = write_spec(os.path.join(args.out, "memory.yaml"), net, dataset, args.batch, k, ranks)
    steps, done = STEPS, None
    while done is None or (min(len(done.resident_kb.get(r, [])) for r in range(ranks)) < SIGHTS
                           and steps <= MOST_STEPS):
        done = run_worker(args, spec, ranks, steps, os.path.join(args.out, "run"))
        steps *= 5
    peak = max(done.peak_kb.values())
    training = max((median(v[:(len(v) + 1) // 2]) for v in done.resident_kb.values()), default=peak)
    return training * 1024 / MB, peak * 1024 / MB


def measure(args, net, ranks, empty):
    dataset = write_images(os.path.join(args.out, "data-" + net.name), net, args.batch)
    parts = parts_of(args, net, ranks)
    few, peak = held_mb(args, net, ranks, SHORT_K, dataset)
    many, _ = held_mb(args, net, ranks, LONG_K, dataset)
    bound = empty + SLACK_MB + sum(parts.values()) / MB
    checkpoint = (4 * (net.size + 3) * max(REPLAY, args.batch) +
                  parts["parameters and moments"]) / MB
    print(f"  {net.name}, {ranks} rank{'s' * (ranks > 1)}: {few:.0f} MB with K = {SHORT_K}, "
          f"{many:.0f} MB with K = {LONG_K}, peak {peak:.0f} MB; bound {bound:.0f} MB, of it "
          f"{empty:.0f} an empty rank, and a checkpoint of {checkpoint:.0f} MB for the peak")
    return {"net": net.name, "shape": net.shape, "layers": net.layers, "ranks": ranks,
            "batch": args.batch, "short_k": SHORT_K, "long_k": LONG_K, "mb_short_k": few,
            "mb_long_k": many, "mb_peak": peak, "mb_empty": empty, "mb_bound": bound,
            "mb_checkpoint": checkpoint,
            "parts_mb": {n: v / MB for n, v in parts.items()}}


def run(args, nets, report):
    print(f"\nmemory of a rank, batch {args.batch}, {REPLAY} slots", flush=True)
    empty = {}
    for ranks in (1, 2):
        dataset = write_images(os.path.join(args.out, "data-tiny"), TINY, args.batch)
        empty[ranks] = held_mb(args, TINY, ranks, SHORT_K, dataset)[0]
    for net in nets:
        for ranks in (1, 2):
            report.add("memory", measure(args, net, ranks, empty[ranks]))
