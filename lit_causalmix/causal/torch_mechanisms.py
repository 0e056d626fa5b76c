"""Compiled mechanisms as torch operations on any device; see `torch_scores`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lit_causalmix.causal.mechanisms import Additive, Classifier, Mechanism, Root
from lit_causalmix.causal.torch_scores import Rows, score_function, score_parents, tensor

Evaluate = Callable[[Rows, Tensor], Tensor]
"""Computes a node, float64 (n,), from rows and its noise, float64 (n,)."""


def evaluator(mechanism: Mechanism, device: torch.device) -> Evaluate:
    """Moves a mechanism to a device; one of a type unknown here stays numpy's, on the CPU."""
    make: Callable[[Any, torch.device], Evaluate] = _EVALUATORS.get(type(mechanism), _bridge)
    return make(mechanism, device)


def parents(mechanism: Any) -> frozenset[int] | None:
    """Returns the nodes that a mechanism reads, or None where its type does not tell."""
    if type(mechanism) is Root:
        return frozenset()
    if type(mechanism) not in _EVALUATORS:
        return None
    return score_parents(mechanism.scores)


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
        values = score(rows)[:, 0] + noise
        if mechanism.integer:
            values = values.round()  # half to even, as numpy's
        return values.clamp(mechanism.low, mechanism.high)

    return evaluate


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
    Classifier: _classifier,
}
