"""Conditional independence of categories by counting: Pearson's chi-square over strata.

Correlations of indicators see only what categories add up to; counts also see how they interact.
With enough rows they are the better test, with few the worse one: a stratum for each combination
of the conditioning categories costs degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.search.encoding import Encoded

LEAST_ROWS = 800
"""Below so many rows nothing is counted [our choice, by measurement].

On the discrete networks of `benchmarks/structure.py` correlations alone found more edges and
directions in 500 rows, counts made fewer errors in 1,000 and more.
"""

ROWS_PER_DEGREE = 5
"""Counting takes so many rows for each degree of freedom [our choice, by measurement].

Of 5, 10, 20 and 40: more give up what counting wins at 2,000 rows.
"""

_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Categories:
    """The categorical columns of a table as codes.

    Attributes:
        codes: int64 (d, n); zeros for a column that is not categorical.
        sizes: int64 (d,), how many codes a column can have; 0 where it is not categorical.
    """

    codes: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, table: Encoded) -> Categories:
        """Reads the codes back from the indicators; rare categories stay with the reference."""
        d, n = len(table.categorical), len(table.values)
        codes, sizes = np.zeros((d, n), dtype=np.int64), np.zeros(d, dtype=np.int64)
        for j in np.flatnonzero(table.categorical).tolist():
            own = table.values[:, table.blocks == j]
            present = own > own.min(axis=0) if own.shape[1] == 1 else own > 0
            codes[j] = present @ np.arange(1, own.shape[1] + 1)
            sizes[j] = own.shape[1] + 1
        return cls(codes, sizes)

    def countable(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Says which triples consist of categories and have rows enough to count, bool (m,).

        Args:
            keys: int64 (m, k + 2): two columns, then the k of the conditioning set.
        """
        rows, sizes = self.codes.shape[1], self.sizes[keys]
        degrees = np.prod(sizes[:, :2] - 1, axis=1) * np.prod(sizes[:, 2:].astype(float), axis=1)
        found: NDArray[np.bool_] = (sizes > 0).all(axis=1) & (degrees * ROWS_PER_DEGREE <= rows)
        return found if rows >= LEAST_ROWS else np.zeros_like(found)

    def p_values(self, keys: NDArray[np.int64]) -> NDArray[np.float64]:
        """Tests triples of categories, float64 (m,).

        Rows and columns that a stratum leaves empty cost no degree of freedom; without any left
        the p-value is 1.
        """
        from scipy.special import chdtrc

        p = np.ones(len(keys))
        for part in self._alike(keys):
            statistic, degrees = self._pearson(keys[part])
            some = degrees > 0
            p[part[some]] = chdtrc(degrees[some], statistic[some])
        return p

    def _alike(self, keys: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
        """Yields rows of `keys` whose two columns and whole set have as many codes each."""
        sizes = self.sizes[keys]
        shapes = np.column_stack([sizes[:, :2], sizes[:, 2:].prod(axis=1)])
        _, group = np.unique(shapes, axis=0, return_inverse=True)
        order = np.argsort(group.ravel(), kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(group.ravel()[order])) + 1):
            cells = len(rows) * (int(shapes[rows[:1]].prod()) + self.codes.shape[1])
            yield from np.array_split(rows, -(-cells // _CHUNK_CELLS)) if len(rows) else ()

    def _pearson(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns statistic and degrees of freedom, float64 (m,) each, of triples of one shape."""
        sizes, m = self.sizes[keys], len(keys)
        cell = np.arange(m)[:, None].repeat(self.codes.shape[1], axis=1)
        for k in (*range(2, keys.shape[1]), 0, 1):
            cell *= sizes[:, k, None]
            cell += self.codes[keys[:, k]]
        shape = m, int(sizes[0, 2:].prod()), int(sizes[0, 0]), int(sizes[0, 1])
        counts = np.bincount(cell.ravel(), minlength=int(np.prod(shape))).reshape(shape)
        first, second = counts.sum(axis=3), counts.sum(axis=2)
        rows = np.maximum(first.sum(axis=2), 1)
        expected = first[..., :, None] * second[..., None, :] / rows[..., None, None]
        distance = (counts - expected) ** 2 / np.where(expected > 0, expected, 1.0)
        free = (np.maximum((first > 0).sum(axis=2), 1) - 1) * (
            np.maximum((second > 0).sum(axis=2), 1) - 1
        )
        return distance.sum(axis=(1, 2, 3)), free.sum(axis=1).astype(np.float64)
