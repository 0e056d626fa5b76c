"""Numbers from end to end of what a table may hold."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lit_causalmix.backbones import Tab2D
from lit_causalmix.errors import TableError
from lit_causalmix.generators import (
    ARFGenerator,
    DagTFMGenerator,
    IndependentColumnsGenerator,
    JitterGenerator,
    MixedModelGenerator,
    RelabelledGenerator,
    SCMGenerator,
    SMOTENCGenerator,
    TabEBMGenerator,
)
from lit_causalmix.generators.base import Generator
from lit_causalmix.seeding import rng
from lit_causalmix.tables import SplitSpec, TableSpec, encode, load_splits
from lit_causalmix.tables.scaling import (
    LARGEST,
    SMALLEST,
    apart,
    far,
    known_location_scale,
    location_scale,
    moments,
    single_location_scale,
    single_unit,
)

COLUMN = st.lists(st.floats(-LARGEST, LARGEST), min_size=1, max_size=30).map(np.array)


@given(COLUMN)
def test_the_three_forms_agree(column: Any) -> None:
    size = np.abs(column).max()
    assume(size == 0 or size >= SMALLEST)  # what a table takes
    location, scale = location_scale(column[:, None])
    known = known_location_scale(np.append(column, np.nan)[:, None])
    mean, deviation = moments(np.append(np.nan, column))
    assert np.isfinite([*location, *scale, mean, deviation]).all()
    assert known[0][0] == pytest.approx(location[0], rel=1e-9, abs=1e-9 * size)
    if deviation > 1e-9 * size:
        assert known[1][0] == pytest.approx(scale[0], rel=1e-6)
        assert deviation == pytest.approx(scale[0], rel=1e-6)


def test_an_empty_column_is_left_as_it_is() -> None:
    location, scale = known_location_scale(np.full((3, 1), np.nan))
    assert (location[0], scale[0]) == (0.0, 1.0)


def test_no_column_and_no_cell_are_taken() -> None:
    assert far(np.empty((3, 0))).shape == single_unit(np.empty((3, 0)))[None].repeat(3, 0).shape
    empty = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    assert not far(empty).any()
    assert single_unit(empty).tolist() == [1.0, 1.0]


def table(unit: float) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    x = np.clip(generator.normal(size=(60, 2)), -2, 2) / 2
    y = np.clip(x @ [1, -1] + generator.normal(size=60) / 10, -2, 2) / 2
    frame = pd.DataFrame(x * unit, columns=["a", "b"]).assign(
        k=generator.choice(["u", "v"], 60), y=y * unit
    )
    frame.loc[[3, 9, 27], "a"] = np.nan
    return frame


@pytest.mark.parametrize("unit", [1.0001e100, 1.7e308])
@pytest.mark.parametrize("column", ["a", "y"])
def test_numbers_beyond_the_range_are_refused_by_name_and_row(unit: float, column: str) -> None:
    frame = table(1.0)
    frame.loc[11, column] = -unit
    with pytest.raises(TableError, match=rf"column '{column}' holds 1 number\(s\) beyond ±1e\+100"):
        load_splits(TableSpec(frame, target="y"), SplitSpec())
    splits = load_splits(TableSpec(table(1.0), target="y"), SplitSpec())
    with pytest.raises(TableError, match=r"beyond ±1e\+100, first in row\(s\) 11"):
        encode(splits.train.schema, frame)


@pytest.mark.parametrize("unit", [1e-101, 1e-310])
@pytest.mark.parametrize("column", ["a", "y"])
def test_a_column_of_vanishing_numbers_is_refused(unit: float, column: str) -> None:
    frame = table(1.0)
    frame[column] *= unit
    with pytest.raises(TableError, match=rf"the numbers of column '{column}' lie within"):
        load_splits(TableSpec(frame, target="y"), SplitSpec())


def test_single_vanishing_numbers_are_taken() -> None:
    frame = table(1.0)
    frame.loc[5, "a"] = 1e-200
    load_splits(TableSpec(frame, target="y"), SplitSpec())


def generators(task: str) -> list[Generator]:
    scm = {"n_dags": 1, "n_resamples": 1, "alphas": (0.05,)}

    def small() -> Tab2D:
        return Tab2D(dim=16, n_layers=1, task=task)  # type: ignore[arg-type]

    return [
        *(SCMGenerator(mechanism=m, **scm) for m in ("linear", "boosting", "forest")),
        JitterGenerator(),
        IndependentColumnsGenerator(),
        ARFGenerator(n_trees=5),
        *([SMOTENCGenerator()] if find_spec("imblearn") else []),
        MixedModelGenerator(n_models=1, teachers=("tree",)),
        MixedModelGenerator(n_models=1, teachers=("svm",)),
        TabEBMGenerator(backbone=Tab2D(dim=16, n_layers=1), n_steps=2),
        DagTFMGenerator(backbone=small()),
        RelabelledGenerator(generator=JitterGenerator(), backbone=small()),
    ]


@pytest.mark.parametrize("unit", [1e-99, 1e-60, 1e60, 1e100])
@pytest.mark.parametrize("target", ["y", "k"])
def test_every_generator_draws_rows_at_the_ends_of_the_range(unit: float, target: str) -> None:
    frame = table(unit) if target == "k" else table(unit).drop(columns="k")
    splits = load_splits(TableSpec(frame, target=target, name="ends"), SplitSpec())
    low = np.fmin.reduce(splits.train.values, axis=0)
    high = np.fmax.reduce(splits.train.values, axis=0)
    for generator in generators("classification" if target == "k" else "regression"):
        generator.progress = False
        generator.fit(splits.train, seed=0, progress=False)
        rows = generator.sample(64, rng(0, "ends"))
        name = type(generator).__name__
        assert not np.isinf(rows).any(), name
        assert not np.isnan(rows[:, -1]).any(), name
        assert (np.fmin.reduce(rows, axis=0) >= low).all(), name
        assert (np.fmax.reduce(rows, axis=0) <= high).all(), name
        size = np.fmax.reduce(np.abs(splits.train.values), axis=0)
        assert (np.nanstd(rows / size, axis=0) > 0.05).all(), name


def sparse(seed: int, share: float = 0.85, n: int = 200) -> Any:
    """Mostly zeros, else numbers from 1 to 10."""
    generator = np.random.default_rng(seed)
    return np.where(generator.random(n) < share, 0.0, generator.uniform(1, 10, n).round(2))


@pytest.mark.parametrize("code", [99999.0, 1e10, 1e90])
@pytest.mark.parametrize("share", [0.8, 0.9])
def test_far_cells_are_told_beside_many_equal_ones(share: float, code: float) -> None:
    values = np.column_stack([sparse(seed, share) for seed in range(20)])
    assert not far(values).any()
    odd = values.copy()
    odd[:12], odd[12, ::2] = code, -code
    odd[30] = np.nan
    assert (far(odd) == (np.abs(odd) == code)).all()


def test_long_tails_and_small_numbers_among_zeros_are_not_far() -> None:
    generator = np.random.default_rng(0)
    tails = np.exp(3 * generator.normal(size=(400, 50)))
    tails[generator.random(tails.shape) < 0.9] = 0.0
    assert not far(tails).any()
    small = np.repeat([0.0, 1e-6, 5.0, 7.0], [90, 1, 5, 4])[:, None]
    assert not far(small).any()
    assert not far(np.repeat([0.0, 1.0], [90, 10])[:, None] * 1e90).any()


def test_apart_is_what_lies_beyond_a_gap_on_both_sides() -> None:
    ages = np.random.default_rng(0).uniform(18, 80, 120)
    ages[:2], ages[2], ages[3] = 99999, -9999, np.nan
    found = apart(np.column_stack([ages, np.full(120, np.nan)]))
    assert np.flatnonzero(found[:, 0]).tolist() == [0, 1, 2]
    assert not found[:, 1].any()
    tails = np.exp(np.random.default_rng(1).normal(size=(300, 50)))
    assert not apart(tails).any()


def test_float32_reads_all_cells_but_far_ones() -> None:
    values = np.column_stack([sparse(0), np.arange(200.0), np.arange(200.0)])
    plain = [a.tobytes() for a in known_location_scale(values)]
    assert [a.tobytes() for a in single_location_scale(values)] == plain
    odd = values.copy()
    odd[:2, 0], odd[5, 1], odd[7, 1] = 1e10, -1e12, np.nan
    location, scale = single_location_scale(odd)
    assert (location[0], scale[0]) == moments(values[2:, 0])
    assert (location[1], scale[1]) == moments(np.delete(values[:, 1], [5, 7]))
    assert (location[2], scale[2]) == tuple(a[2] for a in known_location_scale(values))
