"""Distributions over bins, read as they are by every regression head that has them."""

from __future__ import annotations

import torch
from torch import Tensor


def bin_mean(logits: Tensor, edges: Tensor) -> Tensor:
    """Returns the mean, all of a bin at its middle: (..., n_bins) to float32 (...).

    In float64, which autocast leaves alone: bfloat16 would keep three digits of a prediction.

    Example:
        >>> bin_mean(torch.zeros(4), torch.arange(5.0)).item()
        2.0
    """
    middles = (edges[:-1].double() + edges[1:].double()) / 2
    return (torch.softmax(logits.double(), dim=-1) @ middles).float()


def bin_quantiles(logits: Tensor, edges: Tensor, levels: Tensor) -> Tensor:
    """Returns quantiles, linear within a bin.

    Args:
        logits: (..., n_bins).
        edges: float32 (n_bins + 1,), the borders of the bins, ascending.
        levels: (L,) probabilities.

    Returns:
        float32 (..., L), in the units of the borders.

    Example:
        >>> bin_quantiles(torch.zeros(4), torch.arange(5.0), torch.tensor([0.25, 0.5])).tolist()
        [1.0, 2.0]
    """
    share = torch.softmax(logits.float(), dim=-1)
    above = share.cumsum(dim=-1)
    wanted = levels.to(share).expand(*share.shape[:-1], -1).contiguous()
    index = torch.searchsorted(above, wanted).clamp_max(share.shape[-1] - 1)
    inside = share.gather(-1, index)
    rest = wanted - (above.gather(-1, index) - inside)
    part = (rest / inside.clamp_min(torch.finfo(torch.float32).tiny)).clamp(0, 1)
    return edges[index] + part * (edges[index + 1] - edges[index])
