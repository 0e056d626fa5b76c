import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier

from lit_causalmix.episode import PADDING_ROW, Episode
from lit_causalmix.metrics import DomainScores
from lit_causalmix.metrics.functional import root_mean_squared_error
from lit_causalmix.training.references import REFERENCES, ReferenceScores


def episode(*, n_classes: int = 2, seed: int = 0) -> Episode:
    """Two numbers and a category; the target depends on all."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(150, 3, generator=generator)
    x[:, 2] = torch.randint(0, 4, (150,), generator=generator).float()
    value = x[:, 0] + (x[:, 2] == 2).float()
    y = value if n_classes == 0 else torch.bucketize(value, torch.linspace(-0.5, 1, n_classes - 1))
    return Episode.of_rows(
        x, y, 100, n_classes, categorical=torch.tensor([False, False, True]), y_scale=2.0
    )


def test_scores_are_those_of_scikit_learn_on_the_same_rows() -> None:
    one = episode()
    scores = ReferenceScores(partial(DomainScores, True, ())).of([one])
    forest = RandomForestClassifier(random_state=0).fit(one.x_context.numpy(), one.y_context)
    hits = forest.predict(one.x_query.numpy()) == one.y_query.numpy()
    assert tuple(scores) == REFERENCES
    assert scores["random forest"]["real/accuracy"].value == hits.mean()

    values = episode(n_classes=0)
    boosted = HistGradientBoostingRegressor(
        categorical_features=[False, False, True], random_state=0
    ).fit(values.x_context.numpy(), values.y_context)
    predictions = torch.from_numpy(boosted.predict(values.x_query.numpy())) * 2.0
    found = ReferenceScores(partial(DomainScores, False, ())).of([values])["boosting"]["real/rmse"]
    assert found.value == root_mean_squared_error(predictions, values.target).value


def test_chunks_of_query_rows_score_as_one_and_padding_is_not_counted() -> None:
    whole = episode()
    parts = [
        replace(
            whole,
            **{
                name: getattr(whole, name)[rows]
                for name in ("x_query", "y_query", "query_origin", "query_row")
            },
        )
        for rows in (slice(0, 30), slice(30, 50))
    ]
    padding = replace(parts[0], query_row=torch.full((30,), PADDING_ROW))
    expected = ReferenceScores(partial(DomainScores, True, ())).of([whole])
    assert ReferenceScores(partial(DomainScores, True, ())).of([*parts, padding]) == expected


def test_gaps_absent_classes_and_columns_without_a_value_are_taken() -> None:
    one = episode(n_classes=4)
    one.x_context[:, 1] = math.nan
    one.x_query[::3, 0] = math.nan
    one.x_context[5, 2] = math.nan
    kept = one.y_context != 3
    few = replace(one, x_context=one.x_context[kept], y_context=one.y_context[kept])
    for scores in ReferenceScores(partial(DomainScores, True, ("retail",))).of([few]).values():
        assert np.isfinite(scores["retail/log_loss"].value)


def test_a_table_without_a_known_cell_gets_the_class_shares() -> None:
    one = episode()
    one.x_context[:] = math.nan
    for scores in ReferenceScores(partial(DomainScores, True, ())).of([one]).values():
        assert scores["real/roc_auc"].value == 0.5


@pytest.mark.parametrize("categories", [255, 400])
def test_more_categories_than_boosting_takes_are_numbers_to_it(categories: int) -> None:
    x = torch.arange(float(categories))[:, None].repeat(2, 1)
    y = (x[:, 0] > categories / 2).long()
    one = Episode.of_rows(x, y, categories, 2, categorical=torch.tensor([True]))
    score = ReferenceScores(partial(DomainScores, True, ())).of([one])["boosting"]["real/roc_auc"]
    assert score.value == pytest.approx(1.0 if categories > 255 else 0.5)  # two rows a category
