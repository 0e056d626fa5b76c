"""From coded cells to what a backbone sees: standardised numbers and category indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import TableError
from lit_causalmix.tables.scaling import FARTHEST, moments, unflattened
from lit_causalmix.tables.schema import ColumnKind
from lit_causalmix.tables.table import Table

UNKNOWN_CLASS = -1
"""Encoded class of a row whose target is unknown."""

_PLAIN = ("columns", "left_out", "y_location", "y_scale", "n_classes")
_ARRAYS: Mapping[str, type] = {
    "categorical": np.bool_,
    "nominal": np.bool_,
    "index": np.int64,
    "location": np.float64,
    "scale": np.float64,
}


@dataclass(frozen=True, eq=False)
class Encoder:
    """Standardises numerical columns and keeps category indices; fitted on training rows alone.

    Columns with fewer than two distinct training values carry nothing and are left out.

    Attributes:
        columns: Names of the C' encoded feature columns, in schema order.
        categorical: bool (C',), True where the column holds category indices.
        nominal: bool (C',), True where these categories have no order.
        left_out: Names of the feature columns that are left out.
        y_location: Training mean of a regression target; 0 for classification.
        y_scale: Training standard deviation of a regression target; 1 for classification.
        n_classes: Number of classes; 0 for regression.
        index: int64 (C',), position of each encoded column in a coded matrix.
        location: float64 (C',), training mean, 0 for categorical columns.
        scale: float64 (C',), training standard deviation, 1 for categorical columns; both without
            cells so far out that the others would be one number beside them in float32.
    """

    columns: tuple[str, ...]
    categorical: NDArray[np.bool_]
    nominal: NDArray[np.bool_]
    left_out: tuple[str, ...]
    y_location: float
    y_scale: float
    n_classes: int
    index: NDArray[np.int64]
    location: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, train: Table) -> Encoder:
        """Learns means, deviations and which columns vary from the training split.

        Raises:
            TableError: If no feature varies, or a regression target does not.
        """
        schema = train.schema
        learned = [moments(unflattened(column)) for column in train.features.T]
        kept = [i for i, (_, scale) in enumerate(learned) if scale > 0]
        if not kept:
            raise TableError(
                f"none of the {len(schema.features)} feature columns of {train.name!r} varies in "
                "the training rows: there is nothing to predict from"
            )
        categorical = np.array([not schema.features[i].is_numerical for i in kept])
        location, scale = np.array([learned[i] for i in kept]).T
        y_location, y_scale = (0.0, 1.0) if schema.n_classes else moments(train.target)
        if y_scale == 0:
            raise TableError(f"the target {schema.target.name!r} is constant in the training rows")
        return cls(
            columns=tuple(schema.features[i].name for i in kept),
            categorical=categorical,
            nominal=np.array([schema.features[i].kind is ColumnKind.CATEGORICAL for i in kept]),
            left_out=tuple(c.name for i, c in enumerate(schema.features) if i not in kept),
            y_location=y_location,
            y_scale=y_scale,
            n_classes=schema.n_classes,
            index=np.array(kept, dtype=np.int64),
            location=np.where(categorical, 0.0, location),
            scale=np.where(categorical, 1.0, scale),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, which hold every bit."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Encoder:
        """What `to_dict` described; nothing is nominal where it was not known."""
        data = {"nominal": [False] * len(data["columns"]), **data}
        return cls(
            columns=tuple(map(str, data["columns"])),
            left_out=tuple(map(str, data["left_out"])),
            y_location=float(data["y_location"]),
            y_scale=float(data["y_scale"]),
            n_classes=int(data["n_classes"]),
            **{name: np.array(data[name], dtype=kind) for name, kind in _ARRAYS.items()},
        )

    def features(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Encodes the features of a coded matrix (n, C + 1) as float32 (n, C').

        NaN stays NaN. Numbers beyond ±`FARTHEST` standard deviations are clipped to it.
        """
        standardised = (values[:, self.index] - self.location) / self.scale
        return np.clip(standardised, -FARTHEST, FARTHEST).astype(np.float32)

    def targets(self, values: NDArray[np.float64]) -> NDArray[np.int64] | NDArray[np.float32]:
        """Encodes the target of a coded matrix (n, C + 1).

        Returns:
            int64 (n,) class indices, `UNKNOWN_CLASS` where unknown; or for regression float32
            (n,), standardised, NaN where unknown, clipped to the range of float32.
        """
        target = values[:, -1]
        if self.n_classes:
            return np.where(np.isnan(target), UNKNOWN_CLASS, target).astype(np.int64)
        most = float(np.finfo(np.float32).max)
        return np.clip((target - self.y_location) / self.y_scale, -most, most).astype(np.float32)
