"""Interventions: structural causal models with some nodes held at a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lit_causalmix.causal.mechanisms import Root
from lit_causalmix.causal.sampler import Ensemble


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
