"""Conditional independence of columns or blocks of columns, many tests at a time.

Single columns given single columns: Fisher's z. Categories given categories: counts, as far as the
rows suffice (see `contingency`). As soon as a block of indicators is tested or conditioned on
otherwise: Wilks' lambda, the likelihood-ratio test that the partial canonical correlations
of the two blocks are zero, with Bartlett's approximation (Anderson, An Introduction to
Multivariate Statistical Analysis, 3rd ed., 9.4-9.5). For jointly Gaussian blocks both are exact
up to that approximation; for indicators the linear probability model is [our choice], because it
needs correlations alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.search.contingency import Categories
from lit_causalmix.causal.search.encoding import Encoded

_SINGULAR = 1e-7
_SHRINK = 1e-6
_CHUNK_CELLS = 4_000_000


@dataclass
class Correlations:
    """Correlations of all columns, and the p-values computed from them so far.

    Attributes:
        matrix: float64 (w, w); pulled towards the identity by 1e-6 where it is singular.
        rows: Number of rows behind it.
        members: For each block, the columns of `matrix`, int64; never empty.
        categories: The codes of the categorical ones.
        known: By size of the conditioning set: sorted keys and their p-values.
    """

    matrix: NDArray[np.float64]
    rows: int
    members: list[NDArray[np.int64]]
    categories: Categories
    known: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = field(default_factory=dict)

    @classmethod
    def of(cls, table: Encoded) -> Correlations:
        """Computes the correlations; a constant column correlates with nothing."""
        centred = table.values - table.values.mean(axis=0)
        norm = np.linalg.norm(centred, axis=0)
        alive = norm > 1e-9 * np.sqrt(len(centred))
        centred /= np.where(alive, norm, 1.0)
        matrix = np.clip(centred.T @ centred, -1.0, 1.0)
        matrix[~alive] = 0.0
        matrix[:, ~alive] = 0.0
        np.fill_diagonal(matrix, 1.0)
        if np.linalg.eigvalsh(matrix)[0] < _SINGULAR:
            matrix *= 1 - _SHRINK
            np.fill_diagonal(matrix, 1.0)
        members = []
        for block in range(int(table.blocks[-1]) + 1):
            own = np.flatnonzero(table.blocks == block)
            # An indicator that a resample leaves constant costs no degree of freedom.
            members.append(own[alive[own]] if alive[own].any() else own[:1])
        return cls(matrix, len(centred), members, Categories.of(table))

    @cached_property
    def _padded(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Widths (d,) and members (d, widest), filled up with −1."""
        widths = np.array([len(m) for m in self.members])
        padded = np.full((len(widths), int(widths.max())), -1)
        padded[np.arange(padded.shape[1]) < widths[:, None]] = np.concatenate(self.members)
        return widths, padded

    def p_values(self, keys: NDArray[np.int64]) -> NDArray[np.float64]:
        """Tests many triples, each once.

        Args:
            keys: int64 (m, k + 2): two blocks, then the k blocks of the conditioning set.

        Returns:
            float64 (m,), the p-value of independence; 1 where the rows do not suffice for a test.
        """
        depth, d = keys.shape[1] - 2, len(self.members)
        pair, given = np.sort(keys[:, :2], axis=1), np.sort(keys[:, 2:], axis=1)
        codes = np.zeros(len(keys), dtype=np.int64)
        for column in (*pair.T, *given.T):
            codes = codes * d + column
        wanted, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        old, old_p = self.known.get(depth, (wanted[:0], np.empty(0)))
        place = np.searchsorted(old, wanted)
        new = np.ones(len(wanted), dtype=bool)
        new[place < len(old)] = old[place[place < len(old)]] != wanted[place < len(old)]
        p = np.empty(len(wanted))
        p[~new] = old_p[place[~new]]
        if new.any():
            rows = first[new]
            p[new] = self.compute(np.concatenate([pair[rows], given[rows]], axis=1))
            self.known[depth] = (
                np.insert(old, place[new], wanted[new]),
                np.insert(old_p, place[new], p[new]),
            )
        return p[inverse]

    @cached_property
    def strength(self) -> NDArray[np.float64]:
        """Returns how strongly two blocks go together: 1 − Λ, that is r² of single columns.

        Returns:
            float64 (d, d), symmetric, 0 on the diagonal.
        """
        d = len(self.members)
        found = np.zeros((d, d))
        keys = np.column_stack(np.triu_indices(d, 1))
        for part, ratio, *_ in self._ratios(keys):
            found[tuple(keys[part].T)] = -np.expm1(ratio)
        return found + found.T

    def compute(self, keys: NDArray[np.int64]) -> NDArray[np.float64]:
        """Tests triples as `p_values` does, without remembering any."""
        widths, padded = self._padded
        counted = self.categories.countable(keys)
        single = (widths[keys].max(axis=1) == 1) & ~counted
        p_values = np.empty(len(keys))
        if counted.any():
            p_values[counted] = self.categories.p_values(keys[counted])
        if single.any():
            p_values[single] = _fisher_z(
                partial_correlations(self.matrix, padded[:, 0][keys[single]]),
                self.rows - (keys.shape[1] - 2),
            )
        blocks = np.flatnonzero(~(single | counted))
        for part, ratio, p, q, s in self._ratios(keys[blocks]):
            p_values[blocks[part]] = _wilks(ratio, p, q, self.rows - s)
        return p_values

    def _ratios(
        self, keys: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64], int, int, int]]:
        """Yields rows of `keys` whose blocks have the same shapes, with what `_log_lambda` says."""
        if len(keys) == 0:
            return
        widths = self._padded[0]
        both = np.sort(widths[keys[:, :2]], axis=1)
        shapes = (both[:, 0] * 1024 + both[:, 1]) * 65536 + widths[keys[:, 2:]].sum(axis=1)
        order = np.argsort(shapes, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(shapes[order])) + 1):
            size = int(both[rows[0]].sum() + shapes[rows[0]] % 65536)
            for part in np.array_split(rows, -(-len(rows) * size**2 // _CHUNK_CELLS)):
                yield part, *self._log_lambda(keys[part])

    def _log_lambda(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.float64], int, int, int]:
        """Returns log Λ (m,), and the widths of the narrower block, the wider, and the set."""
        widths, padded = self._padded
        p, q = sorted(widths[keys[0, :2]].tolist())
        s = int(widths[keys[0, 2:]].sum())
        narrow = widths[keys[:, 0]] <= widths[keys[:, 1]]
        keys = np.column_stack(
            [keys[:, 2:], np.where(narrow[:, None], keys[:, :2], keys[:, 1::-1])]
        )
        index = padded[keys].reshape(len(keys), -1)
        index = index[index >= 0].reshape(len(keys), s + p + q)
        factor = np.linalg.cholesky(self.matrix[index[:, :, None], index[:, None, :]])
        # Rows of the second block: what the first explains beyond the set, and what is left.
        explained, left = factor[:, s + p :, s : s + p], factor[:, s + p :, s + p :]
        whole = explained @ explained.transpose(0, 2, 1) + left @ left.transpose(0, 2, 1)
        log_left = 2 * np.log(np.diagonal(left, axis1=1, axis2=2)).sum(axis=1)
        return np.minimum(log_left - np.linalg.slogdet(whole)[1], 0.0), p, q, s


def partial_correlations(
    matrix: NDArray[np.float64], keys: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Computes partial correlations by eliminating the conditioning columns one by one.

    Args:
        matrix: Correlations, float64 (w, w).
        keys: int64 (m, k + 2): two columns, then the k to condition on.

    Returns:
        float64 (m,).
    """
    order = [*range(2, keys.shape[1]), 0, 1]
    size = len(order)
    a = {
        (i, j): matrix[keys[:, order[i]], keys[:, order[j]]]
        for i in range(size)
        for j in range(i, size)
    }
    for t in range(size - 2):
        for i in range(t + 1, size):
            scale = a[t, i] / a[t, t]
            for j in range(i, size):
                a[i, j] = a[i, j] - scale * a[t, j]
    x, y = size - 2, size - 1
    r: NDArray[np.float64] = a[x, y] / np.sqrt(np.maximum(a[x, x] * a[y, y], 1e-300))
    return r


def _wilks(ratio: NDArray[np.float64], p: int, q: int, rows: int) -> NDArray[np.float64]:
    """Returns the p-values of log Λ for blocks of p and q columns; `rows` as for Fisher's z."""
    from scipy.special import chdtrc

    if p == q == 1:
        return _fisher_z(np.sqrt(-np.expm1(ratio)), rows)
    degrees = rows - 1 - (p + q + 1) / 2
    if rows - 1 < p + q:
        return np.ones(len(ratio))
    tail: NDArray[np.float64] = chdtrc(p * q, -degrees * ratio)
    return tail


def _fisher_z(r: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Returns 2 (1 − Φ(√(rows − 3) · |atanh r|)), rows being n less the columns conditioned on."""
    from scipy.special import erfc

    if rows <= 3:
        return np.ones(len(r))
    z = np.sqrt(rows - 3) * np.abs(np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15)))
    p: NDArray[np.float64] = erfc(z / np.sqrt(2))
    return p
