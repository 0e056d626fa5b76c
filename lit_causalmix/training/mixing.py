"""How an episode is put together from real and synthetic rows.

Pure functions over row indices and counts; the datamodule applies them to matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError

Placement = Literal["context", "query", "both"]
"""Where synthetic rows may stand."""

Mode = Literal["replace", "add"]
"""Whether synthetic rows take the place of real ones or come on top of them."""

SyntheticClasses = Literal["drawn", "balanced"]
"""Class shares of synthetic rows: those that the generator gives them, or equal ones."""

EpisodeClasses = Literal["stratified", "balanced_query", "balanced"]
"""Class shares of an episode's real rows: the table's, or equal in the query or everywhere."""


@dataclass(frozen=True)
class MixtureCounts:
    """How many rows of each origin stand where in one episode."""

    real_context: int
    real_query: int
    synthetic_context: int
    synthetic_query: int

    @property
    def real(self) -> int:
        """Real rows of the episode."""
        return self.real_context + self.real_query

    @property
    def context(self) -> int:
        """Context rows of the episode."""
        return self.real_context + self.synthetic_context

    @property
    def query(self) -> int:
        """Query rows of the episode."""
        return self.real_query + self.synthetic_query

    @property
    def synthetic(self) -> int:
        """Synthetic rows of the episode."""
        return self.synthetic_context + self.synthetic_query


def mixture_counts(
    n_context: int,
    n_query: int,
    ratio: float,
    placement: Placement,
    mode: Mode = "replace",
) -> MixtureCounts:
    """Splits an episode's rows by origin.

    The paper does not say whether rows are added or replaced. By default synthetic rows take the
    place of real ones, so that an episode costs the same at every ratio [our choice].

    Args:
        n_context: Context rows of the episode; with "add" the real ones.
        n_query: Query rows of the episode; with "add" the real ones.
        ratio: Share of synthetic rows, 0 to 1, in each part where they may stand.
        placement: Where they may stand.
        mode: "replace" takes them for real rows, "add" puts them on top, so many that their share
            is the ratio.

    Raises:
        ConfigurationError: If the ratio lies outside [0, 1], or is 1 where rows are added.

    Example:
        >>> mixture_counts(80, 20, ratio=0.5, placement="query")
        MixtureCounts(real_context=80, real_query=10, synthetic_context=0, synthetic_query=10)
        >>> mixture_counts(80, 20, ratio=0.5, placement="both", mode="add")
        MixtureCounts(real_context=80, real_query=20, synthetic_context=80, synthetic_query=20)
    """
    if not 0.0 <= ratio <= 1.0:
        raise ConfigurationError(f"synthetic_ratio must lie in [0, 1], got {ratio}")
    if mode == "add" and ratio == 1.0:
        raise ConfigurationError(
            "synthetic_mode add puts rows on top of real ones, so that the ratio lies below 1, "
            "got 1: lower it, or set synthetic_mode to replace"
        )
    times = ratio if mode == "replace" else ratio / (1.0 - ratio)
    context = round(times * n_context) if placement != "query" else 0
    query = round(times * n_query) if placement != "context" else 0
    if mode == "add":
        return MixtureCounts(n_context, n_query, context, query)
    return MixtureCounts(n_context - context, n_query - query, context, query)


def episode_sizes(
    rows: int, *, query_fraction: float, max_query_rows: int, n_classes: int
) -> tuple[int, int]:
    """Splits the rows of an episode into context and query rows.

    Args:
        rows: Context and query rows together.
        query_fraction: Share of query rows, in (0, 1).
        max_query_rows: Most query rows.
        n_classes: Classes of the target; 0 for regression.

    Returns:
        Context rows and query rows.

    Raises:
        ConfigurationError: If the context cannot hold a row of each class.

    Example:
        >>> episode_sizes(100, query_fraction=0.2, max_query_rows=10, n_classes=2)
        (90, 10)
    """
    n_query = min(max_query_rows, max(1, round(query_fraction * rows)))
    n_context = rows - n_query
    smallest = max(1, n_classes)
    if n_context < smallest:
        raise ConfigurationError(
            f"an episode of {rows} rows leaves {n_context} for the context, which needs at "
            f"least {smallest} (one per class): raise episode_rows or lower query_fraction"
        )
    return n_context, n_query


def sizes_within(limit: int, sizes: tuple[int, int], *, query_fraction: float) -> tuple[int, int]:
    """Sizes of an episode whose context a backbone takes: these, or smaller ones of like shares.

    Args:
        limit: Most context rows.
        sizes: Context and query rows.
        query_fraction: Share of query rows, in (0, 1).

    Example:
        >>> sizes_within(80, (800, 200), query_fraction=0.2)
        (80, 20)
        >>> sizes_within(80, (60, 40), query_fraction=0.4)
        (60, 40)
    """
    n_context, n_query = sizes
    if n_context <= limit:
        return sizes
    return limit, min(n_query, max(1, round(limit * query_fraction / (1 - query_fraction))))


def stratified_order(
    labels: NDArray[np.int64] | None,
    n: int,
    rng: np.random.Generator,
    shares: NDArray[np.int64] | None = None,
) -> NDArray[np.intp]:
    """Returns a random order of rows whose every prefix has nearly the class shares of the whole.

    The first rows of the order hold one row of every class, so that no later cut loses a class.

    Args:
        labels: Class indices int64 (n,), or None for regression: a plain permutation.
        n: Number of rows.
        rng: Source of randomness.
        shares: Relative shares of the classes, int64 (K,) above 0, that a prefix has as long as
            there are rows of each; None takes their numbers in the whole.

    Example:
        >>> labels = np.array([0] * 8 + [1] * 2)
        >>> order = stratified_order(labels, 10, np.random.default_rng(0))
        >>> sorted(labels[order[:5]].tolist())  # a prefix has the shares of the whole
        [0, 0, 0, 0, 1]
        >>> order = stratified_order(labels, 10, np.random.default_rng(0), np.array([1, 1]))
        >>> sorted(labels[order[:5]].tolist())
        [0, 0, 0, 1, 1]
    """
    order = rng.permutation(n)
    if labels is None:
        return order
    shuffled = labels[order]
    rank = _ranks(shuffled)
    counts = np.bincount(shuffled) if shares is None else shares
    position = (rank + rng.random(n)) / counts[shuffled]
    position[rank == 0] -= 1.0
    return order[np.argsort(position, kind="stable")]


def _ranks(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows of its class stand before each row, int64 (n,)."""
    counts = np.bincount(labels)
    starts = np.cumsum(counts) - counts
    rank = np.empty(len(labels), dtype=np.int64)
    rank[np.argsort(labels, kind="stable")] = np.arange(len(labels)) - np.repeat(starts, counts)
    return rank


