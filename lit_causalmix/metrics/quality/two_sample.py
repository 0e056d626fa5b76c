"""The classifier two-sample test: can a model tell synthetic rows from real ones?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.metrics.quality.boosting import BoostedTrees
from lit_causalmix.metrics.quality.records import row_numbers
from lit_causalmix.tables.schema import Schema

MOST_FOLDS = 5


def two_sample_auc(
    schema: Schema,
    real: NDArray[np.float64],
    synthetic: NDArray[np.float64],
    *,
    seed: int,
) -> float:
    """ROC-AUC of boosted trees that tell real from synthetic rows, cross-validated.

    Classifier two-sample test of Lopez-Paz and Oquab (ICLR 2017, arXiv 1610.06545), with ROC-AUC
    in the place of accuracy, the mean over stratified folds. Both sides are cut to the same number
    of rows, so that the classes are balanced. Equal rows stay in one fold: a row that the model
    has seen in another fold says nothing about the distribution [our choice].

    Args:
        schema: Columns of both matrices.
        real: Coded rows, float64 (n, C + 1).
        synthetic: Coded rows, float64 (m, C + 1).
        seed: Of the folds, of the choice of rows and of the trees.

    Returns:
        About 0.5 where the rows cannot be told apart, 1 where they always can; NaN with too few
        different rows for two folds with both sides.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    n = min(len(real), len(synthetic))
    if n < 2:
        return float("nan")
    chooser = np.random.default_rng(seed)
    X = np.concatenate([part[chooser.permutation(len(part))[:n]] for part in (real, synthetic)])
    y = np.repeat([0, 1], n)
    groups = row_numbers(X)
    n_folds = min(MOST_FOLDS, n, int(groups.max()) + 1)
    if n_folds < 2:
        return float("nan")
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    scores = []
    for train, test in folds.split(X, y, groups):
        if len(np.unique(y[train])) < 2 or len(np.unique(y[test])) < 2:
            continue
        model = BoostedTrees(schema.columns, classify=True, seed=seed).fit(X[train], y[train])
        scores.append(float(roc_auc_score(y[test], model.probabilities(X[test])[:, 1])))
    return float(np.mean(scores)) if scores else float("nan")
