"""Global utility: of what use rows are where every column in turn is the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from lit_causalmix.metrics.functional import Score, r2, roc_auc
from lit_causalmix.seeding import rng
from lit_causalmix.tables.scaling import single_unit
from lit_causalmix.tables.schema import Schema

MOST_COLUMNS = 24
"""Columns that take their turn; of more, the target and random others [our choice]."""

TREES, LEAF_ROWS = 30, 3
"""Of the forest that predicts a column [our choice]."""


def skills(
    schema: Schema,
    train: NDArray[np.float64],
    test: NDArray[np.float64],
    columns: Sequence[int],
    *,
    seed: int,
) -> NDArray[np.float64]:
    """How well each column is predicted from all others, trained on some rows, tested on others.

    Global utility (TabStruct, arXiv 2509.11950) takes every column in turn as the target of
    train-on-synthetic-test-on-real, so that structure which the table's own target does not show
    counts as well, without a known graph. Our choices: a forest predicts, categories by their
    codes; the skill is R² of a number and 2 · ROC-AUC − 1 of a category (one-vs-rest, macro), each
    at least 0, so that 0 is a guess and 1 is perfect.

    Args:
        schema: Columns of both matrices.
        train: Coded rows, float64 (n, C + 1).
        test: Coded rows, float64 (m, C + 1).
        columns: The columns that are to be predicted.
        seed: Of the forests.

    Returns:
        float64, one per column; NaN where it does not vary among the rows to test on.
    """
    return np.array([_skill(schema, train, test, j, seed=seed) for j in columns])


def chosen_columns(schema: Schema, real: NDArray[np.float64], *, seed: int) -> list[int]:
    """The columns that are predicted: those that vary, at most `MOST_COLUMNS`, the target first."""
    target = len(schema.columns) - 1
    varying = np.flatnonzero(np.fmin.reduce(real) < np.fmax.reduce(real))
    others = rng(seed, "quality", "columns").permutation(varying[varying != target])
    return [target, *sorted(others[: MOST_COLUMNS - 1].tolist())]


def _skill(
    schema: Schema,
    train: NDArray[np.float64],
    test: NDArray[np.float64],
    column: int,
    *,
    seed: int,
) -> float:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    unit = single_unit(np.concatenate([train, test]))  # no score depends on it
    known = [rows[~np.isnan(rows[:, column])] / unit for rows in (train, test)]
    targets = [rows[:, column] for rows in known]
    if len(targets[1]) < 2 or np.ptp(targets[1]) == 0:
        return float("nan")
    if not len(targets[0]) or np.ptp(targets[0]) == 0:
        return 0.0  # such rows teach nothing
    numerical = schema.columns[column].is_numerical
    kind = RandomForestRegressor if numerical else RandomForestClassifier
    forest = kind(TREES, min_samples_leaf=LEAF_ROWS, max_features="sqrt", random_state=seed)
    forest.fit(np.delete(known[0], column, axis=1), targets[0])
    features, target = np.delete(known[1], column, axis=1), torch.from_numpy(targets[1].copy())
    if numerical:
        return max(0.0, _value(r2(torch.from_numpy(forest.predict(features)), target)))
    probabilities = np.zeros((len(features), len(schema.columns[column].categories)))
    probabilities[:, forest.classes_.astype(np.intp)] = forest.predict_proba(features)
    return max(0.0, 2 * _value(roc_auc(torch.from_numpy(probabilities), target.long())) - 1)


def _value(score: Score) -> float:
    return score.value if score.defined else 0.0
