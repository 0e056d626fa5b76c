"""Figures of the statistics: pure functions from a result to a matplotlib figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lit_causalmix.pages.drawing import labels, new_figure
from lit_causalmix.study.statistics.aggregate import OVERALL
from lit_causalmix.study.statistics.effects import PairedSummary
from lit_causalmix.study.statistics.posthocs import draw_critical_differences
from lit_causalmix.study.statistics.ranks import Ranking
from lit_causalmix.study.statistics.scaling import ScalingCurve
from lit_causalmix.study.statistics.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BETTER, WORSE, NEITHER, TEXT = "#2f6fde", "#c2410c", "#6b7280", "#1f2937"
_LINES = (BETTER, "#c2410c", "#15803d", "#7c3aed", "#b45309", "#0e7490", "#be185d", "#334155")
_DASHES = ("-", "--", ":")
_PANELS_ACROSS = 3
_CUT = 2.5  # a domain of two tables has an interval that would dwarf all others
_POST_HOCS = {"nemenyi": "Nemenyi", "wilcoxon-holm": "Wilcoxon–Holm"}


def critical_difference_figure(ranking: Ranking) -> Figure:
    """Methods on the axis of average ranks, best on the left; bars join those not told apart."""
    names = dict(zip(ranking.ranks.index, labels(list(ranking.ranks.index), 32), strict=True))
    figure = new_figure(8.0, 1.5 + 0.3 * math.ceil(len(names) / 2))
    axes = figure.add_subplot()
    span = float(ranking.ranks.max() - ranking.ranks.min())
    draw_critical_differences(
        axes,
        ranking.ranks.rename(names),
        ranking.pairwise_p.rename(index=names, columns=names),
        ranking.alpha,
        text_h_margin=0.04 * span if span else 0.04,
        label_props={"fontsize": 9},
        elbow_props={"color": TEXT, "linewidth": 1},
        marker_props={"s": 18},
        crossbar_props={"color": BETTER, "linewidth": 3},
    )
    low, high = math.floor(ranking.ranks.min()), math.ceil(ranking.ranks.max())
    axes.set_xticks(range(low, max(high, low + 1) + 1))
    test = f"{_POST_HOCS[ranking.post_hoc]}, α = {ranking.alpha:g}"
    if math.isfinite(ranking.critical_difference):
        test += f", critical difference {ranking.critical_difference:.2f}"
    friedman = "" if math.isnan(ranking.friedman_p) else f"; Friedman {_p(ranking.friedman_p)}"
    axes.set_title(
        f"Average rank over {len(ranking.table_ranks)} tables{friedman}\n"
        f"bars join methods that do not differ ({test})",
        fontsize=10,
    )
    return figure


def win_loss_figure(summary: PairedSummary) -> Figure:
    """The effect on each table, best on top, with its interval over seeds."""
    tables = summary.tables
    figure = new_figure(7.0, 1.5 + 0.23 * len(tables))
    axes = figure.add_subplot()
    colours = [BETTER if m > 0 else WORSE if m < 0 else NEITHER for m in tables["mean"]]
    _intervals(axes, labels(list(tables["table"])), tables, colours)
    axes.set_xlabel(summary.label)
    mean = summary.mean
    interval = "" if math.isnan(mean.low) else f" [{mean.low:+.3g}, {mean.high:+.3g}]"
    axes.set_title(
        f"{summary.wins} better, {summary.ties} equal, {summary.losses} worse\n"
        f"mean {mean.value:+.3g}{interval}; signed ranks {_p(summary.p)}",
        fontsize=10,
    )
    return figure


def verdict_figure(verdict: Verdict) -> Figure:
    """The mean effect over all tables and in each domain, with the intervals that decide.

    Intervals of domains with few tables are cut where they would dwarf the others.
    """
    overall = verdict.overall
    first = pd.DataFrame({"mean": [overall.value], "low": [overall.low], "high": [overall.high]})
    rows = pd.concat([first, verdict.domains[["mean", "low", "high"]]], ignore_index=True)
    names = [
        f"{label} ({n})"
        for label, n in zip(
            labels([OVERALL, *verdict.domains["domain"]]),
            [verdict.domains["n_tables"].sum(), *verdict.domains["n_tables"]],
            strict=True,
        )
    ]
    colour = {"gain": BETTER, "harm": WORSE, "open": NEITHER}
    figure = new_figure(7.0, 1.5 + 0.28 * len(rows))
    axes = figure.add_subplot()
    _intervals(axes, names, rows, ["black", *verdict.domains["shows"].map(colour)])
    if verdict.margin:
        axes.axvspan(-verdict.margin, verdict.margin, color="#e5e7eb", zorder=0)
    reach = _CUT * max(rows["mean"].abs().max(), abs(overall.low), abs(overall.high))
    if rows[["low", "high"]].abs().max(axis=None) > reach > 0:
        axes.set_xlim(-reach, reach)
    axes.set_xlabel(verdict.label)
    differ = verdict.heterogeneity_p
    tail = "" if math.isnan(differ) else f"; domains differ with {_p(differ)}"
    axes.set_title(f"{verdict.word}{tail}", fontsize=10)
    return figure


def scaling_figure(curve: ScalingCurve) -> Figure:
    """One panel per domain: the mean over tables against the amount, with its interval."""
    by = [c for c in curve.frame.columns if c not in _CURVE_COLUMNS]
    domains = list(dict.fromkeys(curve.frame["domain"]))
    domains = domains[1:] if len(domains) == 2 else domains  # one domain is all there is
    across = min(len(domains), _PANELS_ACROSS)
    down = math.ceil(len(domains) / across)
    figure = new_figure(1.2 + 3.2 * across, 0.9 + 2.6 * down)
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    amounts = sorted(set(curve.frame["amount"]))
    place = dict(zip(amounts, _positions(amounts, curve.amount == "size"), strict=True))
    lines = [_name(key) for key, _ in curve.frame.groupby(by, dropna=False, sort=True)]
    for panel, domain in zip(panels, domains, strict=False):
        part = curve.frame[curve.frame["domain"] == domain]
        panel.axhline(0, color=NEITHER, linewidth=0.8)
        for key, line in part.groupby(by, dropna=False, sort=True):
            k = lines.index(_name(key))  # a method keeps its colour where a domain lacks another
            colour, dashes = _LINES[k % len(_LINES)], _DASHES[k // len(_LINES) % len(_DASHES)]
            x = line["amount"].map(place).to_numpy()
            panel.plot(x, line["mean"], dashes, color=colour, marker="o", ms=3.5, label=lines[k])
            panel.fill_between(x, line["low"], line["high"], color=colour, alpha=0.15, linewidth=0)
        counts = sorted(set(part["n_tables"]))
        panel.set_title(
            f"{labels([domain])[0]} ({'–'.join(map(str, counts[:: max(len(counts) - 1, 1)]))})",
            fontsize=10,
        )
        panel.set_xticks(list(place.values()), [_amount(a) for a in amounts])
        panel.tick_params(labelbottom=True)
    for panel in panels[len(domains) :]:
        panel.set_visible(False)
    figure.supxlabel(_AXES[curve.amount], fontsize=10)
    figure.supylabel(curve.score, fontsize=10)
    handles, names = panels[0].get_legend_handles_labels()
    if len(names) > 1:
        figure.legend(handles, names, loc="outside upper center", ncols=4, fontsize=9)
    return figure


_CURVE_COLUMNS = ("domain", "amount", "n_tables", "mean", "low", "high")
_AXES = {
    "size": "synthetic rows in multiples of the training rows",
    "ratio": "share of synthetic rows",
    "epsilon": "step of the attack, in standard deviations",
}


def _name(key: tuple[object, ...]) -> str:
    return ", ".join(str(value) for value in key)


def _positions(amounts: Sequence[float], doubling: bool) -> list[float]:
    """Where amounts stand on the axis; fresh rows one step beyond the largest size."""
    finite = [math.log2(1 + a) if doubling else a for a in amounts if math.isfinite(a)]
    beyond = max(finite) + max((max(finite) - min(finite)) / 5, 0.5) if finite else 0.0
    return [*finite, *([beyond] * (len(amounts) - len(finite)))]


def _amount(amount: float) -> str:
    return f"{amount:g}" if math.isfinite(amount) else "fresh"


def _intervals(
    axes: Axes, names: Sequence[str], rows: pd.DataFrame, colours: Sequence[str]
) -> None:
    """Draws mean, low and high of each row from top to bottom."""
    height = np.arange(len(rows))[::-1]
    axes.axvline(0, color=NEITHER, linewidth=0.8, zorder=1)
    axes.hlines(height, rows["low"], rows["high"], colors=list(colours), linewidth=1.6, zorder=2)
    axes.scatter(rows["mean"], height, c=list(colours), s=20, zorder=3)
    axes.set_yticks(height, names, fontsize=9)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"
