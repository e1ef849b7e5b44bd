"""stability.json as a picture and as tables for RESULTS.md.

usage: plot.py FOLDER-OF-RESULTS"""
import json
import os
import sys

COLOURS = {"none": "#999999", "reload": "#d08a2e", "ladder": "#2a7f62"}


def median(values):
    values = sorted(v for v in values if v is not None)
    return values[len(values) // 2] if values else None


def draw(report, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    runs = report["unstable"]["runs"]
    names = list(dict.fromkeys(r["spec"] for r in runs))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True)
    for k, policy in enumerate(COLOURS):
        mine = [[r for r in runs if r["spec"] == n and r["policy"] == policy] for n in names]
        done = [100 * sum(r["state"] == "succeeded" for r in rows) / len(rows) for rows in mine]
        left.barh([i + 0.27 * (1 - k) for i in range(len(names))], done, 0.25, label=policy,
                  color=COLOURS[policy])
        for i, rows in enumerate(mine):
            q = [max(r["distance"], 1e-3) for r in rows
                 if r["state"] == "succeeded" and r["distance"] is not None]
            right.plot(q, [i + 0.27 * (1 - k)] * len(q), "o", ms=4, color=COLOURS[policy], alpha=0.6)
    left.set_xlabel("runs that reach the end by themselves, %")
    left.set_yticks(range(len(names)), names)
    left.set_xlim(0, 100)
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    right.set_xscale("log")
    right.set_yticks(range(len(names)), [])
    right.set_xlabel("energy distance of their samples to the data")
    for what, style in (("data", ":"), ("noise", "--")):
        right.axvline(max(report["unstable"]["scale"][what], 1e-3), color="k", ls=style, lw=0.8)
        right.text(max(report["unstable"]["scale"][what], 1e-3), 1.01, what, fontsize=8,
                   ha="center", transform=right.get_xaxis_transform())
    figure.savefig(path, dpi=110)


def steps(n):
    return f"{n} step{'s' * (n != 1)}"


def lead(row, limit):
    if row["lead_" + limit] is not None:
        return steps(row["lead_" + limit])
    return "never reached" if row["beyond_" + limit] is None else "-"


def fault_row(r):
    seen = steps(r["steps_to_trip"]) if r["detected"] else \
        f"no trip ({r['largest_suspicion']:.2f} of a limit)"
    clean = {True: "clean", False: "**not clean**", None: "-"}[r["clean_target"]]
    return (f"| {r['run']} | {r['fault']} | {seen} | {r['onset_error'] if r['detected'] else '-'} | "
            f"{clean} | {r['slots_replaced']} | {r['largest_loss_unwatched']:.3g} | "
            f"{lead(r, '1e5')} | {lead(r, '1e8')} |")


def policy_row(runs, name, policies):
    cells = []
    for policy in policies:
        rows = [r for r in runs if (r["spec"], r["policy"]) == (name, policy)]
        done = [r for r in rows if r["state"] == "succeeded"]
        q = median(r["distance"] for r in done)
        doubts = sum(r["reason"] != "" for r in done)
        cells.append(f"{len(done)} of {len(rows)}" + (f", {q:.2f}" if q is not None else "") +
                     (f", {doubts} in doubt" if doubts > 0 else ""))
    backs = sum(r["rollbacks"] for r in rows) / len(rows)
    return f"| {name} | {' | '.join(cells)} | {backs:.1f} |"


def policy_table(part, policies, title):
    """Runs that end by themselves, and their quality, under each policy."""
    runs, names = part["runs"], dict.fromkeys(r["spec"] for r in part["runs"])
    seeds = len({r["seed"] for r in runs})
    return [f"{title}, {seeds} seeds each, {part['steps']:,} steps: runs that reach the end, and the "
            f"median energy distance of their samples to the data (data against data "
            f"{part['scale']['data']:.2f}, noise {part['scale']['noise']:.1f}):", "",
            f"| spec | {' | '.join(policies)} | rollbacks of \"{policies[-1]}\" |",
            "| --- " * (2 + len(policies)) + "|",
            *[policy_row(runs, name, policies) for name in names], ""]


def table(report):
    out = []
    if "healthy" in report:
        h = report["healthy"]
        out += [f"Healthy runs, {h['steps']:,} steps in all:", "",
                "| run | steps | end | warnings | skipped steps | nearest to a limit |",
                "| --- | --- | --- | --- | --- | --- |"]
        out += [f"| {r['run']} | {r['steps']:,} | {r['outcome']} | {r['warnings']} | {r['skips']} | "
                f"{r['largest_suspicion']:.2f} |" for r in h["runs"]]
        out.append("")
    if "faults" in report:
        out += ["Faults put into a healthy run at step 1500:", "",
                "| run | fault | seen after | onset off by | checkpoint chosen | slots replaced | "
                "unwatched, the loss reaches | lead over 1e5 | over 1e8 |",
                "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
        out += [fault_row(r) for r in report["faults"]]
        out.append("")
    if "unstable" in report:
        out += policy_table(report["unstable"], list(COLOURS), "Unstable specs")
    if "hygiene" in report:
        out += policy_table(report["hygiene"], ["off", "on"], "Hygiene of the buffer off and on")
    if "kills" in report:
        k = report["kills"]
        out += [f"{k['kills']} kills with -9, each within half a second of a recovery or of a "
                f"restart that came of a kill, in {k['runs']} runs with {k['recoveries']} "
                f"recoveries each: {k['same']} of {k['runs']} with the same recoveries and the "
                f"same last digest, {k['processes_left']} processes left.", ""]
    return "\n".join(out)


def main():
    folder = sys.argv[1]
    with open(os.path.join(folder, "stability.json")) as f:
        report = json.load(f)
    with open(os.path.join(folder, "stability.md"), "w") as f:
        f.write(table(report))
    if "unstable" in report:
        draw(report, os.path.join(folder, "stability.png"))
    print(table(report))


main()
