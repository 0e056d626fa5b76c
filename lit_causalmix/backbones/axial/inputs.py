"""What the axial transformer reads of a table: some numbers per cell, learned from the context.

Shape legend: B = tables of equal shape, R = context rows, Q = query rows, S = R + Q, F = columns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lit_causalmix.backbones.tab2d.preprocessing import impute, quantile_features

FREQUENCIES = (1.0, 2.0, 4.0, 8.0)
"""Waves over the range of a column's places, in half periods per half range."""

N_NUMBER_INPUTS = 2 + 2 * len(FREQUENCIES)
"""Inputs that tell a number: its place among the context's quantiles, its value, and waves."""

LIMIT = 5.0
"""Where standardised values level off: beyond it, far values hardly differ."""

N_CODES, CODE_DIM = 64, 16
N_COLUMN_KEYS, COLUMN_DIM = 128, 16

N_CELL_INPUTS = N_NUMBER_INPUTS + 3 + CODE_DIM + COLUMN_DIM


def number_inputs(place: Tensor, value: Tensor) -> Tensor:
    """Tells numbers by rank, by size and, through waves, by which others are near.

    Args:
        place: float (...), place among the context's quantiles, standardised: within ±sqrt(3).
        value: float (...), standardised by the context.

    Returns:
        float (..., N_NUMBER_INPUTS).
    """
    levelled = value / (1 + (value / LIMIT).square()).sqrt()
    # Not by a tensor of frequencies: making one on a GPU waits for what was asked of it before.
    angle = math.pi / math.sqrt(3) * place
    angles = torch.stack([angle * frequency for frequency in FREQUENCIES], dim=-1)
    return torch.cat(
        [place.unsqueeze(-1), levelled.unsqueeze(-1), angles.sin(), angles.cos()], dim=-1
    )


def standardisation(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation along a dimension, which stays; the deviation of a constant is 1."""
    mean = x.mean(dim, keepdim=True)
    deviation = x.std(dim, keepdim=True, correction=0)
    return mean, torch.where(deviation > 1e-6, deviation, 1.0)


class CellInputs(nn.Module):
    """Turns cells into inputs: numbers, categories, gaps, and which column it is.

    A category has no order: its code chooses one of `N_CODES` fixed random vectors (codes beyond
    start again from the first), so that equal levels look alike and others do not. Beside it stands
    how common the level is in the context. Numbers of a categorical column are kept, as some
    codes are ordered. A gap has a mark of its own and no number.

    Columns are told apart by fixed random vectors too, without which two columns of one
    distribution could not be distinguished within a row. So predictions depend a little on the
    order of columns.
    """

    codes: Tensor
    columns: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(N_CODES, CODE_DIM))
        self.register_buffer("columns", torch.zeros(N_COLUMN_KEYS, COLUMN_DIM))

    def forward(self, x_context: Tensor, x_query: Tensor, categorical: Tensor) -> Tensor:
        """Computes the inputs of every cell.

        Args:
            x_context: float32 (B, R, F), NaN in gaps; codes where categorical.
            x_query: float32 (B, Q, F), likewise.
            categorical: bool (B, F).

        Returns:
            float32 (B, S, F, N_CELL_INPUTS).
        """
        n_context, n_columns = x_context.shape[1:]
        x = torch.cat([x_context, x_query], dim=1)
        present = torch.isfinite(x)
        x_context, x_query = impute(x_context, x_query)
        place = torch.cat(quantile_features(x_context, x_query), dim=1)
        # Without a gradient: that of a constant column's deviation is not finite.
        mean, deviation = standardisation(x_context.detach(), dim=1)
        value = (torch.cat([x_context, x_query], dim=1) - mean) / deviation
        is_code = categorical[:, None, :] & present
        code = torch.where(is_code, x, 0.0).detach().long().remainder(N_CODES)
        levels = torch.arange(N_CODES, device=x.device)
        counts = (code[:, :n_context, :, None] == levels).sum(dim=1)  # (B, F, N_CODES)
        common = counts.gather(2, code.mT).mT.float().div(n_context).sqrt()
        position = torch.arange(n_columns, device=x.device) * N_COLUMN_KEYS // max(n_columns, 1)
        return torch.cat(
            [
                number_inputs(place, value) * present.unsqueeze(-1),
                is_code.unsqueeze(-1),
                (common * is_code).unsqueeze(-1),
                ~present.unsqueeze(-1),
                self.codes[code] * is_code.unsqueeze(-1),
                self.columns[position].expand(*x.shape, -1),
            ],
            dim=-1,
        )


class TargetInputs(nn.Module):
    """The target column: an embedding of each context label or number, a mask for query rows."""

    def __init__(self, dim: int, n_classes: int | None) -> None:
        """Creates the embedding; `n_classes` is None for regression."""
        super().__init__()
        self.known: nn.Module = (
            nn.Linear(N_NUMBER_INPUTS, dim) if n_classes is None else nn.Embedding(n_classes, dim)
        )
        self.mask = nn.Parameter(torch.empty(dim))
        self.is_number = n_classes is None

    def forward(self, y_context: Tensor, n_query: int) -> Tensor:
        """Maps labels or standardised numbers (B, R) to (B, R + n_query, 1, E)."""
        y = y_context
        if self.is_number:
            place = quantile_features(y.unsqueeze(-1), y.unsqueeze(-1)[:, :0])[0].squeeze(-1)
            y = number_inputs(place, y)
        known = self.known(y)
        mask = self.mask.to(known.dtype).expand(len(known), n_query, -1)
        return torch.cat([known, mask], dim=1).unsqueeze(2)