def pick_real_rows(
    labels: NDArray[np.int64] | None,
    n_rows: int,
    counts: MixtureCounts,
    rng: np.random.Generator,
    classes: EpisodeClasses = "stratified",
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Picks disjoint context and query rows, stratified by class or with classes balanced.

    When `counts.real` is less than `n_rows`, the other rows sit this episode out. Every class has
    a row in the context as long as the context has as many real rows as there are classes (with
    balanced classes, and as the query leaves it one).

    No row stands in an episode twice, so "balanced" is as far as the rows of a class go. A query
    with balanced classes takes half of the rows of a class at most, while there are others: the
    context needs examples of a rare class, too [our choice].

    Returns:
        Context indices (real_context,) and query indices (real_query,), without a common row.
    """
    if labels is not None and classes != "stratified":
        return _pick_balanced(labels, counts, rng, context=classes == "balanced")
    chosen = stratified_order(labels, n_rows, rng)[: counts.real]
    again = stratified_order(None if labels is None else labels[chosen], len(chosen), rng)
    chosen = chosen[again]
    return chosen[: counts.real_context], chosen[counts.real_context :]


def _pick_balanced(
    labels: NDArray[np.int64], counts: MixtureCounts, rng: np.random.Generator, *, context: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    numbers = np.bincount(labels)
    equal = np.ones_like(numbers)
    order = stratified_order(labels, len(labels), rng, equal)
    rank, own = _ranks(labels[order]), numbers[labels[order]]
    late = (rank >= own // 2).astype(np.int64) + (rank == own - 1)  # the last one goes last
    order = order[np.argsort(late, kind="stable")]
    query, rest = order[: counts.real_query], order[counts.real_query :]
    shares = equal if context else np.maximum(numbers, 1)
    again = stratified_order(labels[rest], len(rest), rng, shares)
    return rest[again[: counts.real_context]], query
