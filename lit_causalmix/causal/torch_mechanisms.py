"""Compiled mechanisms as torch operations on any device; see `torch_scores`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lit_causalmix.causal.mechanisms import Additive, Classifier, Mechanism, Root
from lit_causalmix.causal.noise import ScaledAdditive
from lit_causalmix.causal.torch_scores import Rows, score_function, score_parents, tensor

Evaluate = Callable[[Rows, Tensor], Tensor]
"""Computes a node, float64 (n,), from rows and its noise, float64 (n,)."""


def evaluator(mechanism: Mechanism, device: torch.device) -> Evaluate:
    """Moves a mechanism to a device; one of a type unknown here stays numpy's, on the CPU."""
    make: Callable[[Any, torch.device], Evaluate] = _EVALUATORS.get(type(mechanism), _bridge)
    return make(mechanism, device)


def parents(mechanism: Any) -> frozenset[int] | None:
    """Returns the nodes that a mechanism reads, or None where its type does not tell."""
    if type(mechanism) not in _EVALUATORS:
        return None
    found: set[int] = set()
    for name in ("scores", "spread"):
        if scores := getattr(mechanism, name, None):
            if (nodes := score_parents(scores)) is None:
                return None
            found |= nodes
    return frozenset(found)


def _bridge(mechanism: Mechanism, device: torch.device) -> Evaluate:
    def evaluate(rows: Rows, noise: Tensor) -> Tensor:
        values = mechanism.evaluate(rows.numpy(), noise.cpu().numpy())
        return torch.as_tensor(values, dtype=torch.float64).to(device)

    return evaluate


def _root(_mechanism: Root, _device: torch.device) -> Evaluate:
    def evaluate(_rows: Rows, noise: Tensor) -> Tensor:
        return noise

    return evaluate


def _additive(mechanism: Additive, device: torch.device) -> Evaluate:
    score = score_function(mechanism.scores, device)

    def evaluate(rows: Rows, noise: Tensor) -> Tensor:
        return _supported(score(rows)[:, 0] + noise, mechanism)

    return evaluate


def _scaled(mechanism: ScaledAdditive, device: torch.device) -> Evaluate:
    score, spread = (score_function(s, device) for s in (mechanism.scores, mechanism.spread))

    def evaluate(rows: Rows, noise: Tensor) -> Tensor:
        size = spread(rows)[:, 0].clamp(mechanism.least, mechanism.most)
        return _supported(score(rows)[:, 0] + size * noise, mechanism)

    return evaluate


def _supported(values: Tensor, mechanism: Additive | ScaledAdditive) -> Tensor:
    if mechanism.integer:
        values = values.round()  # half to even, as numpy's
    return values.clamp(mechanism.low, mechanism.high)


def _classifier(mechanism: Classifier, device: torch.device) -> Evaluate:
    score = score_function(mechanism.scores, device)
    classes = tensor(mechanism.classes, device)

    def evaluate(rows: Rows, noise: Tensor) -> Tensor:
        weights = score(rows)
        if not mechanism.cumulative:
            weights = _cumulative_weights(weights)
        reached = weights >= (noise * weights[:, -1])[:, None]
        return classes[reached.to(torch.uint8).argmax(dim=1)]  # the first of equal ones

    return evaluate


def _cumulative_weights(logits: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        first = 0.5 - 0.5 * torch.tanh(0.5 * logits)
        return torch.cat([first, torch.ones_like(first)], dim=1)
    return torch.cumsum(torch.exp(logits - logits.amax(dim=1, keepdim=True)), dim=1)


_EVALUATORS: dict[type, Callable[[Any, torch.device], Evaluate]] = {
    Root: _root,
    Additive: _additive,
    ScaledAdditive: _scaled,
    Classifier: _classifier,
}
