"""Classes that a context shows, for models that number them from 0 without holes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

ABSENT_LOG_PROBABILITY = math.log(1e-6)
"""What a class gets that the context does not show, before all are normalised [our choice]."""


def numbered(y_context: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers the classes that are there: int64 (K,) classes, and int64 (R,) their numbers.

    Example:
        >>> present, numbers = numbered(torch.tensor([4, 0, 4]))
        >>> present.tolist(), numbers.tolist()
        ([0, 4], [1, 0, 1])
    """
    present: Tensor
    numbers: Tensor
    present, numbers = torch.unique(y_context, return_inverse=True)
    return present, numbers


def spread(logits: Tensor, present: Tensor, n_classes: int) -> Tensor:
    """Logits of all classes, (Q, n_classes), from those of the classes that are there, (Q, K).

    Example:
        >>> spread(torch.zeros(1, 2), torch.tensor([0, 2]), 3).softmax(-1).round(decimals=4)
        tensor([[0.5000, 0.0000, 0.5000]])
    """
    if len(present) == n_classes:
        return logits
    known = logits.log_softmax(dim=-1)
    every = known.new_full((len(known), n_classes), ABSENT_LOG_PROBABILITY)
    return every.index_copy(1, present, known)
