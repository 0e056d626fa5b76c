"""Average ranks of methods over tables, and which of them differ.

Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006): Friedman's
test over tables, then Nemenyi's test of all pairs; or Wilcoxon signed-rank tests of all pairs with
Holm's correction (Benavoli et al., JMLR 17 (2016), who show that Nemenyi's answer for two methods
depends on the others).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.statistics.aggregate import table_means
from lit_causalmix.study.statistics.effects import signed_rank_p
from lit_causalmix.study.statistics.posthocs import holm, nemenyi
from lit_causalmix.study.statistics.records import complete, tidy

PostHoc = Literal["nemenyi", "wilcoxon-holm"]


@dataclass(frozen=True)
class Ranking:
    """Methods by average rank.

    Attributes:
        ranks: Average rank of each method over the tables, 1 is best; best first.
        table_ranks: Rank of each method (columns) on each table (index); ties share their mean.
        friedman: Friedman's chi-square statistic; NaN with fewer than three methods.
        friedman_p: Its p: the methods do not differ.
        pairwise_p: p of each pair of methods, symmetric, 1 on the diagonal.
        critical_difference: Average ranks that differ by more differ by Nemenyi's test; NaN for the
            other test.
        post_hoc: The test of the pairs.
        alpha: Level of the tests.
        notes: What was left out or could not be computed.
    """

    ranks: pd.Series[float]
    table_ranks: pd.DataFrame
    friedman: float
    friedman_p: float
    pairwise_p: pd.DataFrame
    critical_difference: float
    post_hoc: PostHoc
    alpha: float
    notes: tuple[str, ...]


def rank_methods(
    records: pd.DataFrame,
    score: str,
    *,
    by: str = "method",
    post_hoc: PostHoc = "wilcoxon-holm",
    sign: int = 1,
    alpha: float = 0.05,
) -> Ranking:
    """Ranks methods on each table by their mean over seeds, and tests whether they differ.

    Only tables and seeds that every method has are used; the notes say which are dropped. With two
    methods there is one pair, tested by Wilcoxon's signed ranks whatever `post_hoc` says.

    Args:
        records: See `records.tidy`.
        score: Column of the score.
        by: Column whose values are ranked.
        post_hoc: The test of the pairs.
        sign: +1 where more is better, −1 where less is better.
        alpha: Level of the tests.

    Raises:
        ConfigurationError: See `records.tidy`; with fewer than two methods or complete tables.
    """
    data = complete(tidy(records, score, [by]), [by])
    means = table_means(data.frame, "score", [by]).unstack(by)
    means.columns = pd.Index([str(name) for name in means.columns])
    n_tables, n_methods = means.shape
    if n_methods < 2 or n_tables < 2:
        raise ConfigurationError(
            "ranks need two or more methods on two or more tables that all of them have, got "
            f"{n_methods} and {n_tables}"
        )
    notes = list(data.notes)
    table_ranks = (-sign * means).rank(axis=1)
    statistic, p = math.nan, math.nan
    if n_methods < 3:
        post_hoc = "wilcoxon-holm"
        notes.append("Friedman's test needs three methods, there are 2: see the signed ranks")
    elif (table_ranks == table_ranks.iloc[0, 0]).all(axis=None):
        statistic, p = 0.0, 1.0
        notes.append("all methods tie on every table")
    else:
        statistic, p = _friedman(means)
    difference = math.nan
    if post_hoc == "nemenyi":
        pairwise = nemenyi(table_ranks)
        difference = _critical_difference(n_methods, n_tables, alpha)
    else:
        pairwise = _wilcoxon_holm(means)
    if post_hoc == "wilcoxon-holm" and n_tables < 6:
        notes.append(f"with {n_tables} tables a signed-rank test cannot reach p < 0.05")
    ranks = table_ranks.mean().sort_values(kind="stable")
    return Ranking(
        ranks,
        table_ranks,
        statistic,
        p,
        pairwise.loc[ranks.index, ranks.index],
        difference,
        post_hoc,
        alpha,
        tuple(notes),
    )


def _friedman(means: pd.DataFrame) -> tuple[float, float]:
    from scipy.stats import friedmanchisquare

    result = friedmanchisquare(*means.to_numpy().T)
    return float(result.statistic), float(result.pvalue)


def _critical_difference(n_methods: int, n_tables: int, alpha: float) -> float:
    """Demšar (2006), section 3.2.2: q sqrt(k (k + 1) / (6 N))."""
    from scipy.stats import studentized_range

    q = studentized_range.ppf(1 - alpha, n_methods, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(n_methods * (n_methods + 1) / (6 * n_tables)))


def _wilcoxon_holm(means: pd.DataFrame) -> pd.DataFrame:
    pairs = list(combinations(means.columns, 2))
    adjusted = holm([signed_rank_p((means[a] - means[b]).to_numpy()) for a, b in pairs])
    matrix = pd.DataFrame(1.0, index=means.columns, columns=means.columns)
    for (a, b), p in zip(pairs, adjusted, strict=True):
        matrix.loc[a, b] = matrix.loc[b, a] = p
    return matrix
