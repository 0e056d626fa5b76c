"""Predictions as a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError, shortened
from lit_causalmix.model.decision import decided

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell begins with that spreadsheets evaluate."""
_NEGATIVE = re.compile(r"-\d+(\.\d+)?([eE][+-]?\d+)?")

OTHER_FORMATS = (
    *(".gz", ".bz2", ".xz", ".zst", ".zip"),
    *(".parquet", ".pq", ".feather", ".arrow", ".json", ".jsonl", ".xlsx", ".xls", ".ods"),
)
"""Endings of files that hold no plain CSV: what reads one by its name would fail."""


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


def check_csv_name(path: Path) -> None:
    """Refuses the name of another format for a file that is written as plain CSV.

    Raises:
        ConfigurationError: If the name ends as those of such files do.

    Example:
        >>> check_csv_name(Path("predictions.csv"))
    """
    if path.suffix.lower() in OTHER_FORMATS:
        raise ConfigurationError(
            f"predictions are written as plain CSV, and {path} ends with {path.suffix}: name a "
            "file that ends with .csv"
        )


def label_array(labels: Sequence[Any]) -> NDArray[Any]:
    """Class labels as an array that leaves each what it is.

    Args:
        labels: JSON values: text, numbers or truth values.

    Example:
        >>> label_array(["no", "yes"]).dtype, label_array([0, 1]).dtype
        (dtype('O'), dtype('int64'))
        >>> label_array([7, 2**63 + 5]).tolist()  # to NumPy, numbers with a fraction
        [7, 9223372036854775813]
    """
    found = np.array(labels)
    if found.dtype.kind == "f" and all(isinstance(label, int) for label in labels):
        return np.array(labels, dtype=np.uint64 if min(labels) >= 0 else object)
    return found.astype(object) if found.dtype.kind == "U" else found


def checked_levels(levels: Iterable[float], *, least: int = 1) -> tuple[float, ...]:
    """Levels of quantiles as plain numbers.

    Args:
        levels: A list, an array or another iterable of numbers.
        least: Fewest of them.

    Raises:
        ConfigurationError: If they are no numbers in (0, 1), or too few.

    Example:
        >>> checked_levels(np.array([0.25, 0.75]))
        (0.25, 0.75)
    """
    try:
        found: tuple[object, ...] = tuple(levels)
    except TypeError:
        found = (None,)  # a number alone, say, which is no list
    numbers = [float(x) for x in found if isinstance(x, Real) and 0 < float(x) < 1]
    if len(found) < least or len(numbers) < len(found):
        raise ConfigurationError(
            "quantiles lie in (0, 1), one or more numbers in a list or an array, such as "
            f"[0.05, 0.95]: got {shortened(repr(levels))}"
        )
    return tuple(numbers)


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


def escaped_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with an apostrophe before text and names that spreadsheets evaluate.

    A negative number stays one: evaluated it is the same.

    Example:
        >>> escaped_frame(pd.DataFrame({"note": ["=HYPERLINK(1)", "-2.5", "-2+3", None, 7]}))
                     note
        0  '=HYPERLINK(1)
        1            -2.5
        2           '-2+3
        3            None
        4               7
    """
    columns = [cells.map(_escaped_cell, na_action="ignore") for _, cells in frame.items()]
    escaped = pd.DataFrame(dict(enumerate(columns)), index=frame.index)
    return escaped.set_axis([_escaped(str(name)) for name in frame.columns], axis=1)


def _escaped_cell(cell: object) -> object:
    is_text = isinstance(cell, str) and not _NEGATIVE.fullmatch(cell)
    return _escaped(str(cell)) if is_text else cell


def _escaped(label: str) -> str:
    return f"'{label}" if label.startswith(_FORMULA) else label
