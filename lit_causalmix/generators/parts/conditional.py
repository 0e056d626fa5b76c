"""One column given its parents: what a foundation model is asked, and how a value is drawn.

Shape legend: m = context rows, n = rows to draw, P = parents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.generators.parts.backbone import in_context
from lit_causalmix.generators.parts.binning import (
    draw_classes,
    draw_members,
    frequent_categories,
    quantile_bins,
)
from lit_causalmix.tables.scaling import FARTHEST, apart, single_location_scale
from lit_causalmix.training.mixing import stratified_order

FOLDS = 5
"""Parts of the context; residuals of one come from predictions by the others."""

QUERY_ROWS = 1024
"""Rows asked about at once, a bound on memory."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Training rows as a backbone sees them.

    Attributes:
        values: Coded and imputed, float64 (N, C + 1).
        location: float64 (C + 1,), subtracted from numbers; 0 for categories.
        scale: float64 (C + 1,), divides numbers; 1 for categories. Both without cells so far out
            that the others would be one number beside them in float32.
        categorical: bool (C + 1,).
    """

    values: NDArray[np.float64]
    location: NDArray[np.float64]
    scale: NDArray[np.float64]
    categorical: NDArray[np.bool_]

    @classmethod
    def of(cls, values: NDArray[np.float64], categorical: NDArray[np.bool_]) -> Inputs:
        """Learns the standardisation of numbers from imputed training rows."""
        location, scale = single_location_scale(values)
        return cls(
            values,
            np.where(categorical, 0.0, location),
            np.where(categorical, 1.0, scale),
            categorical,
        )

    def encode(
        self, values: NDArray[np.float64], columns: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Standardises some columns of coded rows: (n, C + 1) to float32 (n, P)."""
        part = (values[:, columns] - self.location[columns]) / self.scale[columns]
        return np.clip(part, -FARTHEST, FARTHEST).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Conditional:
    """A column given its parents.

    Attributes:
        column: Index in the coded matrix.
        parents: int64 (P,), indices in the coded matrix.
        context: int64 (m,), training rows.
        classes: int64 (m,), class of the column's cell in each context row; empty where the column
            is drawn as prediction and residual.
        residuals: float64 (m,), out-of-sample residuals in units of `Inputs.scale`; else empty.
    """

    column: int
    parents: NDArray[np.int64]
    context: NDArray[np.int64]
    classes: NDArray[np.int64]
    residuals: NDArray[np.float64]

    def draw(
        self,
        values: NDArray[np.float64],
        inputs: Inputs,
        backbone: Backbone,
        device: str,
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Draws the column, float64 (n,), for coded rows (n, C + 1) whose parents are filled."""
        x_context = inputs.encode(inputs.values[self.context], self.parents)
        x_query = inputs.encode(values, self.parents)
        categorical = inputs.categorical[self.parents]
        cells = inputs.values[self.context, self.column]
        if len(self.residuals):
            y = (cells - inputs.location[self.column]) / inputs.scale[self.column]
            predicted = ask(backbone, device, x_context, y, x_query, categorical)
            drawn = predicted + rng.choice(self.residuals, size=len(values))
            return np.asarray(inputs.location[self.column] + inputs.scale[self.column] * drawn)
        probabilities = ask(backbone, device, x_context, self.classes, x_query, categorical)
        return draw_members(draw_classes(probabilities, rng), self.classes, cells, rng)


@dataclass(frozen=True)
class Conditioning:
    """How conditionals are learned.

    Attributes:
        backbone: A frozen backbone.
        device: Where it is.
        regress: Whether numbers are drawn as prediction and residual.
        n_bins: Bins of a number that is drawn as a class, at most; a number with no more distinct
            values, or with some that stand apart, is always drawn as a class.
        max_classes: Most classes of the backbone, None for any number.
        max_rows: Most context rows.
    """

    backbone: Backbone
    device: str
    regress: bool
    n_bins: int
    max_classes: int | None
    max_rows: int

    @classmethod
    def within_limits(
        cls, backbone: Backbone, device: str, *, bins_alone: bool, n_bins: int, max_rows: int
    ) -> Conditioning:
        """As far as the backbone goes: `max_rows` at most, and residuals where it regresses.

        Args:
            backbone: A frozen backbone.
            device: Where it is.
            bins_alone: Whether numbers are drawn as classes in any case.
            n_bins: See the attribute.
            max_rows: Most context rows, if the backbone takes so many.
        """
        limits = backbone.limits
        return cls(
            backbone=backbone,
            device=device,
            regress=limits.regression and not bins_alone,
            n_bins=n_bins,
            max_classes=limits.classes,
            max_rows=max_rows
            if limits.context_rows is None
            else min(max_rows, limits.context_rows),
        )

    def learn(
        self,
        column: int,
        parents: NDArray[np.int64],
        known: NDArray[np.int64],
        inputs: Inputs,
        rng: np.random.Generator,
    ) -> Conditional:
        """Chooses the context of a column, and its classes or residuals.

        Args:
            column: Index in the coded matrix.
            parents: int64 (P,), indices in the coded matrix.
            known: int64 (m,), training rows in which the column is not missing.
            inputs: The training rows.
            rng: Source of context and folds.
        """
        cells = inputs.values[known, column]
        if self.as_number(cells, inputs.categorical[column]):
            context = rng.permutation(known)[: self.max_rows]
            residuals = self._residuals(column, parents, context, inputs)
            return Conditional(column, parents, context, np.empty(0, np.int64), residuals)
        classes = self._classes(cells, inputs.categorical[column])
        chosen = stratified_order(classes, len(known), rng)[: self.max_rows]
        return Conditional(column, parents, known[chosen], classes[chosen], np.empty(0))

    def as_number(self, cells: NDArray[np.float64], categorical: bool) -> bool:
        """Whether known cells are drawn as prediction and residual.

        Not where some stand apart from all others (a code such as 99999), if the backbone
        classifies: a residual as large is no noise, and drowns what the others follow.
        """
        if not self.regress or categorical or len(np.unique(cells)) <= self.n_bins:
            return False
        return self.max_classes == 0 or not apart(cells[:, None]).any()

    def _classes(self, cells: NDArray[np.float64], categorical: bool) -> NDArray[np.int64]:
        most = len(cells) if self.max_classes is None else self.max_classes
        if categorical:
            return frequent_categories(cells, most)
        return quantile_bins(cells, min(self.n_bins, most))

    def _residuals(
        self,
        column: int,
        parents: NDArray[np.int64],
        context: NDArray[np.int64],
        inputs: Inputs,
    ) -> NDArray[np.float64]:
        x = inputs.encode(inputs.values[context], parents)
        y = (inputs.values[context, column] - inputs.location[column]) / inputs.scale[column]
        residuals = np.empty(len(context))
        for held_out in np.array_split(np.arange(len(context)), min(FOLDS, len(context))):
            kept = np.delete(np.arange(len(context)), held_out)
            residuals[held_out] = y[held_out] - ask(
                self.backbone,
                self.device,
                x[kept],
                y[kept],
                x[held_out],
                inputs.categorical[parents],
            )
        return residuals


@torch.no_grad()
def ask(
    backbone: Backbone,
    device: str,
    x_context: NDArray[np.float32],
    y_context: NDArray[np.int64] | NDArray[np.float64],
    x_query: NDArray[np.float32],
    categorical: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Returns probabilities float64 (n, K) of integer targets, or predictions (n,) of others."""
    classify = np.issubdtype(y_context.dtype, np.integer)
    y = y_context if classify else np.clip(y_context, -FARTHEST, FARTHEST).astype(np.float32)
    parts = []
    for start in range(0, len(x_query), QUERY_ROWS):
        episode = in_context(
            torch.from_numpy(x_context).to(device),
            torch.from_numpy(y).to(device),
            torch.from_numpy(x_query[start : start + QUERY_ROWS]).to(device),
            categorical=torch.from_numpy(categorical).to(device),
            n_classes=int(y.max()) + 1 if classify else 0,
        )
        parts.append(backbone.predict(backbone(episode), episode).cpu().numpy())
    return np.concatenate(parts).astype(np.float64)
