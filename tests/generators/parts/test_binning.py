import numpy as np
import pytest

from lit_causalmix.generators.parts.binning import (
    draw_classes,
    draw_members,
    frequent_categories,
    quantile_bins,
)


def test_bins_are_equally_filled_and_ascend() -> None:
    values = np.random.default_rng(0).exponential(size=100)
    bins = quantile_bins(values, 5)
    assert np.bincount(bins).tolist() == [20] * 5
    assert (np.diff(bins[np.argsort(values)]) >= 0).all()


def test_few_distinct_values_have_a_bin_each() -> None:
    for share in (10, 90):
        values = np.repeat([2.0, 7.0], [share, 100 - share])
        assert (quantile_bins(values, 5) == (values == 7)).all()


def test_ties_leave_no_bin_empty() -> None:
    values = np.concatenate([np.zeros(80), np.arange(1.0, 21.0)])
    counts = np.bincount(quantile_bins(values, 5))
    assert counts.sum() == 100
    assert (counts > 0).all()


def test_a_ceiling_has_a_bin_of_its_own() -> None:
    values = np.where(np.arange(120) < 11, np.linspace(1, 4, 120), 5.0)
    assert (quantile_bins(values, 10) == (values == 5)).all()
    assert (quantile_bins(-values, 10) == (values < 5)).all()
    assert (quantile_bins(values, 1) == 0).all()


def test_rare_categories_share_the_last_class() -> None:
    codes = np.repeat([4.0, 0.0, 2.0, 7.0], [5, 9, 1, 2])
    classes = frequent_categories(codes, 3)
    assert dict(zip(codes, classes, strict=True)) == {0.0: 0, 4.0: 1, 7.0: 2, 2.0: 2}
    assert len(np.unique(frequent_categories(codes, 4))) == 4


def test_classes_are_drawn_by_their_probabilities() -> None:
    probabilities = np.tile([0.2, 0.0, 0.7, 0.1], (20_000, 1))
    drawn = draw_classes(probabilities, np.random.default_rng(0))
    assert np.bincount(drawn, minlength=4) / 20_000 == pytest.approx([0.2, 0, 0.7, 0.1], abs=0.015)


def test_members_come_from_their_class() -> None:
    classes, cells = np.array([1, 0, 1, 2]), np.array([10.0, 0.0, 11.0, 20.0])
    drawn = draw_members(np.repeat([1, 2], 500), classes, cells, np.random.default_rng(0))
    assert set(drawn[:500]) == {10, 11}
    assert (drawn[:500] == 10).mean() == pytest.approx(0.5, abs=0.1)
    assert (drawn[500:] == 20).all()
