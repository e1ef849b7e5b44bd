"""The bench: ebmd's engine and trainer beside their peers, in turns on one
machine, with medians, spreads and ratios. See run.sh, which runs it."""
import argparse
import datetime
import os
import sys

import part_chain
import part_memory
import part_precision
import part_scaling
import part_step
from nets import NETS, nets_of
from report import Report

PARTS = {
    "chain": (part_chain, "Langevin chains, the engine's other works, the processor's limit"),
    "step": (part_step, "whole training steps, and the share outside chains and gradient"),
    "scaling": (part_scaling, "from one rank to two"),
    "memory": (part_memory, "of a rank, beside its bound"),
    "precision": (part_precision, "energy gaps of bf16 and fp32 over several seeds"),
}


def processor():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "?"


def arguments():
    cores = len(os.sched_getaffinity(0))
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="parts:\n" + "\n".join(f"  {n:10s} {help_}" for n, (_, help_) in PARTS.items()))
    p.add_argument("--bin", required=True, help="folder of bench_chain and ebm-worker")
    p.add_argument("--venvs", required=True, help="folder of the peers' virtual environments")
    p.add_argument("--out", required=True, help="folder of the results")
    p.add_argument("--parts", default=",".join(PARTS), help="default: all; none")
    p.add_argument("--nets", default=",".join(NETS), help="default: %(default)s")
    p.add_argument("--net", help="a net of your own, SHAPE/LAYERS, as "
                                 "3x31x29/conv:24:5:2,swish,dense:1 (conv:FILTERS:KERNEL:STRIDE, "
                                 "dense:UNITS, swish, relu, leaky)")
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--steps", type=int, default=10, help="of a chain (10)")
    p.add_argument("--rounds", type=int, default=10, help="of chains (10)")
    p.add_argument("--threads", default=f"1,{cores}", help="numbers of cores (%(default)s)")
    p.add_argument("--peers", default="", help="of torch, jax, tensorflow; default: all; none")
    p.add_argument("--step-k", type=int, default=60, help="Langevin steps of a training step (60)")
    p.add_argument("--step-rounds", type=int, default=5, help="of training steps (5)")
    p.add_argument("--worker-steps", type=int, default=6, help="of ebm-worker in a round (6)")
    p.add_argument("--seeds", type=int, default=5, help="of part precision (5), at least 4")
    p.add_argument("--data", default="fashion-mnist",
                   help="its data set, 28 x 28: fashion-mnist, or idx:FOLDER")
    p.add_argument("--precision-steps", type=int, default=400)
    p.add_argument("--precision-k", type=int, default=20)
    p.add_argument("--precision-batch", type=int, default=64)
    return check(p, p.parse_args())


def check(p, args):
    args.parts = [] if args.parts == "none" else args.parts.split(",")
    for part in args.parts:
        if part not in PARTS:
            p.error(f"no part '{part}': there are {', '.join(PARTS)}")
    for net in [] if args.net else args.nets.split(","):
        if net not in NETS:
            p.error(f"no net '{net}': there are {', '.join(NETS)}, and --net for your own")
    if args.net and "/" not in args.net:
        p.error("--net is SHAPE/LAYERS")
    if args.seeds < 4:
        p.error("--seeds: fewer than 4 could not show a difference")
    args.threads = sorted({int(t) for t in args.threads.split(",")})
    return args


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    report = Report(args.out, {"date": datetime.date.today().isoformat(),
                               "processor": processor(),
                               "cores": len(os.sched_getaffinity(0)),
                               "command": "tests/bench/run.sh " + " ".join(sys.argv[7:])})
    for part in args.parts:
        PARTS[part][0].run(args, nets_of(args), report)
    for name in sorted(os.listdir(args.out)):
        if name.endswith((".json", ".md", ".png")):
            print("wrote", os.path.join(args.out, name))


main()
