"""What TabPFN v1 was published with between a table and the network, as pure functions.

Source: package tabpfn 0.1.11, `transformer_predict` with the transformations "none" and
"power_all" (Hollmann et al., "TabPFN", ICLR 2023, arXiv 2207.01848). All statistics come from the
context rows and carry no gradient; the result is differentiable in the query rows.

Shape legend: R = context rows, Q = query rows, C = columns. `known` is bool of the shape of `x`,
False where a cell is missing; `x` holds 0 there, because a NaN would make gradients NaN as well.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

CLIP = 100.0
"""Standardised values are clipped to [-CLIP, CLIP]."""

OUTLIER_SIGMAS = 4.0
"""Beyond this many deviations a value grows with its logarithm only."""


def moments(x: Tensor, counted: Tensor, *, correction: int = 1) -> tuple[Tensor, Tensor]:
    """Returns mean and deviation of each column over the counted cells, float (C,) each.

    Args:
        x: float (R, C).
        counted: bool (R, C).
        correction: What is taken off the number of cells in the deviation's denominator.
    """
    n = counted.sum(dim=0).to(x.dtype)
    mean = torch.where(counted, x, 0.0).sum(dim=0) / n.clamp(min=1)
    squares = torch.where(counted, x - mean, 0.0).square().sum(dim=0)
    return mean, torch.sqrt(squares / (n - correction).clamp(min=1))


def standardise(x: Tensor, known: Tensor, n_context: int) -> Tensor:
    """Standardises each column of x, float (R + Q, C), by its context rows, and clips."""
    with torch.no_grad():
        mean, deviation = moments(x[:n_context], known[:n_context])
    return ((x - mean) / (deviation + 1e-6)).clip(-CLIP, CLIP)


def varying_columns(x: Tensor, known: Tensor, n_context: int) -> Tensor:
    """Returns bool (C,): whether a column has two different cells in the context.

    A missing cell differs from every other, as published: a column that is constant where it is
    known is kept, and counts when columns are scaled to the width of the network.
    """
    context = x[:n_context]
    return ((context != context[:1]) | ~known[:n_context]).any(dim=0)


def soften_outliers(x: Tensor, known: Tensor, n_context: int) -> Tensor:
    """Bends values beyond four deviations to logarithmic growth.

    The bounds are computed twice, the second time from the cells within the first ones.
    """
    with torch.no_grad():
        context, counted = x[:n_context], known[:n_context]
        mean, deviation = moments(context, counted)
        counted = counted & ((context - mean).abs() <= OUTLIER_SIGMAS * deviation)
        mean, deviation = moments(context, counted)
        lower, upper = mean - OUTLIER_SIGMAS * deviation, mean + OUTLIER_SIGMAS * deviation
    x = torch.maximum(x, lower - x.abs().log1p())
    return torch.minimum(x, upper + x.abs().log1p())


def _yeo_johnson_exponents(x: Tensor, known: Tensor) -> Tensor:
    """Returns the most likely exponent of each column, float64 (C,), NaN where none is found."""
    from sklearn.preprocessing import PowerTransformer

    columns = torch.where(known, x, torch.nan).double().cpu().numpy()
    exponents = np.full(columns.shape[1], np.nan)
    for c in range(columns.shape[1]):
        with warnings.catch_warnings():
            # As published: a column whose transformation overflows or warns stays as it is.
            warnings.simplefilter("error")
            try:
                fitted = PowerTransformer(standardize=False).fit(columns[:, [c]])
            except (ValueError, ArithmeticError, Warning):
                continue
            exponents[c] = fitted.lambdas_[0]
    return torch.as_tensor(exponents, device=x.device)


def _power(x: Tensor, exponent: Tensor) -> Tensor:
    """Returns ((1 + x) ** exponent - 1) / exponent for x >= 0, and its limit at exponent 0."""
    zero = exponent.abs() < 1e-12
    safe = torch.where(zero, 1.0, exponent)
    return torch.where(zero, x.log1p(), torch.expm1(safe * x.log1p()) / safe)


def gaussianise(x: Tensor, known: Tensor, n_context: int) -> Tensor:
    """Makes each column more Gaussian by the Yeo-Johnson transformation, then standardises it.

    Exponents, means and deviations come from the context. Columns where no exponent can be found
    stay as they are.
    """
    with torch.no_grad():
        exponents = _yeo_johnson_exponents(x[:n_context], known[:n_context])
        found = exponents.isfinite()
        exponents = torch.where(found, exponents, 1.0)
    wide = x.double()
    wide = _power(wide.clamp(min=0), exponents) - _power((-wide).clamp(min=0), 2 - exponents)
    with torch.no_grad():
        mean, deviation = moments(wide[:n_context], known[:n_context], correction=0)
        deviation = torch.where(deviation > 0, deviation, 1.0)
    return torch.where(found, (wide - mean) / deviation, x.double()).to(x.dtype)


def preprocess(x_context: Tensor, x_query: Tensor, *, width: int, power: bool = False) -> Tensor:
    """Turns the rows of an episode into the network's input.

    Args:
        x_context: float (R, C), NaN where missing, C <= width.
        x_query: float (Q, C), encoded alike.
        width: Columns that the network takes.
        power: Whether to apply `gaussianise`.

    Returns:
        float32 (R + Q, K): the K columns that vary in the context, scaled by width / K. It does
        not change when a column is shifted or scaled by a positive factor, up to rounding and to
        the 1e-6 that the published code adds to each deviation. Missing cells become 0, and so
        does a column with fewer than two known cells in the context.
    """
    n_context = x_context.shape[0]
    x = torch.cat([x_context, x_query]).float()
    known = ~x.isnan()
    known = known & (known[:n_context].sum(dim=0) > 1)
    x = standardise(torch.where(known, x, 0.0), known, n_context)
    kept = varying_columns(x, known, n_context)
    x, known = x[:, kept], known[:, kept]
    if power:
        x = gaussianise(x, known, n_context)
    x = soften_outliers(x, known, n_context)
    return torch.where(known, x, 0.0) * (width / max(x.shape[1], 1))
