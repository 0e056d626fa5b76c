"""From a coded training matrix to the columns that become nodes of a causal graph.

Constraint-based discovery breaks on columns that carry no information of their own: a constant
one joins to every other without a word, a duplicate makes the correlation matrix singular, a
column that is the sum of others forces edges. Such columns are set aside before, and put back
into every synthetic row after, as a function of the columns that remain.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import GeneratorError
from lit_causalmix.tables.scaling import far, location_scale
from lit_causalmix.tables.schema import Column, ColumnKind
from lit_causalmix.tables.table import Table

logger = logging.getLogger(__name__)


class Reason(StrEnum):
    """Why a column is set aside."""

    MISSING = "all-missing"
    CONSTANT = "constant"
    DUPLICATE = "duplicate"
    COLLINEAR = "collinear"


@dataclass(frozen=True)
class SetAside:
    """A column that is no node of the graph, and how to compute it from the nodes.

    The value is `codes[source]` where there are codes, else `offset + sum(weights * sources)`.

    Attributes:
        column: Index in the coded matrix.
        reason: Why.
        sources: Columns that it is computed from; all of them are nodes or stand before it in
            `CausalColumns.set_aside`.
        weights: One factor per source.
        offset: The value of a constant, NaN for an all-missing column.
        codes: For a categorical duplicate: its code for each code of its twin, NaN for those that
            no training row holds.
    """

    column: int
    reason: Reason
    sources: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    offset: float = 0.0
    codes: tuple[float, ...] = ()

    def compute(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the column, float64 (n,), given a complete coded matrix (n, C + 1)."""
        if self.codes:
            return np.asarray(self.codes)[values[:, self.sources[0]].astype(np.intp)]
        result = np.full(len(values), self.offset)
        for source, weight in zip(self.sources, self.weights, strict=True):
            result += weight * values[:, source]
        return result


@dataclass(frozen=True, eq=False)
class CausalColumns:
    """A training matrix made fit for discovery and fitting.

    Attributes:
        values: float64 (n, C + 1), imputed: the mean of a numerical column (rounded where all its
            values are whole), the most frequent code of any other.
        missing: bool (n, C + 1), which cells were imputed.
        nodes: Columns that become nodes, in schema order; the target is always one of them.
        set_aside: All other columns, in the order in which they can be computed.
    """

    values: NDArray[np.float64]
    missing: NDArray[np.bool_]
    nodes: tuple[int, ...]
    set_aside: tuple[SetAside, ...]


def prepare_columns(train: Table) -> CausalColumns:
    """Imputes the training rows and sets useless columns aside, with a warning that names them.

    Raises:
        GeneratorError: If there are fewer than two rows, an infinite value, a missing target, or a
            target with a single value.
    """
    columns, values = train.schema.columns, train.values
    check_rows(train)
    target = len(columns) - 1
    missing = np.isnan(values)
    imputed = np.column_stack([impute(values[:, j], c) for j, c in enumerate(columns)])
    set_aside: dict[int, SetAside] = {}
    twins: dict[bytes, int] = {}
    # The target goes first, so that of two equal columns it is the feature that is set aside.
    for j in (target, *range(target)):
        found = _trivial(j, missing[:, j], imputed[:, j]) or _duplicate(
            j, columns, imputed, missing, twins
        )
        if found is not None:
            set_aside[j] = found
    candidates = [
        j
        for j in (target, *range(target))
        if j not in set_aside and columns[j].kind is not ColumnKind.CATEGORICAL
    ]
    # The target first again; a target that depends on features makes a feature the dependent one.
    for dependency in linear_dependencies(imputed[:, candidates]):
        j = candidates[dependency.column]
        set_aside[j] = SetAside(
            column=j,
            reason=Reason.COLLINEAR,
            sources=tuple(candidates[k] for k in dependency.sources),
            weights=dependency.weights,
            offset=dependency.offset,
        )
    order = list(Reason)
    ordered = sorted(
        set_aside.values(), key=lambda s: (s.reason is Reason.DUPLICATE, order.index(s.reason))
    )
    _warn(ordered, columns)
    nodes = tuple(j for j in range(len(columns)) if j not in set_aside)
    return CausalColumns(imputed, missing, nodes, tuple(ordered))


