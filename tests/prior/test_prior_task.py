from collections import Counter
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch

from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.prior import PriorSettings, draw_episode

pytestmark = pytest.mark.filterwarnings("error")


def same(a: Episode, b: Episode) -> bool:
    pairs = [(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)]
    return all(
        torch.equal(torch.nan_to_num(x), torch.nan_to_num(y))
        if isinstance(x, torch.Tensor) and x.is_floating_point() and x.shape == y.shape
        else torch.equal(x, y)
        if isinstance(x, torch.Tensor)
        else x == y
        for x, y in pairs
    )


def draw(settings: PriorSettings, n: int, **where: Any) -> list[Episode]:
    return [
        draw_episode(settings, **({"seed": 3, "epoch": 0, "index": i} | where)) for i in range(n)
    ]


@pytest.mark.parametrize("regression", [False, True])
def test_an_episode_depends_on_its_place_alone(regression: bool) -> None:
    settings = PriorSettings(regression=regression)
    place = {"seed": 1, "epoch": 2, "index": 3}
    first = draw_episode(settings, **place)
    np.random.seed(5)  # noqa: NPY002  # the global generator must not matter
    draw_episode(settings, seed=9, epoch=9, index=9)
    assert same(draw_episode(settings, **place), first)
    others = [place | {key: 0} for key in place] + [place | {"stream": "val"}]
    assert not any(same(draw_episode(settings, **other), first) for other in others)


def test_the_global_generators_rest() -> None:
    before, torch_before = np.random.get_state()[1], torch.get_rng_state()  # noqa: NPY002
    draw(PriorSettings(), 5)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_before)


@pytest.mark.parametrize("tree_share", [0.0, 1.0])
@pytest.mark.parametrize("regression", [False, True])
def test_episodes_keep_the_contract(regression: bool, tree_share: float) -> None:
    settings = PriorSettings(regression=regression, tree_share=tree_share)
    for e in draw(settings, 100):
        n_context, n_columns = e.x_context.shape
        assert e.x_query.shape[1] == n_columns == len(e.categorical)
        assert e.x_context.dtype == e.x_query.dtype == torch.float32
        assert not torch.isinf(e.x_context).any()
        assert not torch.isinf(e.x_query).any()
        assert settings.context_rows[0] <= n_context <= settings.context_rows[1]
        assert settings.columns[0] <= n_columns <= settings.columns[1]
        assert 1 <= e.n_query <= settings.query_rows
        assert (n_context + settings.query_rows) * (n_columns + 1) <= settings.max_cells
        assert len(e.y_context) == n_context
        assert len(e.y_query) == len(e.query_row) == e.n_query
        codes = torch.cat([e.x_context, e.x_query])[:, e.categorical].nan_to_num()
        assert torch.equal(codes, codes.round().clamp_min(0))
        if regression:
            assert e.n_classes == 0
            assert e.y_context.dtype == torch.float32
            assert abs(e.y_context.mean()) < 1e-3
            assert abs(e.y_context.std(correction=0) - 1) < 1e-3
            assert torch.isfinite(e.y_query).all()
        else:
            assert 2 <= e.n_classes <= settings.max_classes
            assert e.y_context.unique().tolist() == list(range(e.n_classes))
            assert set(e.y_query.tolist()) <= set(range(e.n_classes))


def test_numerical_columns_are_standardised_by_the_context() -> None:
    for e in draw(PriorSettings(missing_share=0, categorical_share=0), 30):
        assert not e.categorical.any()
        mean, deviation = e.x_context.mean(dim=0), e.x_context.std(dim=0, correction=0)
        assert (mean.abs() < 1e-4).all()
        assert ((deviation - 1).abs() < 1e-3).logical_or(deviation == 0).all()


def test_shares_steer_what_is_drawn() -> None:
    plain = draw(PriorSettings(missing_share=0, categorical_share=0), 60)
    rich = draw(PriorSettings(missing_share=1, categorical_share=1), 60)
    assert not any(e.x_context.isnan().any() or e.categorical.any() for e in plain)
    assert np.mean([bool(e.x_context.isnan().any()) for e in rich]) > 0.7
    assert np.mean([bool(e.categorical.any()) for e in rich]) > 0.7
    classes = Counter(e.n_classes for e in plain + rich)
    assert 0.3 < classes[2] / 120 < 0.7
    assert max(classes) > 7
    assert max(e.n_classes for e in draw(PriorSettings(max_classes=2), 20)) == 2


@pytest.mark.parametrize("tree_share", [0.0, 1.0])
def test_many_tasks_can_be_learned_and_some_cannot(tree_share: float) -> None:
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import roc_auc_score

    settings = PriorSettings(
        tree_share=tree_share, context_rows=(200, 200), max_classes=2, max_cells=20_000
    )
    scores = []
    for e in draw(settings, 30):
        model = ExtraTreesClassifier(30, min_samples_leaf=2, random_state=0)
        model.fit(torch.nan_to_num(e.x_context), e.y_context)
        if len(e.y_query.unique()) == 2:
            positive = model.predict_proba(torch.nan_to_num(e.x_query))[:, 1]
            scores.append(roc_auc_score(e.y_query, positive))
    assert np.median(scores) > 0.65
    assert np.quantile(scores, 0.95) > 0.9
    assert np.quantile(scores, 0.05) < 0.7


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"context_rows": (4, 100)}, r"context_rows must be a range .* 8 <= low"),
        ({"columns": (5, 2)}, r"columns must be a range"),
        ({"max_classes": 1}, "max_classes must be >= 2, got 1"),
        ({"query_rows": 0}, "query_rows must be >= 1"),
        ({"tree_share": 1.5}, r"tree_share must lie in \[0, 1\], got 1.5"),
        ({"max_cells": 100}, "max_cells must hold .* got 100"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        PriorSettings(**change)
