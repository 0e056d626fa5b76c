"""The compiled sampler on a torch device: all models of an ensemble, level by level."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lit_causalmix.causal.sampler import Draw, Ensemble
from lit_causalmix.causal.torch_mechanisms import Evaluate, evaluator, parents
from lit_causalmix.causal.torch_scores import Rows


@dataclass(frozen=True, eq=False)
class _Step:
    """One mechanism, for all models in which its parents are ready at the same level."""

    node: int
    mechanism: int
    models: frozenset[int]


class TorchEnsemble:
    """An ensemble's arrays on a torch device, evaluated with torch.

    Noise and everything else that is random comes from a numpy generator on the CPU, exactly as in
    `Ensemble.sample`: the same generator gives the same rows on every device, categories exactly
    and numbers to rounding. A draw visits each mechanism once for all models that share it at one
    level of their graphs, not once per model.

    On a CPU `Ensemble.sample` is the faster one; this is for rows that are wanted on a GPU.

    Args:
        ensemble: The compiled models.
        device: Where to evaluate them; it needs float64.
    """

    def __init__(self, ensemble: Ensemble, device: torch.device | str) -> None:
        self.device = torch.device(device)
        self._ensemble = ensemble
        self._evaluators: tuple[Evaluate, ...] = tuple(
            evaluator(m, self.device) for m in ensemble.mechanisms
        )
        self._steps = _steps(ensemble)

    @torch.no_grad()
    def sample(self, n: int, rng: np.random.Generator, *, rows_per_model: int) -> Tensor:
        """Draws rows, float64 (n, d), on the device; see `Ensemble.sample`."""
        draw = self._ensemble.draw_noise(n, rng, rows_per_model=rows_per_model)
        return self.propagate(draw)

    @torch.no_grad()
    def propagate(self, draw: Draw) -> Tensor:
        """Computes all nodes, float64 (n, d), from their noise; no randomness."""
        if not draw.models:
            return torch.empty((0, self._ensemble.orders.shape[1]), dtype=torch.float64)
        ends = np.cumsum([len(rows) for rows in draw.rows]).tolist()
        spans = {
            model: (end - len(rows), end)
            for model, rows, end in zip(draw.models, draw.rows, ends, strict=True)
        }
        noise = torch.from_numpy(np.concatenate(draw.noise).T.copy()).to(self.device)
        values = torch.empty_like(noise)
        for step in self._steps:
            visited = [spans[m] for m in draw.models if m in step.models]
            if visited:
                index = self._index(visited)
                evaluate = self._evaluators[step.mechanism]
                result = evaluate(Rows(values, index), noise[step.node][index])
                values[step.node][index] = result
        order = torch.from_numpy(np.concatenate(draw.rows)).to(self.device)
        rows = torch.empty_like(values)
        rows[:, order] = values
        return rows.T

    def _index(self, spans: list[tuple[int, int]]) -> slice | Tensor:
        """Returns the rows of several models, a slice where they stand side by side."""
        side_by_side = all(a[1] == b[0] for a, b in itertools.pairwise(spans))
        if side_by_side:
            return slice(spans[0][0], spans[-1][1])
        found = np.concatenate([np.arange(start, end) for start, end in spans])
        return torch.from_numpy(found).to(self.device)


def _steps(ensemble: Ensemble) -> list[_Step]:
    """Groups (model, node) by level and mechanism; a node's level is above those of its parents."""
    reads = [parents(m) for m in ensemble.mechanisms]
    models: dict[tuple[int, int, int], set[int]] = {}
    for k in range(len(ensemble)):
        for level, node in _levels(ensemble, k, reads):
            key = (level, node, int(ensemble.choices[k, node]))
            models.setdefault(key, set()).add(k)
    return [_Step(node, m, frozenset(found)) for (_, node, m), found in sorted(models.items())]


def _levels(
    ensemble: Ensemble, k: int, reads: list[frozenset[int] | None]
) -> Iterator[tuple[int, int]]:
    """Yields the level of each node of one model."""
    levels: dict[int, int] = {}
    for node in ensemble.orders[k].tolist():
        read = reads[int(ensemble.choices[k, node])]
        before = levels.keys() if read is None else read
        levels[node] = 1 + max((levels[p] for p in before), default=-1)
        yield levels[node], node
