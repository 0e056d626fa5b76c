"""Train on one set of rows, test on another: are synthetic rows of use to a learner?"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from lit_causalmix.metrics.functional import Score, r2, roc_auc
from lit_causalmix.metrics.quality.boosting import BoostedTrees
from lit_causalmix.tables.schema import Schema


def train_on_one_test_on_other(
    schema: Schema, train: NDArray[np.float64], test: NDArray[np.float64], *, seed: int
) -> Score:
    """Fits boosted trees on some rows and scores them on others.

    With synthetic training rows and real test rows this is TSTR, "train on synthetic, test on
    real" (Esteban et al., 2017, arXiv 1706.02633); real training rows give what to compare with.

    Args:
        schema: Columns of both matrices.
        train: Coded rows, float64 (n, C + 1), synthetic or real.
        test: Coded rows, float64 (m, C + 1); rows without a target are left out.
        seed: Of the trees.

    Returns:
        ROC-AUC (one-vs-rest macro) for classification, R² for regression; undefined, with the
        reason, where the targets do not vary.
    """
    classify = schema.task.is_classification
    known = test[~np.isnan(test[:, -1])]
    if not len(known):
        return Score(float("nan"), "no test row has a target")
    if len(np.unique(train[:, -1])) < 2:
        return Score(float("nan"), "the target has one value in the rows to train on")
    if np.isnan(train[:, :-1]).all():
        return Score(float("nan"), "all features are missing in the rows to train on")
    model = BoostedTrees(schema.features, classify=classify, seed=seed)
    model.fit(train[:, :-1], train[:, -1])
    if not classify:
        predicted = torch.from_numpy(model.predict(known[:, :-1]))
        return r2(predicted, torch.from_numpy(known[:, -1].copy()))
    probabilities = np.zeros((len(known), schema.n_classes))
    probabilities[:, model.classes.astype(np.int64)] = model.probabilities(known[:, :-1])
    return roc_auc(torch.from_numpy(probabilities), torch.from_numpy(known[:, -1].astype(np.int64)))
