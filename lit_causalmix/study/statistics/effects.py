"""Paired differences of a method and a reference, on the same table with the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.statistics.aggregate import scores_by_table
from lit_causalmix.study.statistics.bootstrap import Bootstrap, Estimate, Floats
from lit_causalmix.study.statistics.means import (
    EQUIVALENT,
    detectable_effect,
    equivalence_p,
    student_interval,
)
from lit_causalmix.study.statistics.records import tidy


@dataclass(frozen=True)
class Effects:
    """What a change did, run by run.

    Attributes:
        frame: Columns table, domain, seed and effect (float64), above 0 where the change helped.
        label: What the effect is, for titles.
        notes: What was left out, each in a sentence.
    """

    frame: pd.DataFrame
    label: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PairedSummary:
    """Effects per table and over tables.

    Attributes:
        tables: One row per table, best first: table, domain, n_seeds, mean, low, high. The interval
            is Student's over the seeds, NaN with one seed.
        mean: Mean over tables of the mean over seeds, with Student's interval.
        median: Median over tables, likewise, with a bootstrap interval.
        p: Wilcoxon signed-rank test over the tables' means, two-sided.
        equivalence_p: Two one-sided tests that the mean lies within ±`EQUIVALENT`.
        detectable: The mean that these tables would have shown with a power of 80 %.
        wins: Tables whose mean is above 0.
        ties: Tables whose mean is 0.
        losses: Tables whose mean is below 0.
        label: What the effect is.
        notes: What was left out, and what the numbers cannot tell.
    """

    tables: pd.DataFrame
    mean: Estimate
    median: Estimate
    p: float
    equivalence_p: float
    detectable: float
    wins: int
    ties: int
    losses: int
    label: str
    notes: tuple[str, ...]


def paired_effects(
    records: pd.DataFrame,
    score: str,
    method: str,
    reference: str,
    *,
    match: Sequence[str] = ("seed",),
) -> Effects:
    """Score of a method minus score of a reference, on the same table, seed and so on.

    Args:
        records: See `records.tidy`; methods are told apart by the column "method".
        score: Column of a score where more is better, such as a normalised one.
        method: Value of "method".
        reference: Value of "method", for example that of default fine-tuning.
        match: Columns beside the table in which a pair agrees; "seed" is among them.

    Raises:
        ConfigurationError: See `records.tidy`; if a method has no run, or no pair is complete.
    """
    known = list(dict.fromkeys(records["method"])) if "method" in records.columns else []
    for name in (method, reference):
        if known and name not in known:
            raise ConfigurationError(
                f"no run has the method {name!r}: there are {', '.join(map(repr, known))}"
            )
    extra = [name for name in match if name != "seed"]
    chosen = records[records["method"].isin([method, reference])] if known else records
    data = tidy(chosen, score, ["method", *extra])
    keys = ["table", "domain", "seed", *extra]
    wide = data.frame.pivot(index=keys, columns="method", values="score")
    wide = wide.reindex(columns=[method, reference])
    paired = wide.dropna()
    if paired.empty:
        raise ConfigurationError(
            f"no run of {method!r} has a partner of {reference!r} with the same table, "
            f"{', '.join(match)}"
        )
    notes = list(data.notes)
    if len(paired) < len(wide):
        lost = sorted({str(index[0]) for index in wide.index.difference(paired.index)})
        notes.append(
            f"{len(wide) - len(paired)} of {len(wide)} pairs lack a run and are left out: "
            f"{', '.join(lost)}"
        )
    frame = (paired[method] - paired[reference]).rename("effect").reset_index()
    return Effects(frame, f"{method} minus {reference}", tuple(notes))


def summarise(
    effects: Effects,
    bootstrap: Bootstrap = Bootstrap(),  # noqa: B008  # frozen
) -> PairedSummary:
    """Effects per table and over tables, with intervals and a test.

    Args:
        effects: Of `paired_effects`, or any other effect per table and seed.
        bootstrap: How the interval of the median is made; its level goes for all intervals.
    """
    names, domains = zip(
        *effects.frame.drop_duplicates("table")
        .sort_values("table")[["table", "domain"]]
        .to_numpy(),
        strict=True,
    )
    values = scores_by_table(effects.frame, "effect")
    intervals = [student_interval(v, bootstrap.level) for v in values]
    tables = pd.DataFrame(
        {
            "table": names,
            "domain": domains,
            "n_seeds": [len(v) for v in values],
            "mean": [i.value for i in intervals],
            "low": [i.low for i in intervals],
            "high": [i.high for i in intervals],
        }
    )
    means = tables["mean"].to_numpy()
    notes = list(effects.notes)
    if len(means) < 6:
        notes.append(
            f"with {len(means)} tables the signed-rank test cannot reach p < 0.05, whatever the "
            "scores"
        )
    return PairedSummary(
        tables.sort_values(["mean", "table"], ascending=[False, True], ignore_index=True),
        mean=student_interval(means, bootstrap.level),
        median=bootstrap.estimate(values, lambda m: np.asarray(np.median(m, axis=-1))),
        p=signed_rank_p(means),
        equivalence_p=equivalence_p(means, EQUIVALENT),
        detectable=detectable_effect(means, bootstrap.level),
        wins=int((means > 0).sum()),
        ties=int((means == 0).sum()),
        losses=int((means < 0).sum()),
        label=effects.label,
        notes=tuple(notes),
    )


def signed_rank_p(differences: Floats) -> float:
    """Two-sided p of the Wilcoxon signed-rank test, exact wherever differences tie.

    Zeros, as of two runs that both end at zero-shot, have the lowest ranks and count half for each
    side (`zsplit`) [our choice]. They say nothing about the direction, so they hardly move p: how
    often nothing happened is told by the number of ties.

    Example:
        >>> signed_rank_p(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
        0.0625
    """
    from scipy.stats import rankdata, wilcoxon

    if not differences.any():
        return 1.0
    sizes = np.abs(differences)
    tied = len(np.unique(sizes)) < len(sizes) or 0.0 in sizes
    if tied:
        return _tied_signed_rank_p(differences, rankdata(sizes))
    return float(wilcoxon(differences, zero_method="zsplit").pvalue)


def _tied_signed_rank_p(differences: Floats, ranks: Floats) -> float:
    """The exact p with ties or zeros, at any number of differences.

    scipy goes through all 2^n signs up to 13 differences and takes a normal distribution beyond,
    whose p is several times too large where most are zeros. The distribution of the sum of ranks is
    a convolution, as each difference adds its rank or none. A zero adds half its rank either way,
    which shifts all sums alike.

    Args:
        differences: float64 (n,).
        ranks: Of their sizes, float64 (n,), multiples of 1/2.
    """
    doubled = np.rint(2 * ranks[differences != 0]).astype(int)
    chance = np.zeros(doubled.sum() + 1)
    chance[0] = 1.0
    for rank in doubled:
        chance[rank:] += chance[:-rank].copy()
        chance /= 2
    above = int(doubled[differences[differences != 0] > 0].sum())
    tail = min(chance[: above + 1].sum(), chance[above:].sum())
    return float(min(1.0, 2 * tail))
