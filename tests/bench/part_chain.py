"""Part chain: Langevin steps of a batch, by all candidates in turns; with the
engine's other works and the processor's limit, on one core."""
import os

from candidate import Candidate, add_ratios, median, spread, start_peers, take_turns
from nets import write_spec

WORKS = ("first", "params", "pack", "norms", "figures", "fma", "dot", "amx")
LIMIT_OPERATIONS = 2 ** 32  # of bench_chain's fma and dot


def start_ours(args, net, threads):
    spec = write_spec(os.path.join(args.out, "chain.yaml"), net)
    command = [os.path.join(args.bin, "bench_chain"), spec, str(args.batch), str(args.steps),
               str(threads)]
    found = []
    for name, more in (("ebmd fp32", ["fp32"]), ("ebmd bf16", ["bf16"]),
                       ("oneDNN tapes fp32", ["fp32", "onednn"])):
        try:
            found.append(Candidate(name, command + more, threads,
                                   os.path.join(args.out, name.replace(" ", "-") + ".log"),
                                   {"BENCH_SHAPE": net.shape}))
        except RuntimeError as e:
            print(f"  ({e})")
            if name == "ebmd fp32":
                raise SystemExit(1)
    return found


def rows_of(found, order, steps, flop):
    rows = {}
    for c in found:
        times = c.times[order]
        rows[c.name] = {"ms": 1000 * median(times) / steps, "spread": spread(times),
                        "gflops_nominal": flop / median(times) / 1e9, "seconds": times,
                        "version": c.ready.get("version", "")}
        r = rows[c.name]
        print(f"  {c.name:20s} {r['ms']:9.3f} ms a step  spread {100 * r['spread']:4.1f} %  "
              f"{r['gflops_nominal']:7.1f} GFLOP/s")
    return rows


def add_limits(args, result, ours, rows):
    """One core: the processor's limit, and the works beside the chain."""
    t = {work: median(ours.times[work]) for work in WORKS}
    for work in ("norms", "first"):  # of a whole chain
        t[work] /= args.steps
    chain = median(ours.times["chain"]) / args.steps
    result["limit_fp32"] = LIMIT_OPERATIONS / t["fma"] / 1e9
    share = {"fp32": rows["ebmd fp32"]["gflops_nominal"] / result["limit_fp32"]}
    for limit, work, isa in (("bf16", "dot", "avx512-bf16"), ("bf16_tiles", "amx", "avx512-amx")):
        if ours.ready[work] == "1":
            result["limit_" + limit] = LIMIT_OPERATIONS / t[work] / 1e9
            if ours.ready["isa"] == isa:  # else its products are others
                share[limit] = rows["ebmd bf16"]["gflops_nominal"] / result["limit_" + limit]
    result["of_limit"] = share
    for work in ("first", "params", "pack", "norms", "figures"):
        result[work + "_ms"] = 1000 * t[work]
    k = args.step_k
    result["k"] = k
    result["figures_share"] = (k * t["norms"] + t["figures"]) / (k * chain + t["params"])
    print("  of the processor's limit, nominal: " +
          ", ".join(f"{p} {v:.2f} of {result['limit_' + p]:.0f} GFLOP/s" for p, v in share.items()))
    print(f"  first layer's input gradient {result['first_ms']:.3f} ms, parameter gradients "
          f"{result['params_ms']:.1f} ms, packing {result['pack_ms']:.2f} ms, stability figures "
          f"{result['figures_ms']:.3f} ms and {result['norms_ms']:.3f} ms a Langevin step "
          f"({100 * result['figures_share']:.2f} % of chain and gradient with K = {k})")


def measure(args, net, threads):
    print(f"\nchain: {net.name} ({net.shape}), {threads} thread{'s' * (threads > 1)}, batch "
          f"{args.batch}, {args.steps} steps", flush=True)
    found = start_ours(args, net, threads)
    ours = found[0]
    found += start_peers(args, net, threads, "chain", args.steps)

    def more(c):
        for work in WORKS if c is ours and threads == 1 else ():
            if not c.run(work):
                raise SystemExit(f"bench_chain died at '{work}': see {c.log}")

    take_turns(found, "chain", args.rounds, more)
    rows = rows_of(found, "chain", args.steps,
                   float(ours.ready["flop"]) * args.batch * args.steps)
    result = {"net": net.name, "shape": net.shape, "layers": net.layers, "threads": threads,
              "batch": args.batch, "steps": args.steps, "params": int(ours.ready["params"]),
              "isa": ours.ready["isa"], "engine_bytes": int(ours.ready["engine_bytes"]),
              "rows": rows}
    add_ratios(result)
    if threads == 1:
        add_limits(args, result, ours, rows)
    for c in found:
        c.close()
    return result


def run(args, nets, report):
    for net in nets:
        for threads in args.threads:
            report.add("chain", measure(args, net, threads))
