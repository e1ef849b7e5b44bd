"""Part scaling: the same training step on one rank and on two, in turns."""
import os

from candidate import median, spread
from nets import write_images, write_spec
from part_step import SKIP
from worker_run import run_worker

NETS = ("conv-seed", "conv-small")


def measure(args, net, precision, dataset):
    times, outside = {1: [], 2: []}, {1: [], 2: []}
    for round_ in range(args.step_rounds):
        for ranks in (1, 2):
            spec = write_spec(os.path.join(args.out, "scaling.yaml"), net, dataset, args.batch,
                              args.step_k, ranks, 1, precision)
            done = run_worker(args, spec, ranks, args.worker_steps + SKIP,
                              os.path.join(args.out, "run"))
            times[ranks].append(median(done.seconds(SKIP)))
            outside[ranks].append(done.outside)
        print(f"  round {round_ + 1} of {args.step_rounds}", flush=True)
    one, two = median(times[1]), median(times[2])
    print(f"  {precision}: {1000 * one:.1f} ms on one rank (spread {100 * spread(times[1]):.1f} %), "
          f"{1000 * two:.1f} on two ({100 * spread(times[2]):.1f} %): {one / two:.2f} x; outside "
          f"chains and gradient {median(outside[1]):.2f} % and {median(outside[2]):.2f} %")
    return {"net": net.name, "shape": net.shape, "layers": net.layers, "precision": precision,
            "batch": args.batch, "k": args.step_k, "seconds": times, "ratio": one / two,
            "outside_percent": {r: median(v) for r, v in outside.items()}}


def run(args, nets, report):
    for net in nets:
        if net.name not in NETS + ("own",):
            continue
        print(f"\nscaling: {net.name}, batch {args.batch}, K = {args.step_k}", flush=True)
        dataset = write_images(os.path.join(args.out, "data-" + net.name), net, args.batch)
        for precision in ("fp32", "bf16"):
            report.add("scaling", measure(args, net, precision, dataset))
