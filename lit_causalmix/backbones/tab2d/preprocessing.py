"""What Tab2D does to a table before and after its network: pure functions over tensors.

Shape legend: B = tables of equal shape, R = context rows, Q = query rows, F = columns.
Everything is learned from the context rows alone and computed in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

N_QUANTILES = 999
"""Context quantiles per column: levels .001, .002, ..., .999."""

BIN_RANGE = (-0.5, 1.5)
"""Range of the binned regression head, in units of the context targets' range."""

GRADIENT_WIDTH = 0.1
"""Half-width of the gradient's central difference, in context standard deviations."""


def impute(x_context: Tensor, x_query: Tensor) -> tuple[Tensor, Tensor]:
    """Fills gaps with the context mean.

    Infinities count as missing [our choice; the official code sets them to zero].

    Args:
        x_context: float (..., R, F), NaN where missing.
        x_query: float (..., Q, F), likewise.

    Returns:
        float32, of the same shapes, without NaN.
    """
    x_context, x_query = x_context.float(), x_query.float()
    present = torch.isfinite(x_context)
    total = torch.where(present, x_context, 0).sum(dim=-2, keepdim=True)
    mean = total / present.sum(dim=-2, keepdim=True).clamp_min(1)
    return (
        torch.where(present, x_context, mean),
        torch.where(torch.isfinite(x_query), x_query, mean),
    )


def varying(x_context: Tensor) -> Tensor:
    """Tells which columns are not constant in the context: (..., R, F) to bool (..., F)."""
    return (x_context != x_context[..., :1, :]).any(dim=-2)


def impute_and_drop_constant(x_context: Tensor, x_query: Tensor) -> tuple[Tensor, Tensor]:
    """Fills gaps with the context mean and leaves out columns that are constant in the context.

    Args:
        x_context: float (R, F), NaN where missing.
        x_query: float (Q, F), likewise.

    Returns:
        float32 (R, F') and (Q, F') without NaN. F' = 0 when every column is constant.
    """
    x_context, x_query = impute(x_context, x_query)
    varies = varying(x_context)
    return x_context[:, varies], x_query[:, varies]


def quantile_features(x_context: Tensor, x_query: Tensor) -> tuple[Tensor, Tensor]:
    """Replaces each value by its place among the context quantiles, standardised by the context.

    The place is a step function of the value, so its derivative is zero or undefined. Where
    `x_query` requires a gradient (adversarial evaluation, energy-based generators), the values
    stay the official ones and the derivative is that of a central difference of the step function
    over +-`GRADIENT_WIDTH` context standard deviations [our choice].

    Args:
        x_context: float32 (B, R, F), finite. B * R * F at most 2**24, a limit of torch.quantile.
        x_query: float32 (B, Q, F), finite.

    Returns:
        float32 (B, R, F) and (B, Q, F); zero in columns whose context places are all equal.
    """
    n_context, n_columns = x_context.shape[-2:]
    if n_columns == 0:
        return x_context, x_query
    levels = torch.arange(1, N_QUANTILES + 1, device=x_context.device, dtype=torch.float32)
    cuts = torch.quantile(x_context.detach(), levels / (N_QUANTILES + 1), dim=-2)
    cuts = cuts.movedim(0, -1).contiguous()  # (B, F, N_QUANTILES)

    def place(x: Tensor) -> Tensor:
        columns_first = x.detach().mT.contiguous()
        steps = torch.searchsorted(cuts, columns_first).mT.float()
        # The division by the row count cancels below; kept so that rounding is the official one.
        return steps / n_context

    context, query = place(x_context), place(x_query)
    if x_query.requires_grad:
        width = GRADIENT_WIDTH * x_context.detach().std(dim=-2, keepdim=True, correction=0)
        width = width.clamp_min(torch.finfo(torch.float32).tiny)
        slope = (place(x_query + width) - place(x_query - width)) / (2 * width)
        query = query + slope * (x_query - x_query.detach())
    mean = context.sum(dim=-2, keepdim=True) / n_context
    context, query = context - mean, query - mean
    variance = context.square().sum(dim=-2, keepdim=True) / n_context
    # A safe divisor first: the gradient of 0 / 0 would poison the backward pass.
    deviation = torch.where(variance == 0, 1, variance).sqrt()
    return (
        torch.where(variance == 0, 0, context / deviation),
        torch.where(variance == 0, 0, query / deviation),
    )


def target_range(y_context: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the context targets' minimum and range: (..., R) to float32 (..., 1).

    The range of a constant target counts as 1 [our choice; the official code stops there].
    """
    low, high = y_context.float().aminmax(dim=-1, keepdim=True)
    return low, torch.where(high > low, high - low, 1.0)


def bin_edges(n_bins: int, device: torch.device) -> Tensor:
    """Returns the borders of the binned head, float32 (n_bins + 1,)."""
    return torch.linspace(*BIN_RANGE, n_bins + 1, device=device)


def target_bins(y: Tensor, n_bins: int) -> Tensor:
    """Returns the bin of each scaled target, int64, shape kept; outliers go to the outer bins."""
    y = y.float()
    return (torch.bucketize(y, bin_edges(n_bins, y.device)) - 1).clamp(0, n_bins - 1)


def bin_mean(logits: Tensor) -> Tensor:
    """Returns the mean of the predicted distribution: (..., n_bins) to float32 (...)."""
    edges = bin_edges(logits.shape[-1], logits.device)
    return torch.softmax(logits.float(), dim=-1) @ ((edges[:-1] + edges[1:]) / 2)