def impute(values: NDArray[np.float64], column: Column) -> NDArray[np.float64]:
    """Fills the missing cells of one coded column; an all-missing column becomes all zero."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    known = values[~missing]
    fill = 0.0
    if len(known) and column.is_numerical:
        fill = float(known.mean())
        fill = float(np.round(fill)) if column.integer else fill
    elif len(known):
        fill = float(np.bincount(known.astype(np.intp)).argmax())
    return np.where(missing, fill, values)


def check_rows(train: Table) -> None:
    """Refuses training rows that no generator can learn from.

    Raises:
        GeneratorError: If there are fewer than two rows, an infinite value, a missing target, or a
            target with a single value.
    """
    name, values = train.name, train.values
    if len(train) < 2:
        raise GeneratorError(f"table {name!r}: a generator needs at least 2 rows, got {len(train)}")
    if np.isinf(values).any():
        column = train.schema.columns[int(np.isinf(values).any(axis=0).argmax())].name
        raise GeneratorError(
            f"table {name!r}: column {column!r} holds infinite values: drop or cap them first"
        )
    if np.isnan(train.target).any():
        raise GeneratorError(
            f"table {name!r}: {int(np.isnan(train.target).sum())} training rows lack the target: "
            "drop them first"
        )
    if np.ptp(train.target) == 0:
        raise GeneratorError(
            f"table {name!r}: the target {train.schema.target.name!r} has one value in all "
            f"{len(train)} training rows, at least 2 are needed"
        )


def _trivial(j: int, missing: NDArray[np.bool_], values: NDArray[np.float64]) -> SetAside | None:
    if missing.all():
        return SetAside(j, Reason.MISSING, offset=float("nan"))
    if np.ptp(values[~missing]) == 0:
        return SetAside(j, Reason.CONSTANT, offset=float(values[~missing][0]))
    return None


def _duplicate(
    j: int,
    columns: Sequence[Column],
    values: NDArray[np.float64],
    missing: NDArray[np.bool_],
    twins: dict[bytes, int],
) -> SetAside | None:
    """Finds an earlier column with the same content; categories may be named differently."""
    numerical, own = columns[j].is_numerical, values[:, j] + 0.0  # + 0.0: -0.0 equals 0.0
    content = own if numerical else _by_first_appearance(own)
    key = bytes([numerical]) + missing[:, j].tobytes() + content.tobytes()
    twin = twins.setdefault(key, j)
    if twin == j:
        return None
    if numerical:
        return SetAside(j, Reason.DUPLICATE, (twin,), (1.0,))
    codes = np.full(len(columns[twin].categories), np.nan)
    codes[values[:, twin].astype(np.intp)] = own
    return SetAside(j, Reason.DUPLICATE, (twin,), codes=tuple(codes.tolist()))


def _by_first_appearance(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first))
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _warn(set_aside: Sequence[SetAside], columns: Sequence[Column]) -> None:
    for reason in Reason:
        names = [columns[s.column].name for s in set_aside if s.reason is reason]
        if names:
            logger.warning(
                "%d %s column(s) set aside from causal discovery, and filled in afterwards: %s",
                len(names),
                reason.value,
                ", ".join(map(repr, names)),
            )


RESIDUAL = 1e-8
"""Largest unexplained share of a column's variance that counts as an exact relation."""

SPAN = 1e-6
"""Smallest weight, in standard deviations, with which a column takes part in a relation."""


@dataclass(frozen=True)
class Dependency:
    """Column `column` equals `offset + sum(weights * sources)` in every row."""

    column: int
    sources: tuple[int, ...]
    weights: tuple[float, ...]
    offset: float

    def residual(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the relation leaves unexplained of the column, float64 (n,)."""
        told = self.offset + values[:, list(self.sources)] @ np.array(self.weights)
        return np.asarray(values[:, self.column] - told)


def linear_dependencies(values: NDArray[np.float64]) -> list[Dependency]:
    """Finds the columns that are exact linear functions of columns to their left.

    Columns are taken from left to right; each is projected on those kept so far. A relation that
    needs more columns than a quarter of the rows is no relation but a lack of rows, and is
    ignored [our choice]. Rows with cells far out (a code such as 99999 that columns share) do not
    make a relation, but break it [our choice].

    Args:
        values: Complete matrix, float64 (n, d), without constant columns.
    """
    odd = far(values).any(axis=1)
    if not odd.any() or 2 * odd.sum() > len(values):
        return _dependencies(values)
    _, scale = location_scale(values)
    found = _dependencies(values[~odd])
    return [d for d in found if np.square(d.residual(values) / scale[d.column]).mean() <= RESIDUAL]


def _dependencies(values: NDArray[np.float64]) -> list[Dependency]:
    n, d = values.shape
    location, scale = location_scale(values)
    standard = (values - location) / scale
    basis = np.empty((n, min(n, d)))
    kept: list[int] = []
    found: list[Dependency] = []
    for j in range(d):
        q = basis[:, : len(kept)]
        residual = standard[:, j] - q @ (q.T @ standard[:, j])
        residual -= q @ (q.T @ residual)  # a second pass restores orthogonality
        norm = float(np.linalg.norm(residual))
        if norm**2 > RESIDUAL * n:
            if len(kept) < basis.shape[1]:
                basis[:, len(kept)] = residual / norm
                kept.append(j)
            continue
        weights = np.linalg.lstsq(standard[:, kept], standard[:, j], rcond=None)[0]
        used = np.abs(weights) > SPAN
        if used.sum() > n / 4:
            continue
        sources = [kept[k] for k in np.flatnonzero(used)]
        raw = weights[used] * scale[j] / scale[sources]
        offset = float(location[j] - raw @ location[sources])
        found.append(Dependency(j, tuple(sources), tuple(raw.tolist()), offset))
    return found
