"""The bench: the same Langevin chain by ebmd's engine and by its peers, in
turns on one machine, with medians, spreads and ratios. See run.sh."""
import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# name: shape, layers
NETS = {
    "conv-seed": ("1x28x28", "conv:16:3:1,swish,conv:32:3:2,swish,conv:64:3:2,swish,"
                             "conv:128:3:2,swish,conv:256:3:2,swish,dense:1"),
    "conv-small": ("1x28x28", "conv:16:5:2,swish,conv:32:3:2,swish,conv:64:3:2,swish,"
                              "conv:64:3:2,swish,dense:64,swish,dense:1"),
    "mlp": ("2x1x1", "dense:1000,relu,dense:1000,relu,dense:1"),
    "cifar": ("3x32x32", "conv:64:3:1,swish,conv:64:3:2,swish,conv:128:3:2,swish,"
                         "conv:192:3:2,swish,conv:192:3:2,swish,dense:1"),
}


class Candidate:
    """A process that does a piece of work for each line it is given."""

    def __init__(self, name, command, environment=None):
        self.name, self.times = name, {}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline()
        if not line.startswith("ready"):
            raise RuntimeError(f"{name} does not start")
        self.ready = dict(w.split("=") for w in line.split()[1:])

    def run(self, work):
        self.process.stdin.write(work + "\n")
        self.process.stdin.flush()
        seconds = float(self.process.stdout.readline())
        self.times.setdefault(work, []).append(seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def spec_text(layers):
    lines = []
    for word in layers.split(","):
        kind, *n = word.split(":")
        if kind == "conv":
            lines.append(f"    - conv: {{out: {n[0]}, kernel: {n[1]}, stride: {n[2]}}}")
        elif kind == "dense":
            lines.append(f"    - dense: {n[0]}")
        else:
            lines.append(f"    - {kind}")
    return ("data: { dataset: toy/rings }\nmodel:\n  layers:\n" + "\n".join(lines) +
            "\nsampler: { steps: 1, step_size: 20.0, noise_std: 0.005, gradient_clip: 0.03, "
            "clamp: [0.0, 1.0] }\ntrain: { steps: 1 }\n")


def median(times):
    return statistics.median(times)


def spread(times):
    q = statistics.quantiles(times, n=4) if len(times) > 3 else [min(times), 0, max(times)]
    return (q[2] - q[0]) / median(times)


def candidates(args, shape, layers, threads, folder):
    """ebmd first, then every peer that starts."""
    spec = os.path.join(folder, "net.yaml")
    with open(spec, "w") as f:
        f.write(spec_text(layers))
    size = [str(args.batch), str(args.steps), str(threads)]
    pin = {"BENCH_SHAPE": shape, "OMP_NUM_THREADS": str(threads)}
    found = [Candidate("ebmd fp32", [args.program, spec, *size, "fp32"], pin),
             Candidate("ebmd bf16", [args.program, spec, *size, "bf16"], pin),
             Candidate("oneDNN tapes fp32", [args.program, spec, *size, "fp32", "onednn"], pin)]
    wanted = [("torch", v) for v in ("eager", "channels-last", "compile", "bf16", "compile-bf16")]
    wanted += [("jax", v) for v in ("fp32", "bf16")]
    for library, variant in wanted:
        if args.peers and library not in args.peers.split(","):
            continue
        try:
            found.append(Candidate(f"{library} {variant}",
                                   [sys.executable, os.path.join(HERE, "peers.py"), library,
                                    variant, shape, layers, *size]))
        except (RuntimeError, OSError) as e:
            print(f"  ({e}: left out)", flush=True)
    return found


def measure(args, name, shape, layers, threads, folder):
    print(f"\n{name}, {threads} thread{'s' if threads > 1 else ''}, batch {args.batch}, "
          f"{args.steps} steps", flush=True)
    found = candidates(args, shape, layers, threads, folder)
    for round_ in range(args.rounds + 1):
        for c in found:
            c.run("chain")
            if c.name.startswith("ebmd fp32") and threads == 1:
                for work in ("first", "params", "pack", "fma", "dot"):
                    c.run(work)
        print(f"\r  round {round_} of {args.rounds}", end="", flush=True)
    print(flush=True)
    ours = found[0]
    flop = float(ours.ready["flop"]) * args.batch * args.steps
    rows, result = [], {"net": name, "shape": shape, "layers": layers, "threads": threads,
                        "batch": args.batch, "steps": args.steps,
                        "params": int(ours.ready["params"]), "isa": ours.ready["isa"], "rows": {}}
    for c in found:
        times = c.times["chain"][1:]  # the first warms up
        ms = 1000 * median(times) / args.steps
        rows.append((c.name, ms, spread(times), flop / median(times) / 1e9))
        result["rows"][c.name] = {"ms_a_step": ms, "spread": spread(times),
                                  "gflops_nominal": flop / median(times) / 1e9,
                                  "seconds": times}
        c.close()
    best32 = min((r for r in rows if r[0].startswith(("torch", "jax")) and "bf16" not in r[0]),
                 key=lambda r: r[1], default=None)
    best = min((r for r in rows if r[0].startswith(("torch", "jax"))), key=lambda r: r[1],
               default=None)
    for label, ms, s, gflops in rows:
        print(f"  {label:20s} {ms:9.3f} ms a step  spread {100 * s:4.1f} %  {gflops:7.1f} GFLOP/s")
    if best32 is not None:
        result["ratio_fp32"] = best32[1] / rows[0][1]
        result["ratio_bf16"] = best[1] / rows[1][1]
        print(f"  fp32: {result['ratio_fp32']:.2f} x the best fp32 peer ({best32[0]}); "
              f"bf16: {result['ratio_bf16']:.2f} x the best peer ({best[0]})")
    if threads == 1:
        fma = 2**32 / median(ours.times["fma"][1:]) / 1e9
        dot = 2**32 / median(ours.times["dot"][1:]) / 1e9
        result["limit_fp32"], result["limit_bf16"] = fma, dot
        result["first_layer_ms"] = 1000 * median(ours.times["first"][1:])
        result["params_ms"] = 1000 * median(ours.times["params"][1:])
        result["pack_ms"] = 1000 * median(ours.times["pack"][1:])
        print(f"  the processor's limit: {fma:.0f} GFLOP/s fp32, {dot:.0f} bf16; the chain is at "
              f"{rows[0][3] / fma:.2f} and {rows[1][3] / dot:.2f} of it (nominal)")
        print(f"  first layer's input gradient {result['first_layer_ms']:.3f} ms, parameter "
              f"gradients {result['params_ms']:.1f} ms, packing {result['pack_ms']:.2f} ms")
    return result


def processor():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "?"


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--nets", default="conv-seed,conv-small,mlp,cifar")
    p.add_argument("--net", help="a net of your own: SHAPE/LAYERS, as 3x31x29/conv:24:5:2,swish,dense:1")
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--threads", default=f"1,{os.cpu_count()}")
    p.add_argument("--peers", default="", help="torch,jax; all by default, none for 'none'")
    args = p.parse_args()
    os.makedirs(args.out, exist_ok=True)
    nets = {"own": args.net.split("/", 1)} if args.net else {n: NETS[n] for n in args.nets.split(",")}
    report = {"date": datetime.date.today().isoformat(), "processor": processor(),
              "command": " ".join(sys.argv), "results": []}
    for name, (shape, layers) in nets.items():
        for threads in sorted({int(t) for t in args.threads.split(",")}):
            report["results"].append(measure(args, name, shape, layers, threads, args.out))
            with open(os.path.join(args.out, "bench.json"), "w") as f:
                json.dump(report, f, indent=1)
    print(f"\nwrote {os.path.join(args.out, 'bench.json')}")


main()
