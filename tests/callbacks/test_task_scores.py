import math
from dataclasses import replace

import pytest
import torch
from sklearn.metrics import log_loss, r2_score, roc_auc_score

from lit_causalmix.callbacks.task_scores import classification_scores, regression_scores
from lit_causalmix.prior import PriorSettings, draw_episode


def test_classification_scores_are_scikit_learns() -> None:
    e = draw_episode(PriorSettings(), seed=0, epoch=0, index=2)
    probabilities = torch.rand(e.n_query, e.n_classes, generator=torch.Generator().manual_seed(0))
    probabilities = probabilities / probabilities.sum(dim=1, keepdim=True)
    scores = classification_scores(probabilities, e)
    labels = list(range(e.n_classes))
    assert scores["loss"] == pytest.approx(log_loss(e.y_query, probabilities, labels=labels))
    frequencies = torch.bincount(e.y_context) / len(e.y_context)
    expected = log_loss(e.y_query, frequencies.expand(e.n_query, -1), labels=labels)
    assert scores["baseline"] == pytest.approx(expected, rel=1e-6)
    if e.n_classes == 2:
        assert scores["roc_auc"] == pytest.approx(roc_auc_score(e.y_query, probabilities[:, 1]))


def test_regression_scores_are_in_units_of_the_variance() -> None:
    e = draw_episode(PriorSettings(regression=True), seed=0, epoch=0, index=0)
    assert regression_scores(e.y_query, e)["loss"] == pytest.approx(0, abs=1e-12)
    scores = regression_scores(e.y_query + 0.5, e)
    expected = r2_score(e.y_query, e.y_query + 0.5)
    assert scores["r2"] == pytest.approx(expected, rel=1e-5)
    assert scores["loss"] == pytest.approx(1 - expected, rel=1e-5)
    mean = torch.full_like(e.y_query, float(e.y_context.mean()))
    assert scores["baseline"] == pytest.approx(1 - r2_score(e.y_query, mean), rel=1e-5)


def test_regression_scores_of_equal_targets_are_undefined() -> None:
    e = draw_episode(PriorSettings(regression=True), seed=0, epoch=0, index=0)
    scores = regression_scores(e.y_query, replace(e, y_query=torch.ones(e.n_query)))
    assert all(math.isnan(value) for value in scores.values())


def test_one_class_among_the_query_rows_leaves_roc_auc_undefined() -> None:
    e = draw_episode(PriorSettings(query_rows=1), seed=0, epoch=0, index=0)
    scores = classification_scores(torch.full((1, e.n_classes), 1 / e.n_classes), e)
    assert math.isnan(scores["roc_auc"])
    assert scores["loss"] == pytest.approx(math.log(e.n_classes), rel=1e-5)
