"""The classic traps of a table, each with what to do about it. All thresholds are our choice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.quiet import single_thread
from lit_causalmix.tables.scaling import single_unit
from lit_causalmix.tables.table import Table

ANSWERS = 0.98
"""Score out of fold from which a column alone is said to hold the answer."""

_FOLDS = 3
_LEAST_ROWS = 30
_WORDS = 3.0
_CODE_DIGITS = 4
_UNKNOWN = (99.0, 999.0, 9999.0, 99999.0)
_FAR = 5.0


def traps(train: Table) -> list[str]:
    """Says in sentences which columns may fool a model or its reader.

    Columns that hold the answer, free text, codes that are taken for numbers, and numbers that
    mean that nothing is known.
    """
    return [*_answers(train), *_texts(train), *_codes(train)]


def _answers(train: Table) -> Iterable[str]:
    """Columns from which the target can be read off nearly without error."""
    target = train.target
    if len(target) < _LEAST_ROWS or len(np.unique(target)) < 2:
        return
    with single_thread():
        for position, column in enumerate(train.schema.features):
            score = _alone(train.features[:, position], train, len(column.categories))
            if score >= ANSWERS:
                measure = "balanced accuracy" if train.schema.n_classes else "R²"
                yield (
                    f"Column {column.name!r} alone tells the target ({measure} {score:.2f} on rows "
                    "held out): if it is known only afterwards, or is the target under another "
                    f"name, leave it out: --data.table.drop '[{column.name}]'."
                )


def _alone(values: NDArray[np.float64], train: Table, n_categories: int) -> float:
    """How well one column predicts the target, out of fold; -inf where that cannot be told."""
    from sklearn.metrics import balanced_accuracy_score, r2_score
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    known = ~np.isnan(values)
    if known.mean() < 0.5 or len(np.unique(values[known])) < 2:
        return -np.inf
    x, y = np.where(known, values, np.nanmin(values) - 1)[:, None], train.target
    if n_categories > 2:  # a tree splits codes by their order, which categories have not
        x = np.eye(n_categories + 1)[np.where(known, values, n_categories).astype(int)]
    x = x / single_unit(x)
    if not train.schema.n_classes:
        tree = DecisionTreeRegressor(min_samples_leaf=2, random_state=0)
        found = cross_val_predict(tree, x, y, cv=KFold(_FOLDS, shuffle=True, random_state=0))
        line = 0.0 if n_categories else np.corrcoef(values[known], y[known])[0, 1] ** 2
        return max(float(r2_score(y, found)), float(line))
    frequent = np.isin(y, np.flatnonzero(np.bincount(y.astype(int)) >= _FOLDS))
    x, y = x[frequent], y[frequent]
    if len(np.unique(y)) < 2:
        return -np.inf
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    found = cross_val_predict(DecisionTreeClassifier(random_state=0), x, y, cv=folds)
    return float(balanced_accuracy_score(y, found))


def _texts(train: Table) -> Iterable[str]:
    """Categorical columns whose labels are sentences."""
    for position, column in enumerate(train.schema.features):
        if column.is_numerical or not column.categories:
            continue
        known = train.features[:, position]
        known = known[~np.isnan(known)].astype(int)
        words = np.array([len(label.split()) for label in column.categories])
        if (
            len(known)
            and words[known].mean() >= _WORDS
            and 4 * len(set(known.tolist())) > len(known)
        ):
            yield (
                f"Column {column.name!r} seems to be free text, of which a category is made for "
                "each different one: turn it into columns that mean something (its length, a word "
                f"that occurs), or leave it out: --data.table.drop '[{column.name}]'."
            )


def _codes(train: Table) -> Iterable[str]:
    """Whole numbers that look like names, and a number that looks like "unknown"."""
    for position, column in enumerate(train.schema.features):
        if not column.is_numerical or column.date_format or not column.integer:
            continue
        known = train.features[:, position]
        levels, counts = np.unique(known[~np.isnan(known)], return_counts=True)
        if counts.sum() < _LEAST_ROWS or len(levels) < 3:
            continue
        if _are_codes(levels, counts):
            yield (
                f"Column {column.name!r} may hold codes, as all its numbers have as many digits "
                "and many repeat; it is taken as numbers. If their order means nothing: "
                f"--data.table.kinds '{{{column.name}: categorical}}'."
            )
        elif levels[-1] in _UNKNOWN and levels[-1] >= _FAR * max(levels[-2], 1):
            yield (
                f"Column {column.name!r} holds {levels[-1]:.0f} in {counts[-1]} rows, far from its "
                "other numbers: if that means that it is not known, say so: "
                f"--data.table.missing_values '[\"{levels[-1]:.0f}\"]'."
            )


def _are_codes(levels: NDArray[np.float64], counts: NDArray[np.int64]) -> bool:
    """Whether whole numbers look like postcodes and the like, and not like years or weights."""
    digits = {len(f"{value:.0f}") for value in levels}
    if len(digits) > 1 or min(digits) < _CODE_DIGITS or levels[0] < 0:
        return False
    is_year = levels[0] >= 1800 and levels[-1] <= 2200
    is_rounded = np.gcd.reduce(levels.astype(np.int64)) > 1
    return bool(counts.sum() > 1.5 * len(levels)) and not is_year and not is_rounded
