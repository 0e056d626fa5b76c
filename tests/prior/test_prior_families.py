"""The second generation's families; the first generation's draws stay as they were."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.prior import PriorSettings, draw_episode
from lit_causalmix.prior.functions import FAMILIES
from lit_causalmix.prior.mechanisms import Mechanism
from lit_causalmix.prior.rich_columns import (
    LAYOUTS,
    code_cutter,
    remove_by_value,
    show_rich_number,
)
from lit_causalmix.prior.rich_targets import class_shares, draw_labels

pytestmark = pytest.mark.filterwarnings("error")

RICH = PriorSettings(
    columns=(1, 30),
    families=dict.fromkeys(FAMILIES, 1.0),
    cardinality=100,
    missing_share=0.5,
    imbalance_share=0.3,
    irrelevant_share=0.3,
    value_gap_share=0.5,
)
EVERY = sorted({m for group in FAMILIES.values() for m in group}, key=lambda m: m.__name__)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("regression", "index", "found"),
    [
        (False, 0, ((235, 18), 3, 18, 1846.000, 91.000)),
        (False, 2, ((60, 7), 2, 1, 55.858, 47.000)),
        (False, 4, ((71, 6), 7, 0, 27.082, 273.000)),
        (True, 0, ((235, 18), 0, 17, 1896.677, 17.108)),
        (True, 2, ((60, 7), 0, 2, 585.113, -7.658)),
        (True, 4, ((71, 6), 0, 0, 34.152, -17.496)),
    ],
)
def test_tasks_without_families_are_the_ones_drawn_before_there_were_any(
    regression: bool, index: int, found: tuple[object, ...]
) -> None:
    e = draw_episode(PriorSettings(regression=regression), seed=3, epoch=0, index=index)
    shape, n_classes, n_codes, features, target = found
    assert (tuple(e.x_context.shape), e.n_classes, int(e.categorical.sum())) == (
        shape,
        n_classes,
        n_codes,
    )
    assert float(e.x_query.nan_to_num().double().sum()) == pytest.approx(features, abs=2e-3)
    assert float(e.y_query.double().sum()) == pytest.approx(target, abs=2e-3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("regression", [False, True])
def test_tasks_of_every_family_keep_the_contract(family: str, regression: bool) -> None:
    settings = replace(RICH, regression=regression, families={family: 1.0})
    for i in range(40):
        e = draw_episode(settings, seed=1, epoch=0, index=i)
        assert not torch.isinf(torch.cat([e.x_context, e.x_query])).any()
        codes = torch.cat([e.x_context, e.x_query])[:, e.categorical].nan_to_num()
        assert torch.equal(codes, codes.round().clamp(0, 99))
        if regression:
            assert torch.isfinite(e.y_query).all()
            assert abs(float(e.y_context.std(correction=0)) - 1) < 1e-3
        else:
            assert e.y_context.unique().tolist() == list(range(e.n_classes))
        again = draw_episode(settings, seed=1, epoch=0, index=i)
        assert torch.equal(e.x_context.nan_to_num(), again.x_context.nan_to_num())


def test_a_family_has_tasks_that_can_be_learned() -> None:
    from sklearn.ensemble import ExtraTreesRegressor

    for family in FAMILIES:
        settings = PriorSettings(
            regression=True,
            families={family: 1.0},
            context_rows=(250, 250),
            columns=(1, 6),
            missing_share=0,
        )
        gains = []
        for i in range(15):
            e = draw_episode(settings, seed=2, epoch=0, index=i)
            model = ExtraTreesRegressor(30, random_state=0).fit(e.x_context, e.y_context)
            gains.append(model.score(e.x_query, e.y_query))
        assert np.quantile(gains, 0.6) > 0.2, family
        assert np.max(gains) > 0.6, family


@pytest.mark.parametrize("mechanism", EVERY)
def test_functions_are_standardised_and_finite(mechanism: Mechanism) -> None:
    for seed in range(20):
        x = generator(seed).normal(size=(60, 3))
        x[30:] = x[:30]  # equal parents, equal outputs
        y = mechanism(x, 2, generator(seed))
        assert y.shape == (60, 2)
        np.testing.assert_allclose(y[30:], y[:30], atol=1e-9)
        np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-7)
        power = np.square(y).mean(axis=0)
        assert np.all((abs(power - 1) < 1e-6) | (power < 1e-12))
    assert np.isfinite(mechanism(np.zeros((20, 2)), 1, generator())).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_give_standardised_columns(layout: object) -> None:
    x = layout(300, 5, generator(1))  # type: ignore[operator]
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-6)


def test_categories_reach_the_cardinality_and_no_further() -> None:
    cut = code_cutter(100)
    value = generator().normal(size=2_000)
    levels = [int(cut(value, generator(seed)).max()) + 1 for seed in range(200)]
    assert 60 < max(levels) <= 100
    assert np.median(levels) < 20
    assert min(int(cut(value, generator(seed)).min()) for seed in range(50)) == 0


def test_shown_numbers_are_finite_and_some_have_heavy_tails() -> None:
    value = generator().normal(size=1_000)
    shown = [show_rich_number(value, generator(seed)) for seed in range(100)]
    assert all(np.isfinite(column).all() for column in shown)
    reach = [np.abs(c - c.mean()).max() / max(c.std(), 1e-9) for c in shown]
    assert np.quantile(reach, 0.9) > 8 > np.median(reach)


def test_gaps_by_value_tell_something_and_leave_the_other_cells() -> None:
    told = []
    for seed in range(40):
        x = generator(seed).normal(size=(400, 4))
        target = x[:, 0]
        gone = remove_by_value(x, target, generator(seed))
        gaps = np.isnan(gone)
        assert gaps.any()
        assert np.array_equal(gone[~gaps], x[~gaps])
        causes = [x[:, j] for j in range(4)]
        gaps_of = gaps[:, gaps.any(axis=0)].T.astype(float)
        told.append(max(abs(np.corrcoef(g, c)[0, 1]) for g in gaps_of for c in causes))
    assert np.median(told) > 0.3


def test_imbalanced_classes_are_rare_in_what_is_drawn() -> None:
    rare = [class_shares(3, True, generator(seed)).min() for seed in range(100)]
    assert np.median(rare) < 0.06
    x = generator().normal(size=(3_000, 2))
    for seed in range(30):
        shares = class_shares(2, True, generator(seed))
        labels = draw_labels(x, 3_000, shares, generator(seed), FAMILIES["smooth"])
        assert labels.max() <= 1
        assert np.bincount(labels, minlength=2).min() / 3_000 < shares.min() + 0.2
    assert draw_labels(None, 50, np.array([0.0, 1.0]), generator(), ()).tolist() == [1] * 50


def test_irrelevant_columns_are_many() -> None:
    settings = PriorSettings(
        regression=True,
        families={"linear": 1.0},
        irrelevant_share=1.0,
        columns=(20, 20),
        context_rows=(300, 300),
        categorical_share=0,
        missing_share=0,
        max_cells=20_000,
    )
    related = []
    for i in range(20):
        e = draw_episode(settings, seed=0, epoch=0, index=i)
        x = torch.cat([e.x_context, e.y_context[:, None]], dim=1)
        related.append(float((torch.corrcoef(x.T)[-1, :-1].abs() > 0.25).sum()))
    assert np.median(related) <= 6


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"families": {"forest": 1.0}}, "families are among graph, linear, .* got forest"),
        ({"families": {"graph": 0.0}}, "weights >= 0 of which one is above 0"),
        ({"families": {"graph": -1.0}}, "weights >= 0 of which one is above 0"),
        ({"imbalance_share": 0.5}, "imbalance_share take effect with families alone"),
        ({"cardinality": 50}, "cardinality take effect with families alone"),
        ({"families": {"graph": 1.0}, "cardinality": 1}, "cardinality must be >= 2, got 1"),
    ],
)
def test_impossible_families_are_refused(change: dict[str, object], rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        PriorSettings(**change)  # type: ignore[arg-type]
