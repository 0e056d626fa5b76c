"""Which columns stand in the sets that separate two others, as far as there are such sets.

Most of the d³ triples never meet in a set, so that only those which do are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _none() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass
class SeparatingSets:
    """How many of the sets that separate x and y hold z, the same for y and x.

    Attributes:
        d: Number of columns.
        codes: int64 (m,), ascending: the triples that are counted at least once.
        counts: int64 (m,).

    Example:
        >>> sets = SeparatingSets(4)
        >>> sets.add(np.array([3, 0]), np.array([0, 3]), np.array([[1, 2], [2, 1]]))
        >>> sets.count(0, 3, [0, 1, 2]).tolist()
        [0, 2, 2]
    """

    d: int
    codes: NDArray[np.int64] = field(default_factory=_none)
    counts: NDArray[np.int64] = field(default_factory=_none)

    def add(self, x: ArrayLike, y: ArrayLike, sets: NDArray[np.int64]) -> None:
        """Counts the columns of one set, int64 (m, k), for each of m pairs."""
        new = self._coded(np.asarray(x)[:, None], np.asarray(y)[:, None], sets).ravel()
        codes = np.concatenate([self.codes, new])
        counts = np.concatenate([self.counts, np.ones(len(new), dtype=np.int64)])
        self.codes, place = np.unique(codes, return_inverse=True)
        self.counts = np.zeros(len(self.codes), dtype=np.int64)
        np.add.at(self.counts, place, counts)

    def count(self, x: ArrayLike, y: ArrayLike, z: ArrayLike) -> NDArray[np.int64]:
        """Says in how many sets each triple meets, int64, in the shape that x, y and z share."""
        wanted = self._coded(x, y, z)
        if len(self.codes) == 0:
            return np.zeros(wanted.shape, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.codes, wanted), len(self.codes) - 1)
        return np.where(self.codes[place] == wanted, self.counts[place], 0)

    def copy(self) -> SeparatingSets:
        """Returns sets that later ones are not added to."""
        return SeparatingSets(self.d, self.codes, self.counts)

    def _coded(self, x: ArrayLike, y: ArrayLike, z: ArrayLike) -> NDArray[np.int64]:
        x, y, z = (np.asarray(a, dtype=np.int64) for a in (x, y, z))
        return (np.minimum(x, y) * self.d + np.maximum(x, y)) * self.d + z
