"""What the bench leaves: bench.json, a table in Markdown, and plots."""
import json
import os


class Report:
    """Written anew after each result, so that an end at any time loses none."""

    def __init__(self, folder, head):
        self.folder, self.head, self.parts = folder, head, {}

    def add(self, part, result):
        self.parts.setdefault(part, []).append(result)
        with open(os.path.join(self.folder, "bench.json"), "w") as f:
            json.dump({**self.head, **self.parts}, f, indent=1)
        with open(os.path.join(self.folder, "bench.md"), "w") as f:
            f.write(markdown(self.head, self.parts))
        plots(self.folder, self.parts)


# ---- Markdown ----


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def ratio(r, precision, short=""):
    peer = r.get(f"peer_{precision}{short}")
    return f"{r[f'ratio_{precision}{short}']:.2f} x ({peer})" if peer else ""


def timed(title, results, unit):
    """Candidates down, nets across, for each number of cores."""
    out = f"\n## {title}\n"
    for threads in sorted({r["threads"] for r in results}):
        these = [r for r in results if r["threads"] == threads]
        names = list(dict.fromkeys(n for r in these for n in r["rows"]))
        rows = [[n] + [cell(r["rows"].get(n)) for r in these] for n in names]
        rows += [[f"ebmd {p} against the best {'fp32 ' * (p == 'fp32')}peer{more}"] +
                 [ratio(r, p, short) for r in these]
                 for p in ("fp32", "bf16")
                 for short, more in (("", ""), ("_shortest", ", by the shortest times"))]
        out += f"\n{threads} core{'s' * (threads > 1)}, {unit}:\n\n"
        out += table(["candidate"] + [f"{r['net']} ({r['shape']})" for r in these], rows)
    return out


def cell(row):
    if row is None:
        return ""
    more = f", {row['outside_percent']:.2f} % outside" if "outside_percent" in row else ""
    return f"{row['ms']:.3g} (±{50 * row['spread']:.1f} %{more})"


def share_of(of_limit):
    """Of the bf16 products that the engine runs on; none where it rounds."""
    shares = [v for name, v in of_limit.items() if name != "fp32"]
    return f"{shares[0]:.2f}" if shares else "-"


def engine_table(results):
    results = [r for r in results if "of_limit" in r]
    if not results:
        return ""
    rows = [[r["net"], r["params"], f"{r['limit_fp32']:.0f}", f"{r.get('limit_bf16', 0):.0f}",
             f"{r.get('limit_bf16_tiles', 0):.0f}",
             f"{r['of_limit']['fp32']:.2f}", share_of(r["of_limit"]),
             f"{r['first_ms']:.3f}", f"{r['params_ms']:.1f}", f"{r['pack_ms']:.2f}",
             f"{r['figures_ms']:.3f} + K x {r['norms_ms']:.3f}",
             f"{100 * r['figures_share']:.2f} %"]
            for r in results]
    return ("\n## The engine on one core\n\nLimits in GFLOP/s, measured; shares (bf16: of the products that it runs on, if there are any) by nominal "
            "operations, of the whole chain; times in ms for the batch. The stability "
            "figures' sums of squares, a part of each update, are timed in a pass of their own; the "
            f"share is of chain and gradient with K = {results[0]['k']}.\n\n" +
            table(["net", "parameters", "limit fp32", "limit bf16", "limit bf16 tiles", "share fp32", "share bf16",
                   "first layer's input gradient", "parameter gradients", "packing",
                   "stability figures", "their share"], rows))


def scaling_table(results):
    rows = [[r["net"], r["precision"], r["batch"], r["k"], f"{r['ratio']:.2f} x",
             f"{r['outside_percent'][1]:.2f} %", f"{r['outside_percent'][2]:.2f} %"]
            for r in results]
    return "\n## From one rank to two\n\n" + table(
        ["net", "precision", "batch", "K", "ratio", "outside, 1 rank", "outside, 2 ranks"], rows)


def memory_table(results):
    rows = [[r["net"], r["ranks"], f"{r['mb_short_k']:.0f}", f"{r['mb_long_k']:.0f}",
             f"{r['mb_bound']:.0f}", f"{r['mb_peak']:.0f}",
             f"{r['mb_bound'] + r['mb_checkpoint']:.0f}"] for r in results]
    r = results[0]
    parts = "; ".join(f"{n} {mb:.1f}" for n, mb in r["parts_mb"].items())
    return (f"\n## Memory of a rank, MB\n\nResident while it trains; the peak holds the checkpoint "
            f"that rank 0 gathers. The bound of {r['net']}: an empty rank {r['mb_empty']:.0f}; "
            f"{parts}.\n\n" + table(["net", "ranks", f"K = {r['short_k']}", f"K = {r['long_k']}",
                                     "bound", "peak", "its bound"], rows))


