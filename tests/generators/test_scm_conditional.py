"""Interventions and conditions on models whose truth is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators.base import ConditionalGenerator
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

SMALL: dict[str, Any] = {"n_dags": 3, "n_resamples": 1, "alphas": (0.05,), "mechanism": "linear"}
CHAIN = Knowledge(required=[["x", "y"], ["y", "z"]], forbidden=[["x", "z"], ["z", "x"]])
X, Y, TWICE, SEX, Z = range(5)


@pytest.fixture(scope="module")
def chain(chain_table: Table) -> SCMGenerator:
    generator = SCMGenerator(**SMALL, knowledge=CHAIN)
    generator.fit(chain_table, seed=0, progress=False)
    return generator


@pytest.fixture(scope="module")
def classes(mixed: Table) -> SCMGenerator:
    generator = SCMGenerator(**SMALL)
    generator.fit(mixed, seed=0, progress=False)
    return generator


def do(generator: SCMGenerator, **interventions: float | str) -> np.ndarray:
    return generator.sample_do(20_000, np.random.default_rng(0), interventions)


def test_do_on_a_parent_shifts_the_child_by_the_coefficient(chain: SCMGenerator) -> None:
    low, high = do(chain, x=-1.0), do(chain, x=1.0)
    assert (low[:, X] == -1).all()
    assert abs((high - low)[:, Y].mean() - 4) < 0.15
    assert abs((high - low)[:, Z].mean() + 4) < 0.2


def test_do_on_a_child_leaves_its_parent_alone(chain: SCMGenerator) -> None:
    free = chain.sample(20_000, np.random.default_rng(1))
    rows = do(chain, y=2.0)
    assert (rows[:, Y] == 2).all()
    assert abs(np.nanmean(rows[:, X]) - np.nanmean(free[:, X])) < 0.03
    assert abs(np.nanstd(rows[:, X]) - np.nanstd(free[:, X])) < 0.03
    assert abs(rows[:, Z].mean() - (1 - 2)) < 0.1
    # Seeing y = 2 says much about x; doing it says nothing.
    seen = chain.sample_where(2000, np.random.default_rng(0), {"y": (1.8, 2.2)})
    assert abs(np.nanmean(seen[:, X]) - 0.8) < 0.1
    assert abs(np.corrcoef(free[:, Y], free[:, Z])[0, 1]) > 0.8


@pytest.mark.parametrize("scale", ["raw", "quantile"])
def test_held_values_are_exact_on_every_scale(scale: str, chain_table: Table) -> None:
    generator = SCMGenerator(**SMALL, knowledge=CHAIN, scale=scale)
    generator.fit(chain_table, seed=0, progress=False)
    assert len(generator.state.warps) == (3 if scale == "quantile" else 0)
    middle, high = do(generator, x=0.1), do(generator, x=1.1)
    assert (high[:, X] == 1.1).all()
    assert abs((high - middle)[:, Y].mean() - 2) < 0.1
    beyond = do(generator, x=99.0)
    assert (beyond[:, X] == 99).all()
    assert beyond[:, Y].mean() > high[:, Y].mean() + 1
    real = chain_table.values
    assert beyond[:, Y].max() <= real[:, Y].max()


def test_columns_that_are_functions_of_others_follow(chain: SCMGenerator) -> None:
    np.testing.assert_allclose(do(chain, y=1.0)[:, TWICE], 1.0)


def test_a_held_cell_is_never_missing(chain: SCMGenerator) -> None:
    assert not np.isnan(do(chain, x=0.0)).any()
    assert np.isnan(do(chain, y=0.0)[:, X]).any()
    assert np.isnan(chain.sample(500, np.random.default_rng(0))[:, X]).any()


def test_do_takes_labels(chain: SCMGenerator) -> None:
    assert (do(chain, sex="m", x=0.5)[:, [SEX, X]] == [1, 0.5]).all()


def test_do_beyond_the_training_range_says_so(
    chain: SCMGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    do(chain, x=1.0)
    assert "outside" not in caplog.text
    do(chain, x=99.0)
    assert "do('x' = 99) lies outside the training range" in caplog.text


def test_conditional_sampling_gives_the_conditional_mean(chain: SCMGenerator) -> None:
    rows = chain.sample_where(3000, np.random.default_rng(0), {"x": (0.9, 1.1), "sex": "f"})
    assert rows.shape == (3000, 5)
    assert (rows[:, SEX] == 0).all()
    assert ((rows[:, X] >= 0.9) & (rows[:, X] <= 1.1)).all()
    assert abs(rows[:, Y].mean() - 2) < 0.1
    assert abs(rows[:, Y].std() - 1) < 0.1


def test_what_is_too_rare_is_said_with_numbers(chain: SCMGenerator) -> None:
    with pytest.raises(GeneratorError, match=r"[0-9]+ of 100 rows with .*'x'.* in 3000 draws"):
        chain.sample_where(
            100, np.random.default_rng(0), {"x": (1.0, 1.01), "sex": "m"}, max_draws=3000
        )


def test_balanced_classes_have_equal_shares(classes: SCMGenerator) -> None:
    rng = np.random.default_rng(0)
    assert np.bincount(classes.sample_balanced(500, rng)[:, -1].astype(int)).tolist() == [250, 250]
    odd = classes.sample_balanced(7, rng)
    assert sorted(np.bincount(odd[:, -1].astype(int)).tolist()) == [3, 4]
    rows = classes.sample_balanced(400, rng)
    assert (np.diff(rows[:, -1]) != 0).sum() > 100  # in random order
    with pytest.raises(GeneratorError, match=r"of 5000 rows of class '(bad|good)' found in 1000"):
        classes.sample_balanced(10_000, rng, max_draws=1000)


def test_subgroups_are_balanced_too(classes: SCMGenerator, chain: SCMGenerator) -> None:
    rng = np.random.default_rng(0)
    rows = chain.sample_balanced(600, rng, column="sex")
    counts = np.bincount(rows[:, SEX].astype(int))
    assert len(set(counts.tolist())) == 1
    assert isinstance(chain, ConditionalGenerator)
    with pytest.raises(ConfigurationError, match="no column 'age' to balance: there are"):
        chain.sample_balanced(10, rng, column="age")
    with pytest.raises(ConfigurationError, match=r"a column with categories.*'x'"):
        chain.sample_balanced(10, rng, column="x")


def test_balanced_rows_keep_what_their_class_looks_like(classes: SCMGenerator) -> None:
    rng = np.random.default_rng(0)
    free, balanced = classes.sample(20_000, rng), classes.sample_balanced(20_000, rng)
    for label in (0, 1):
        means = [np.nanmean(r[r[:, -1] == label][:, :5], axis=0) for r in (free, balanced)]
        scale = np.nanstd(free[:, :5], axis=0)
        assert (np.abs(means[0] - means[1]) < 0.05 * scale + 1e-12).all()


def test_same_generator_state_same_bits(chain: SCMGenerator) -> None:
    for call in (
        lambda rng: chain.sample_do(50, rng, {"x": 1}),
        lambda rng: chain.sample_where(50, rng, {"sex": "m"}),
    ):
        first, second = (call(np.random.default_rng(3)) for _ in range(2))
        assert first.tobytes() == second.tobytes()


def test_no_rows(chain: SCMGenerator, classes: SCMGenerator) -> None:
    rng = np.random.default_rng(0)
    assert chain.sample_do(0, rng, {"x": 0}).shape == (0, 5)
    assert chain.sample_where(0, rng, {"sex": "m"}).shape == (0, 5)
    assert classes.sample_balanced(0, rng).shape == (0, 11)


def test_a_loaded_generator_can_do_the_same(
    chain: SCMGenerator, chain_table: Table, tmp_path: Path
) -> None:
    chain.save(tmp_path)
    loaded = SCMGenerator(**SMALL, knowledge=CHAIN)
    loaded.load(tmp_path, chain_table)
    assert do(loaded, x=1.0).tobytes() == do(chain, x=1.0).tobytes()
    with pytest.raises(GeneratorError, match="not fitted"):
        SCMGenerator().sample_where(1, np.random.default_rng(0), {})


@pytest.mark.parametrize(
    ("interventions", "message"),
    [
        ({"xx": 1.0}, "no column 'xx': "),
        ({"sex": "w"}, "no label 'w'"),
        ({"x": "m"}, "'x' takes a finite number, got 'm'"),
        ({"x": float("nan")}, "finite"),
        ({"twice": 1.0}, r"do\('twice'\) .* collinear .*: intervene on 'y'"),
    ],
)
def test_interventions_without_meaning(
    chain: SCMGenerator, interventions: dict[str, float | str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        chain.sample_do(1, np.random.default_rng(0), interventions)


@pytest.mark.parametrize("unseen", [1, 4])  # between the labels of the rows, and after
def test_do_on_a_label_that_no_row_holds_leaves_its_duplicate_open(unseen: int) -> None:
    rng = np.random.default_rng(0)
    cause = rng.choice([0.0, 2.0, 3.0], 150)
    twin = np.array([2.0, 9.0, 0.0, 1.0])[cause.astype(int)]
    label = tuple("abcde")
    schema = Schema(
        (Column("k", ColumnKind.CATEGORICAL, label), Column("twin", ColumnKind.CATEGORICAL, label)),
        Column("y", ColumnKind.NUMERICAL),
        TaskType.REGRESSION,
    )
    values = np.column_stack([cause, twin, cause + rng.normal(size=150)])
    generator = SCMGenerator(**SMALL, edges=[["k", "y"]])
    generator.fit(Table("t", "test", schema, values, np.arange(150)), seed=0, progress=False)
    rows = generator.sample_do(20, rng, {"k": label[unseen]})
    assert (rows[:, 0] == unseen).all()
    assert np.isnan(rows[:, 1]).all()
    assert np.isfinite(rows[:, 2]).all()
    assert (generator.sample_do(20, rng, {"k": "a"})[:, 1] == 2).all()


def test_whole_numbers_stay_whole(classes: SCMGenerator) -> None:
    with pytest.raises(ConfigurationError, match=r"'age' takes a whole number, got 40\.5"):
        classes.sample_do(1, np.random.default_rng(0), {"age": 40.5})


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"xx": (0, 1)}, "no column 'xx'"),
        ({"sex": "w"}, "no label 'w'"),
        ({"x": "m"}, r"'x' is \(lowest, highest\), got 'm'"),
        ({"x": (1, 0)}, "lowest"),
        ({"x": 1.0}, "lowest"),
    ],
)
def test_conditions_without_meaning(
    chain: SCMGenerator, conditions: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        chain.sample_where(1, np.random.default_rng(0), conditions)


def test_numbers_out_of_range(chain: SCMGenerator) -> None:
    with pytest.raises(ConfigurationError, match="max_draws"):
        chain.sample_where(1, np.random.default_rng(0), {}, max_draws=0)
    with pytest.raises(ConfigurationError, match="needs a column with categories"):
        chain.sample_balanced(1, np.random.default_rng(0))
