"""Predictions as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lit_causalmix.model.decision import decided

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell begins with that spreadsheets evaluate."""


def prediction_frame(
    predictions: NDArray[np.floating[Any]],
    labels: Sequence[str],
    *,
    quantiles: NDArray[np.floating[Any]] | None = None,
    levels: Sequence[float] = (),
    escape_formulas: bool = False,
    threshold: float | None = None,
) -> pd.DataFrame:
    """One line per row: the prediction, and what is known of its distribution.

    Args:
        predictions: Probabilities (n, K), or numbers (n,).
        labels: The K class labels; empty for regression.
        quantiles: (n, L), for regression.
        levels: Their L probabilities.
        escape_formulas: Whether a label that begins like a formula gets an apostrophe before it.
        threshold: Of two classes the second is predicted above it.

    Example:
        >>> prediction_frame(np.array([[0.25, 0.75]]), ["no", "yes"])
          prediction  probability_no  probability_yes
        0        yes            0.25             0.75
    """
    if not labels:
        columns: dict[str, Any] = {"prediction": predictions}
        if quantiles is not None:
            names = [f"quantile_{name}" for name in level_names(levels)]
            columns |= {name: quantiles[:, k] for k, name in enumerate(names)}
        return pd.DataFrame(columns)
    # The headers begin with "probability_" and are no formulas.
    chosen = [labels[k] for k in decided(predictions, threshold)]
    columns = {"prediction": [_escaped(label) if escape_formulas else label for label in chosen]}
    columns |= {f"probability_{label}": predictions[:, k] for k, label in enumerate(labels)}
    return pd.DataFrame(columns)


def level_names(levels: Sequence[float]) -> list[str]:
    """Levels as text: six digits, or all of them where two levels are the same in six.

    Example:
        >>> level_names([0.05, 0.9999999, 0.99999999])
        ['0.05', '0.9999999', '0.99999999']
    """
    short = [f"{level:g}" for level in levels]
    return [
        name if short.count(name) == 1 else repr(float(level))
        for name, level in zip(short, levels, strict=True)
    ]


def _escaped(label: str) -> str:
    return f"'{label}" if label.startswith(_FORMULA) else label
