"""The compiled sampler: fitted structural causal models as arrays, sampled with numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.sampler.mechanisms import Mechanism, Root


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
        noise = np.empty(uniform.shape)
        for node, mechanism in enumerate(self.mechanisms):
            noise[node] = mechanism.noise(uniform[node])
        return noise.T

    def propagate(self, noise: NDArray[np.float64]) -> NDArray[np.float64]:
        """Computes all nodes, float64 (n, d), from their noise (n, d); no randomness."""
        values = np.empty(noise.shape, order="F")  # columns are read and written as a whole
        for node in self.order:
            values[:, node] = self.mechanisms[node].evaluate(values, noise[:, node])
        return values

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws rows, float64 (n, d)."""
        return self.propagate(self.draw_noise(n, rng))


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
        visits = self.visits(n, rng, rows_per_model=rows_per_model)
        models = [self.model(k) for k, _ in visits]
        noise = [m.draw_noise(len(r), rng) for m, (_, r) in zip(models, visits, strict=True)]
        result = np.empty((n, self.orders.shape[1]))
        for model, (_, rows), drawn in zip(models, visits, noise, strict=True):
            result[rows] = model.propagate(drawn)
        return result

    def visits(
        self, n: int, rng: np.random.Generator, *, rows_per_model: int
    ) -> list[tuple[int, NDArray[np.intp]]]:
        """Which of n rows come from which models; see `sample`."""
        visited = min(len(self), -(-n // rows_per_model))
        models = rng.choice(len(self), size=visited, replace=False).tolist()
        rows = np.array_split(rng.permutation(n), visited) if visited else []
        return list(zip(models, rows, strict=True))


def hold(ensemble: Ensemble, values: Mapping[int, float]) -> Ensemble:
    """Returns the models after do(node = value): the nodes listen to no parent any more.

    The orders stay, for whatever respects more edges respects fewer.

    Args:
        ensemble: The models.
        values: The value of each held node.
    """
    mechanisms, choices = list(ensemble.mechanisms), ensemble.choices.copy()
    for node, value in values.items():
        choices[:, node] = len(mechanisms)
        mechanisms.append(Root(np.array([value])))
    return replace(ensemble, mechanisms=tuple(mechanisms), choices=choices)
