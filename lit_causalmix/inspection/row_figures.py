"""Pictures that compare real and synthetic rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.metrics.quality import ClosestRecords, PairTrends
from lit_causalmix.pages.drawing import (
    REAL,
    SYNTHETIC,
    TARGET,
    heat_map,
    labels,
    new_figure,
    png,
    square_side,
)
from lit_causalmix.tables.schema import Column, Schema

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS = 120
"""Columns whose distributions are drawn."""

_ACROSS = 5
_MOST_BARS = 8
_BINS = 20

Floats = NDArray[np.float64]


def drawn_columns(shapes: Floats) -> list[int]:
    """Columns to draw, in their order: of many the worst ones and the target."""
    if len(shapes) <= MOST_COLUMNS:
        return list(range(len(shapes)))
    order = np.argsort(np.nan_to_num(shapes[:-1], nan=1.0), kind="stable")
    return [*sorted(order[: MOST_COLUMNS - 1].tolist()), len(shapes) - 1]


def marginals(schema: Schema, real: Floats, synthetic: Floats, shapes: Floats) -> bytes:
    """Draws the distribution of every column as small multiples.

    Args:
        schema: Columns of both matrices.
        real: Coded rows, float64 (n, C + 1).
        synthetic: Coded rows, float64 (m, C + 1).
        shapes: float64 (C + 1,), score of each column, written above it.
    """
    kept = drawn_columns(shapes)
    names = labels([column.name for column in schema.columns], 20)
    rows = -(-len(kept) // _ACROSS)
    figure = new_figure(12.5, 0.5 + 1.75 * rows)
    for place, j in enumerate(kept):
        axes = figure.add_subplot(rows, _ACROSS, place + 1)
        column = schema.columns[j]
        draw = _histogram if column.is_numerical else _bars
        draw(axes, column, real[:, j], synthetic[:, j])
        _describe(axes, f"{names[j]}  {shapes[j]:.2f}", real[:, j], synthetic[:, j])
        axes.title.set_color(TARGET if j == len(shapes) - 1 else "black")
    handles, legend = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, legend, loc="outside upper right", ncols=2, fontsize=9, frameon=False)
    return png(figure)


def _describe(axes: Axes, title: str, real: Floats, synthetic: Floats) -> None:
    gaps = [float(np.isnan(part).mean()) for part in (real, synthetic)]
    axes.set_title(title, fontsize=8.5)
    if max(gaps) >= 0.005:
        axes.set_xlabel(f"missing {gaps[0]:.0%} / {gaps[1]:.0%}", fontsize=7)
    axes.tick_params(labelsize=7, length=2)
    axes.spines[["top", "right"]].set_visible(False)


def _histogram(axes: Axes, column: Column, real: Floats, synthetic: Floats) -> None:
    parts = [part[~np.isnan(part)] for part in (real, synthetic)]
    together = np.concatenate(parts)
    edges = _edges(column, together) if len(together) else np.array([0.0, 1.0])
    for part, colour, name, filled in (
        (parts[0], REAL, "held-out real rows", True),
        (parts[1], SYNTHETIC, "synthetic rows", False),
    ):
        # What lies beyond the picture is counted at its ends.
        counts = np.histogram(np.clip(part, edges[0], edges[-1]), edges)[0] / max(1, len(part))
        axes.stairs(counts, edges, fill=filled, color=colour, label=name, linewidth=1.3)
    if column.date_format:
        _date_axis(axes)
    else:
        axes.locator_params(axis="x", nbins=4)
    axes.set_yticks([])


def _date_axis(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=2, maxticks=4)  # type: ignore[no-untyped-call]
    axes.xaxis_date()
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.xaxis.get_offset_text().set_fontsize(7)  # what all ticks share: the year, say


def _edges(column: Column, values: Floats) -> Floats:
    low, high = (float(v) for v in np.quantile(values, [0.0, 1.0]))
    inner_low, inner_high = (float(v) for v in np.quantile(values, [0.01, 0.99]))
    if inner_high > inner_low:  # a few far values must not press all others into one bar
        reach = 2 * (inner_high - inner_low)
        low, high = max(low, inner_low - reach), min(high, inner_high + reach)
    if column.integer and high - low < 2 * _BINS:
        return np.arange(np.floor(low), np.ceil(high) + 2) - 0.5
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)


def _bars(axes: Axes, column: Column, real: Floats, synthetic: Floats) -> None:
    size = max(1, len(column.categories))
    shares = []
    for part in (real, synthetic):
        codes = part[~np.isnan(part)].astype(np.int64)
        shares.append(np.bincount(codes, minlength=size) / max(1, len(codes)))
    order = np.argsort(-shares[0], kind="stable")
    shown = np.sort(order[:_MOST_BARS]) if size > _MOST_BARS else np.arange(size)
    names = labels([column.categories[k] for k in shown], 15)
    heights = [share[shown] for share in shares]
    if size > _MOST_BARS:
        names.append(f"{size - _MOST_BARS} more")
        heights = [np.append(h, 1 - h.sum()) for h in heights]
    at = np.arange(len(names))
    axes.barh(at - 0.2, heights[0], 0.4, color=REAL, label="held-out real rows")
    axes.barh(at + 0.2, heights[1], 0.4, color=SYNTHETIC, label="synthetic rows")
    axes.set_yticks(at, names)
    axes.invert_yaxis()
    axes.set_xticks([])


def trend_maps(names: Sequence[str], trends: PairTrends) -> bytes:
    """Draws the strength of association of all pairs, real and synthetic side by side."""
    d = len(names)
    named = d <= 30
    figure = new_figure(12.5, 6.2 if named else 5.6)
    for place, (title, matrix) in enumerate(
        (("held-out real rows", trends.real), ("synthetic rows", trends.synthetic))
    ):
        axes = figure.add_subplot(1, 2, place + 1)
        image = heat_map(axes, matrix, labels(names), cmap="viridis", low=0, high=1, named=named)
        axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=figure.axes, shrink=0.7, label="strength of association")
    return png(figure)


def trend_difference(names: Sequence[str], trends: PairTrends) -> bytes:
    """Draws the difference of the two, synthetic minus real."""
    side = square_side(min(len(names), MOST_COLUMNS))
    figure = new_figure(side + 0.8, side)
    axes = figure.add_subplot()
    difference = trends.synthetic - trends.real
    most = max(0.3, float(np.nanmax(np.abs(difference), initial=0.0)))
    named = len(names) <= MOST_COLUMNS
    image = heat_map(
        axes, difference, labels(names), cmap="RdBu_r", low=-most, high=most, named=named
    )
    figure.colorbar(image, ax=axes, shrink=0.7, label="synthetic − real")
    return png(figure)


def distance_histogram(records: ClosestRecords) -> bytes:
    """Draws the distances to the closest training row, of synthetic and of held-out rows."""
    figure = new_figure(7.5, 3.2)
    axes = figure.add_subplot()
    high = max(float(records.to_train.max()), float(records.held_out_to_train.max()), 1e-9)
    edges = np.linspace(0, high, 31)
    for part, colour, name, filled in (
        (records.held_out_to_train, REAL, "held-out real rows", True),
        (records.to_train, SYNTHETIC, "synthetic rows", False),
    ):
        counts = np.histogram(part, edges)[0] / len(part)
        axes.stairs(counts, edges, fill=filled, color=colour, label=name, linewidth=1.5)
    axes.set_xlabel("distance to the closest training row (0 equal, 1 different in every column)")
    axes.set_ylabel("share of rows")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return png(figure)
