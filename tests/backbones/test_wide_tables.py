"""Choosing columns by the context."""

from dataclasses import replace

import numpy as np
import torch
from sklearn.feature_selection import f_classif, f_regression

from lit_causalmix.backbones.columns import keep_columns, relevance
from lit_causalmix.prior import PriorSettings, draw_episode

SETTINGS = PriorSettings(context_rows=(80, 80), columns=(30, 30), missing_share=0)


def standardised(x: torch.Tensor) -> torch.Tensor:
    deviation = x.std(dim=0, correction=0)
    return (x - x.mean(dim=0)) / torch.where(deviation > 0, deviation, 1)


def test_columns_are_ordered_as_by_scikit_learns_f_tests() -> None:
    generator = torch.Generator().manual_seed(0)
    x = standardised(torch.randn(60, 8, generator=generator))
    classes = torch.randint(3, (60,), generator=generator)
    numbers = torch.randn(60, generator=generator) + x[:, 2]
    expected = np.argsort(f_classif(x.numpy(), classes.numpy())[0])
    assert relevance(x, classes, 3).argsort().tolist() == expected.tolist()
    expected = np.argsort(f_regression(x.numpy(), numbers.numpy())[0])
    assert relevance(x, numbers, 0).argsort().tolist() == expected.tolist()
    r = np.corrcoef(x[:, 2], numbers)[0, 1]
    np.testing.assert_allclose(relevance(x, numbers, 0)[2], r**2, rtol=1e-5)


def test_the_telling_column_stays_and_the_order_is_kept() -> None:
    e = draw_episode(SETTINGS, seed=0, epoch=0, index=0)
    x = e.x_context.clone()
    x[:, 17] = e.y_context.float() * 3 + 5
    kept = keep_columns(replace(e, x_context=x), 4)
    assert kept.x_context.shape == (80, 4)
    assert kept.x_query.shape == (e.n_query, 4)
    assert len(kept.categorical) == 4
    columns = [x.T.tolist().index(column.tolist()) for column in kept.x_context.T]
    assert 17 in columns
    assert columns == sorted(columns)


def test_narrow_tables_pass_unchanged() -> None:
    e = draw_episode(SETTINGS, seed=0, epoch=0, index=0)
    assert keep_columns(e, 30) is e


def test_query_rows_have_no_say() -> None:
    e = draw_episode(SETTINGS, seed=0, epoch=0, index=1)
    other = replace(e, x_query=e.x_query * 100 + 7, y_query=torch.zeros_like(e.y_query))
    assert torch.equal(keep_columns(e, 5).x_context, keep_columns(other, 5).x_context)


def test_gaps_constants_and_empty_columns_are_no_obstacle() -> None:
    e = draw_episode(replace(SETTINGS, regression=True), seed=0, epoch=0, index=2)
    x = e.x_context.clone()
    x[::3, 0], x[:, 1], x[:, 2] = torch.nan, 4.0, torch.nan
    kept = keep_columns(replace(e, x_context=x), 28)
    columns = kept.x_context.nan_to_num(nan=-99.0).T.tolist()
    assert [4.0] * 80 not in columns
    assert [-99.0] * 80 not in columns
    assert x[:, 0].nan_to_num(nan=-99.0).tolist() in columns
