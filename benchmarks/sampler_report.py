"""Targets and the Markdown report of `sampler.py`."""

from __future__ import annotations

from typing import Any

PACKAGE = "lit-causalmix"
TARGETS = {("linear", 512): 30, ("linear", 5000): 4, ("boosting", 512): 5, ("boosting", 5000): 3}
BARE_TARGET = 3
SHARE_TARGETS = {"Nano 1": 0.05, "TabPFN v1": 0.01}


def verdicts(speeds: list[dict[str, Any]], steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each target with the worst figure over the tables."""
    found = []
    single = [c for c in speeds if c["graphs"] == 1]
    for (mechanism, rows), least in TARGETS.items():
        ratios = [ratio(c) for c in single if (c["mechanism"], c["rows"]) == (mechanism, rows)]
        if ratios:
            name = f"{mechanism}, {rows:,} rows: times faster than DoWhy, at least"
            worst = min(ratios)
            found.append({"name": name, "target": least, "worst": worst, "met": worst >= least})
    bare = [1 / ratio(c, "bare_torch") for c in single if "bare_torch" in c["seconds"]]
    name = "linear: time over that of a bare torch loop, at most"
    found.append(
        {"name": name, "target": BARE_TARGET, "worst": max(bare), "met": max(bare) <= BARE_TARGET}
    )
    for cell in steps:
        most, share = SHARE_TARGETS[cell["backbone"]], 1 / ratio(cell, "step", "draw")
        name = f"drawing an episode over a step of {cell['backbone']}, at most"
        found.append({"name": name, "target": most, "worst": share, "met": share <= most})
    return found


def ratio(cell: dict[str, Any], of: str = "dowhy", to: str = "ours") -> float:
    """How many times longer `of` takes than `to`."""
    return float(cell["seconds"][of] / cell["seconds"][to])


def markdown(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    others = {k: v for k, v in results["versions"].items() if k != PACKAGE}
    facts = ", ".join(f"{k} {v}" for k, v in others.items())
    lines = [
        "# The compiled sampler",
        "",
        f"Measured with {PACKAGE} {results['versions'][PACKAGE]} by `{results['command']}`; "
        f"{facts}; one thread; calls of "
        f"each kind in turns, {results['fewest']} or more of each, ratios of median CPU times. "
        "Absolute times are left to the JSON file.",
        "",
        "| target | asked | worst of the tables | met |",
        "|---|---:|---:|---|",
    ]
    for v in results["targets"]:
        met = "yes" if v["met"] else "**no**"
        lines.append(f"| {v['name']} | {v['target']:g} | {v['worst']:.3g} | {met} |")
    lines += [
        "",
        "Times faster than DoWhy. *Stock* is DoWhy with its own mechanisms at their defaults, "
        "*bare* a float32 torch loop over levels without support or categories (above 1: the "
        "compiled sampler is the faster one).",
        "",
        "| table | mechanism | graphs | rows | DoWhy | DoWhy, stock | bare torch |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for c in results["speed"]:
        rivals = ("dowhy", "dowhy_stock", "bare_torch")
        cells = [f"{ratio(c, o):.3g}" if o in c["seconds"] else "–" for o in rivals]
        head = (c["table"], c["mechanism"], c["graphs"], f"{c['rows']:,}")
        lines.append(f"| {' | '.join(map(str, (*head, *cells)))} |")
    lines += [
        "",
        "An episode of German credit at the datamodule's defaults, beside a training step "
        "(forward, backward, clipping, AdamW) on the CPU, without prefetching:",
        "",
        "| backbone | training rows | synthetic rows | drawing / step | whole episode / step |",
        "|---|---:|---:|---:|---:|",
    ]
    for c in results["episode"]:
        part = [f"{100 / ratio(c, 'step', what):.2f} %" for what in ("draw", "episode")]
        head = (c["backbone"], c["rows"], c["synthetic_rows"])
        lines.append(f"| {' | '.join(map(str, (*head, *part)))} |")
    return "\n".join(lines) + "\n"
