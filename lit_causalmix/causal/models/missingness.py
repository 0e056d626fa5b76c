"""Which cells are missing, given the values: gaps that depend on what stands beside them.

Columns that are missing in the same rows form one group. The groups are taken one after another;
each depends on the values of the other columns and on which earlier groups are missing (the chain
rule), so that both the values behind a gap and gaps that come together are kept [our choice].
What is missing because of its own unseen value cannot be learned from the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.models.families import FAMILIES, choose_family
from lit_causalmix.causal.sampler.scores import LinearScores, Scores
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.schema import Column

LEVEL = 0.01
"""Largest p-value at which a column says something about a gap [our choice]."""

MAX_CAUSES = 10
"""Most columns that a gap depends on [our choice]."""

MIN_CELLS = 10
"""Fewer missing, or fewer known, cells than this say nothing about what they depend on."""

MAX_CATEGORIES = 32
"""Columns with more categories are no cause of a gap."""


@dataclass(frozen=True, eq=False)
class Gap:
    """When a group of columns is missing.

    Attributes:
        columns: int64, the columns, all missing in the same rows.
        scores: The logit of being missing, from the coded row (C + 1) followed by one indicator
            per group.
        shift: Added to the logit, so that synthetic rows have the rate of the real ones.
    """

    columns: NDArray[np.int64]
    scores: Scores
    shift: float = 0.0


def fit_gaps(
    values: NDArray[np.float64],
    missing: NDArray[np.bool_],
    columns: Sequence[Column],
    nodes: Sequence[int],
    *,
    seed: int,
) -> tuple[Gap, ...]:
    """Learns when cells are missing.

    Args:
        values: Coded, the missing cells filled with anything, float64 (n, C + 1).
        missing: bool (n, C + 1).
        columns: The C + 1 columns.
        nodes: Columns that gaps may depend on; the others are functions of them.
        seed: Source of the fillings and folds.
    """
    groups: dict[bytes, list[int]] = {}
    for j in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)).tolist():
        groups.setdefault(missing[:, j].tobytes(), []).append(j)
    members = list(groups.values())
    indicators = [missing[:, m[0]].astype(np.float64) for m in members]
    rows = np.column_stack([_refilled(values, missing, seed), *indicators])
    sizes = [0 if c.is_numerical else len(c.categories) for c in columns] + [2] * len(members)
    found = []
    for g, own in enumerate(members):
        others = [j for j in nodes if j not in own and sizes[j] <= MAX_CATEGORIES]
        candidates = [*others, *range(len(columns), len(columns) + g)]
        scores = _fit(rows, sizes, indicators[g], candidates, rng_for(seed, "gap", g))
        found.append(Gap(np.array(own, dtype=np.int64), scores))
    return tuple(found)


def calibrate(
    gaps: Sequence[Gap],
    values: NDArray[np.float64],
    missing: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[Gap, ...]:
    """Shifts the logits so that synthetic rows have the missing rate of the training rows.

    Args:
        gaps: As fitted.
        values: Complete synthetic rows, float64 (m, C + 1).
        missing: Missing cells of the training rows, bool (n, C + 1).
        rng: Source of the gaps that later groups depend on.
    """
    done: list[Gap] = []
    for gap in gaps:
        rate = float(missing[:, gap.columns[0]].mean())
        logits = gap.scores(_with_indicators(done, len(gaps), values, rng))[:, 0]
        low, high = -50.0, 50.0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if _share(logits + middle) < rate else (low, middle)
        done.append(replace(gap, shift=(low + high) / 2))
    return tuple(done)


def draw_gaps(
    gaps: Sequence[Gap], values: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Draws which cells of complete rows, float64 (n, C + 1), are missing, bool (n, C + 1)."""
    width = values.shape[1]
    rows = _with_indicators(gaps, len(gaps), values, rng)
    missing = np.zeros(values.shape, dtype=bool)
    for g, gap in enumerate(gaps):
        missing[:, gap.columns] = rows[:, width + g, None] > 0
    return missing


def _with_indicators(
    gaps: Sequence[Gap], total: int, values: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Appends one drawn indicator per group, and zeros for the groups that are not given."""
    n, width = values.shape
    rows = np.zeros((n, width + total), order="F")
    rows[:, :width] = values
    for g, gap in enumerate(gaps):
        logits = gap.scores(rows)[:, 0] + gap.shift
        rows[:, width + g] = rng.random(n) < _probability(logits)
    return rows


def _probability(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    chance: NDArray[np.float64] = 0.5 + 0.5 * np.tanh(0.5 * logits)
    return chance


def _share(logits: NDArray[np.float64]) -> float:
    return float(_probability(logits).mean())


def _refilled(
    values: NDArray[np.float64], missing: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """Fills gaps with random known cells of the column: a mean would give a gap away."""
    filled = values.copy()
    for j in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)).tolist():
        known = values[~missing[:, j], j]
        count = int(missing[:, j].sum())
        filled[missing[:, j], j] = rng_for(seed, "refill", j).choice(known, size=count)
    return filled


def _fit(
    rows: NDArray[np.float64],
    sizes: Sequence[int],
    missing: NDArray[np.float64],
    candidates: Sequence[int],
    rng: np.random.Generator,
) -> Scores:
    """Returns the logit of being missing; a constant where nothing says more."""
    causes = _causes(rows, sizes, missing, candidates)
    if not causes:
        rate = missing.mean()
        return LinearScores(
            np.array([np.log(rate / (1 - rate))]), np.empty(0, np.int64), np.empty((0, 1)), ()
        )
    cardinalities = [sizes[j] for j in causes]
    name = choose_family(rows[:, causes], missing, cardinalities, 2, rng)
    classifier = FAMILIES[name].classifier(cardinalities)
    classifier.fit(rows[:, causes], missing)
    return classifier.scores(causes)


def _causes(
    rows: NDArray[np.float64],
    sizes: Sequence[int],
    missing: NDArray[np.float64],
    candidates: Sequence[int],
) -> list[int]:
    """Returns the columns on which a gap depends, by a chi-squared test each, in order."""
    if min(missing.sum(), len(missing) - missing.sum()) < MIN_CELLS:
        return []
    p_values = {j: _p_value(rows[:, j], sizes[j], missing) for j in candidates}
    clear = [j for j in candidates if p_values[j] < LEVEL]
    return sorted(sorted(clear, key=lambda j: p_values[j])[:MAX_CAUSES])


def _p_value(column: NDArray[np.float64], size: int, missing: NDArray[np.float64]) -> float:
    """Tests whether a column, cut at its quartiles where it is numerical, goes with a gap."""
    from scipy.stats import chi2

    cuts = np.unique(np.quantile(column, [0.25, 0.5, 0.75]))
    bins = np.searchsorted(cuts, column).astype(np.float64) if size == 0 else column
    _, cell = np.unique(bins, return_inverse=True)
    counts = np.zeros((int(cell.max()) + 1, 2))
    np.add.at(counts, (cell, missing.astype(np.intp)), 1.0)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return float(chi2.sf(statistic, max(len(counts) - 1, 1)))