def precision_table(results):
    rows = [[r["net"], r["data"], r["k"], r["steps"], len(r["curves"][p["a"]]),
             f"{p['a']} and {p['b']}", f"{100 * p['b_in_a']:.0f} %", f"{100 * p['a_in_b']:.0f} %",
             f"{100 * p['chance']:.0f} %", "yes" if p["agree"] else "no"]
            for r in results for p in r["pairs"]]
    return ("\n## The same curves: energy gap over training\n\nPoints at which the mean over the "
            "seeds of one lies in the range of the other's; and "
            "how many of all ways to part the curves in two part them as far.\n\n" +
            table(["net", "data", "K", "steps", "seeds", "compared", "second in first",
                   "first in second", "parted as far by chance", "agree"], rows))


def markdown(head, parts):
    text = (f"# Bench\n\n{head['date']}, {head['processor']}, {head['cores']} cores\n\n"
            f"    {head['command']}\n")
    if "chain" in parts:
        r = parts["chain"][0]
        text += timed(f"Langevin chain, batch {r['batch']}", parts["chain"], "ms a step (± half "
                      "the quartiles' distance)")
        text += engine_table(parts["chain"])
    if "step" in parts:
        r = parts["step"][0]
        text += timed(f"Training step, batch {r['batch']}, K = {r['k']}", parts["step"], "ms")
    for part, make in (("scaling", scaling_table), ("memory", memory_table),
                       ("precision", precision_table)):
        if part in parts:
            text += make(parts[part])
    return text


# ---- plots ----

COLOURS = {"ebmd": ("#b2182b", "#ef8a62"), "oneDNN": ("#fddbc7",),
           "torch": ("#053061", "#175290", "#2e79b6", "#6aaed3", "#a6cfe5", "#d8e9f3"),
           "jax": ("#1b7837", "#5aae61", "#a6dba0", "#d9f0d3"),
           "tensorflow": ("#8c510a", "#bf812d", "#dfc27d")}


def colour_of(name, names):
    family = name.split()[0]
    among = [n for n in names if n.split()[0] == family]
    return COLOURS[family][among.index(name) % len(COLOURS[family])]


def draw_bars(axes, title, results):
    names = list(dict.fromkeys(n for r in results for n in r["rows"]))
    width = 0.85 / len(names)
    for i, name in enumerate(names):
        at = [k for k, r in enumerate(results) if name in r["rows"]]
        bars = axes.bar([k - 0.425 + (i + 0.5) * width for k in at],
                        [results[k]["rows"][name]["ms"] for k in at], width,
                        label=name, color=colour_of(name, names))
        if name.startswith("ebmd"):
            precision = name.split()[1]
            texts = [f"{results[k]['ratio_' + precision]:.1f}x"
                     if "ratio_" + precision in results[k] else "" for k in at]
            axes.bar_label(bars, texts, fontsize=6, padding=1, rotation=90)
    axes.set_yscale("log")
    for axis in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        axis(lambda v, _: f"{v:g}" if f"{v:e}"[0] in "125" else "")
    axes.set_ylabel("ms")
    axes.set_xticks(range(len(results)), [f"{r['net']}\n{r['shape']}" for r in results])
    axes.set_title(title, fontsize=10)
    axes.grid(axis="y", which="both", alpha=0.3)
    axes.set_axisbelow(True)


def draw_times(pyplot, path, parts):
    panels = []
    for part, what in (("chain", "Langevin chain: a step of the batch"),
                       ("step", "Training step")):
        for threads in sorted({r["threads"] for r in parts.get(part, [])}):
            these = [r for r in parts[part] if r["threads"] == threads]
            more = f", K = {these[0]['k']}" if part == "step" else ""
            panels.append((f"{what}, {threads} core{'s' * (threads > 1)}, batch "
                           f"{these[0]['batch']}{more}", these))
    if not panels:
        return
    figure, grid = pyplot.subplots(len(panels), 1, figsize=(10, 3.4 * len(panels)),
                                   squeeze=False, layout="constrained")
    for axes, (title, results) in zip(grid[:, 0], panels):
        draw_bars(axes, title, results)
        axes.legend(fontsize=7, ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.suptitle("Labels: how many times as fast as the best peer (fp32: of the fp32 ones)",
                    fontsize=9)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def draw_precision(pyplot, path, result):
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for precision, colour in (("fp32", "#2166ac"), ("bf16", "#b2182b"),
                              ("first engine", "#4d9221")):
        curves = result["curves"][precision]
        at = [(i + 0.5) * result["steps"] / len(curves[0]) for i in range(len(curves[0]))]
        for curve in curves:
            axes.plot(at, curve, color=colour, alpha=0.3, linewidth=0.8)
        axes.plot(at, [sum(p) / len(p) for p in zip(*curves)], color=colour, linewidth=2,
                  label=f"{precision}, mean of {len(curves)} seeds")
    axes.set_xlabel("step")
    axes.set_ylabel("energy gap")
    axes.set_title(f"{result['net']}, K = {result['k']}: energy gap by precision and engine", fontsize=10)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def plots(folder, parts):
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    draw_times(pyplot, os.path.join(folder, "bench.png"), parts)
    if "precision" in parts:
        draw_precision(pyplot, os.path.join(folder, "precision.png"), parts["precision"][-1])
