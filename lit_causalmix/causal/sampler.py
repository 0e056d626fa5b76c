"""The compiled sampler: fitted structural causal models as arrays, sampled with numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.mechanisms import Mechanism

if TYPE_CHECKING:
    import torch

    from lit_causalmix.causal.torch_sampler import TorchEnsemble


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
class Draw:
    """The random part of a sample of an ensemble.

    Attributes:
        models: The V models that are visited.
        rows: Per visited model, int64 (n_v,): which rows of the sample it gives; all n in all.
        noise: Per visited model, float64 (n_v, d).
    """

    models: tuple[int, ...]
    rows: tuple[NDArray[np.int64], ...]
    noise: tuple[NDArray[np.float64], ...]


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
        draw = self.draw_noise(n, rng, rows_per_model=rows_per_model)
        result = np.empty((n, self.orders.shape[1]))
        for k, rows, noise in zip(draw.models, draw.rows, draw.noise, strict=True):
            result[rows] = self.model(k).propagate(noise)
        return result

    def draw_noise(self, n: int, rng: np.random.Generator, *, rows_per_model: int) -> Draw:
        """Draws everything that is random about `sample`."""
        visited = min(len(self), -(-n // rows_per_model))
        models = rng.choice(len(self), size=visited, replace=False).tolist()
        rows = np.array_split(rng.permutation(n), visited) if visited else []
        noise = [self.model(k).draw_noise(len(r), rng) for k, r in zip(models, rows, strict=True)]
        return Draw(tuple(models), tuple(rows), tuple(noise))

    def to_torch(self, device: torch.device | str) -> TorchEnsemble:
        """Returns the same models as arrays on a torch device."""
        from lit_causalmix.causal.torch_sampler import TorchEnsemble

        return TorchEnsemble(self, device)
