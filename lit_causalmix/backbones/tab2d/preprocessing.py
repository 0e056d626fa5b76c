"""What Tab2D does to a table before and after its network: pure functions over tensors.

Shape legend: B = tables of equal shape, R = context rows, Q = query rows, F = columns.
Everything is learned from the context rows alone and computed in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

N_QUANTILES = 999
"""Context quantiles per column: levels .001, .002, ..., .999."""

BIN_RANGE = (-0.5, 1.5)
"""Range of the binned regression head, in units of the context targets' range."""

GRADIENT_WIDTH = 0.1
"""Half-width of the gradient's central difference, in context standard deviations."""

NARROWEST = 1e-30
"""Half-width below which there is no gradient: of a constant column the difference is 0 / 0."""


def context_mean(x_context: Tensor) -> Tensor:
    """Mean of what is present in each column: float (..., R, F) to float32 (..., 1, F)."""
    x_context = x_context.float()
    present = torch.isfinite(x_context)
    total = torch.where(present, x_context, 0).sum(dim=-2, keepdim=True)
    return total / present.sum(dim=-2, keepdim=True).clamp_min(1)


def filled(x: Tensor, mean: Tensor) -> Tensor:
    """Fills gaps with a mean per column; float32."""
    x = x.float()
    return torch.where(torch.isfinite(x), x, mean)


def impute(x_context: Tensor, x_query: Tensor) -> tuple[Tensor, Tensor]:
    """Fills gaps with the context mean.

    Infinities count as missing [our choice; the official code sets them to zero].

    Args:
        x_context: float (..., R, F), NaN where missing.
        x_query: float (..., Q, F), likewise.

    Returns:
        float32, of the same shapes, without NaN.
    """
    mean = context_mean(x_context)
    return filled(x_context, mean), filled(x_query, mean)


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


@dataclass(frozen=True, eq=False)
class Places:
    """Where values stand among a context's quantiles, in standardised places.

    Attributes:
        cuts: float32 (B, F, N_QUANTILES), the quantiles.
        n_context: R.
        mean: float32 (B, 1, F), of the context's places.
        variance: float32 (B, 1, F), likewise.
        width: float32 (B, 1, F), half-width of the gradient's central difference; 0 where the
            context is constant.
    """

    cuts: Tensor
    n_context: int
    mean: Tensor
    variance: Tensor
    width: Tensor

    @classmethod
    def of(cls, x_context: Tensor) -> tuple[Places, Tensor]:
        """Learns the places of a context; returns the context's own, too.

        Args:
            x_context: float32 (B, R, F), finite. B * R * F at most 2**24, a limit of
                torch.quantile.

        Returns:
            The places, and those of the context, float32 (B, R, F).
        """
        n_context = x_context.shape[-2]
        levels = torch.arange(1, N_QUANTILES + 1, device=x_context.device, dtype=torch.float32)
        if x_context.shape[-1]:
            cuts = torch.quantile(x_context, levels / (N_QUANTILES + 1), dim=-2)
        else:
            cuts = x_context.new_zeros(N_QUANTILES, *x_context.shape[:-2], 0)
        width = GRADIENT_WIDTH * x_context.detach().std(dim=-2, keepdim=True, correction=0)
        cuts = cuts.movedim(0, -1).contiguous()
        context = _place(cuts, x_context, width, n_context)
        mean = context.sum(dim=-2, keepdim=True) / n_context
        context = context - mean
        variance = context.square().sum(dim=-2, keepdim=True) / n_context
        places = cls(cuts, n_context, mean, variance, width)
        return places, places._standardised(context)

    def query(self, x_query: Tensor) -> Tensor:
        """Places of query rows, (B, Q, F) finite to float32 (B, Q, F); see `quantile_features`."""
        query = _place(self.cuts, x_query, self.width, self.n_context)
        return self._standardised(query - self.mean)

    def _standardised(self, centred: Tensor) -> Tensor:
        # A safe divisor first: the gradient of 0 / 0 would poison the backward pass.
        deviation = torch.where(self.variance == 0, 1, self.variance).sqrt()
        return torch.where(self.variance == 0, 0, centred / deviation)


def _steps(cuts: Tensor, x: Tensor) -> Tensor:
    """How many cuts lie below each value: int64 (B, R, F)."""
    return torch.searchsorted(cuts.detach(), x.detach().mT.contiguous()).mT


def _place(cuts: Tensor, x: Tensor, width: Tensor, n_context: int) -> Tensor:
    """Cuts below each value, by the row count: float32, with the gradient of a central difference.

    The division cancels when places are standardised; kept so that rounding is the official one. A
    value that moves passes the cuts within `width` around it; a cut that moves passes the value,
    and the sum over those cuts is the difference of two cumulative sums. Where the context does not
    vary there is no width, and nothing passes.
    """
    place = _steps(cuts, x).float() / n_context
    if not (x.requires_grad or cuts.requires_grad):
        return place
    high, low = _steps(cuts, x + width), _steps(cuts, x - width)
    spread = width > NARROWEST
    # A safe divisor first: an infinite slope times a value's 0 would be NaN, forwards too.
    width = torch.where(spread, width, 1)
    slope = (high.float() / n_context - low.float() / n_context) / (2 * width)
    place = place + torch.where(spread, slope, 0) * (x - x.detach())
    if cuts.requires_grad:
        sums = pad((cuts - cuts.detach()).cumsum(dim=-1), (1, 0))
        passed = (sums.gather(-1, high.mT) - sums.gather(-1, low.mT)).mT
        place = place - torch.where(spread, passed / (2 * width * n_context), 0)
    return place


def quantile_features(x_context: Tensor, x_query: Tensor) -> tuple[Tensor, Tensor]:
    """Replaces each value by its place among the context quantiles, standardised by the context.

    The place is a step function of the value, so its derivative is zero or undefined. Where inputs
    require a gradient (adversarial evaluation, energy-based generators, adapters of the inputs),
    the values stay the official ones and the derivative is that of a central difference of the
    step function over +-`GRADIENT_WIDTH` context standard deviations [our choice]: of a value
    against the context's quantiles, and, where `x_context` requires one, of the quantiles against
    the value, so that moving a whole column changes nothing.

    Args:
        x_context: float32 (B, R, F), finite. B * R * F at most 2**24, a limit of torch.quantile.
        x_query: float32 (B, Q, F), finite.

    Returns:
        float32 (B, R, F) and (B, Q, F); zero in columns whose context places are all equal.
    """
    if x_context.shape[-1] == 0:
        return x_context, x_query
    places, context = Places.of(x_context)
    return context, places.query(x_query)


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
