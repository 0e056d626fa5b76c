"""The compiled sampler: fitted structural causal models as arrays, sampled with numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.mechanisms import Mechanism


@dataclass(frozen=True, eq=False)
class CompiledScm:
    """One structural causal model.

    Attributes:
        order: Nodes such that parents precede children.
        mechanisms: One per node, in the order of the nodes.
    """

    order: tuple[int, ...]
    mechanisms: tuple[Mechanism, ...]

    def draw_noise(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws the noise of all nodes, float64 (n, d): the only random part of a sample."""
        uniform = rng.random((len(self.mechanisms), n))
        noise = [m.noise(u) for m, u in zip(self.mechanisms, uniform, strict=True)]
        return np.stack(noise).T

    def propagate(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        """Computes all nodes, float64 (n, d), from their noise (n, d); no randomness."""
        values = np.empty(noise.shape, order="F")  # columns are read and written as a whole
        for node in self.order:
            values[:, node] = self.mechanisms[node].evaluate(values, noise[:, node])
        return values


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Structural causal models over the same nodes; each row is drawn from one of them.

    Attributes:
        mechanisms: The distinct mechanisms of all models.
        orders: int64 (K, d), the topological order of each model.
        choices: int64 (K, d), which mechanism each node of each model has.
    """

    mechanisms: tuple[Mechanism, ...]
    orders: NDArray[np.int64]
    choices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.orders)

    def model(self, k: int) -> CompiledScm:
        """Returns the k-th model."""
        chosen = tuple(self.mechanisms[m] for m in self.choices[k].tolist())
        return CompiledScm(tuple(self.orders[k].tolist()), chosen)

    def sample(
        self, n: int, rng: np.random.Generator, *, rows_per_model: int
    ) -> NDArray[np.float64]:
        """Draws rows, float64 (n, d), in random order.

        The cost of a small draw is that of visiting nodes, not rows; so a draw visits
        `ceil(n / rows_per_model)` models, at most all, picked at random without replacement and
        given equally many rows. Over many draws every model gives equally many rows.
        """
        visited = min(len(self), -(-n // rows_per_model))
        models = rng.choice(len(self), size=visited, replace=False)
        rows = np.array_split(rng.permutation(n), max(visited, 1))
        result = np.empty((n, self.orders.shape[1]))
        for k, index in zip(models.tolist(), rows, strict=False):
            model = self.model(k)
            result[index] = model.propagate(model.draw_noise(len(index), rng))
        return result
