from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lit_causalmix.backbones import Nano, Tab2D
from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.causal.search.discovery import DiscoverySettings
from lit_causalmix.errors import ConfigurationError, GeneratorError, LimitError
from lit_causalmix.generators.dag_tfm import DagTFMGenerator
from lit_causalmix.generators.parts.conditional import Inputs
from lit_causalmix.tables.scaling import known_location_scale
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

QUICK = DiscoverySettings(algorithms=("pc",), n_resamples=1, alphas=(0.05,))
CHAIN = [["a", "b"], ["b", "c"]]


def table(columns: dict[Column, NDArray[np.float64]]) -> Table:
    *features, target = columns
    task = TaskType.REGRESSION if target.is_numerical else TaskType.MULTICLASS
    values = np.column_stack(list(columns.values())).astype(float)
    schema = Schema(tuple(features), target, task)
    return Table("small", "test", schema, values, np.arange(len(values)))


def numbers(**columns: NDArray[np.float64]) -> Table:
    return table({Column(name, ColumnKind.NUMERICAL): cells for name, cells in columns.items()})


def chain(n: int = 400) -> Table:
    """a → b → c, linear, with unit Gaussian noise: correlations .894, .973 and .870."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal(n)
    b = 2 * a + rng.standard_normal(n)
    c = -2 * b + 1.06 * rng.standard_normal(n)
    return numbers(a=a, b=b, c=c)


def fitted(train: Table, **settings: Any) -> DagTFMGenerator:
    generator = DagTFMGenerator(Nano(n_ensemble=1), **settings)
    generator.progress = False
    generator.fit(train, seed=0, progress=False)
    return generator


def drawn(train: Table, n: int = 1_500, **settings: Any) -> NDArray[np.float64]:
    return fitted(train, **settings).sample(n, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("numerical", "tolerance"),
    [("residual", 0.03), ("bins", 0.3)],  # within a bin, nothing depends on the parents
)
def test_with_the_true_graph_a_gaussian_chain_is_recovered(
    numerical: str, tolerance: float
) -> None:
    train = chain()
    rows = drawn(train, edges=CHAIN, numerical=numerical)
    expected, found = np.corrcoef(train.values.T), np.corrcoef(rows.T)
    assert np.abs(found - expected).max() < tolerance
    assert found[0, 2] < -0.5
    for low in (-1.0, 0.0):  # conditional means of b given a, by half a deviation of a
        real, synthetic = (
            v[(v[:, 0] >= low) & (v[:, 0] < low + 0.5), 1].mean() for v in (train.values, rows)
        )
        assert synthetic == pytest.approx(real, abs=0.35 if numerical == "residual" else 0.6)
    assert rows.std(axis=0) == pytest.approx(train.values.std(axis=0), rel=0.12)


def test_with_an_empty_graph_columns_are_independent() -> None:
    train = chain()
    rows = drawn(train, edges=[])
    assert np.abs(np.corrcoef(rows.T) - np.eye(3)).max() < 0.08
    assert np.isin(rows, train.values).all()
    assert rows.mean(axis=0) == pytest.approx(train.values.mean(axis=0), abs=0.3)


def test_a_missing_edge_takes_exactly_its_dependence_away() -> None:
    found = np.corrcoef(drawn(chain(), edges=[["a", "b"]]).T)
    assert found[0, 1] > 0.8
    assert np.abs(found[:2, 2]).max() < 0.08


def test_residuals_are_out_of_sample() -> None:
    """Their spread is that of the noise, not that of a fit which saw the rows."""
    train = chain()
    generator = fitted(train, edges=CHAIN, numerical="residual")
    spread = {
        c.column: c.residuals.std() * generator.state.inputs.scale[c.column]
        for c in generator.state.conditionals
    }
    assert spread[1] == pytest.approx(1.0, rel=0.25)
    assert spread[2] == pytest.approx(1.06, rel=0.4)


def test_categories_follow_their_parents() -> None:
    rng = np.random.default_rng(0)
    cause = rng.choice(2, 300).astype(float)
    effect = np.where(rng.random(300) < 0.85, cause, 2.0)
    train = table(
        {
            Column("cause", ColumnKind.BOOLEAN, ("no", "yes")): cause,
            Column("effect", ColumnKind.CATEGORICAL, ("a", "b", "c")): effect,
        }
    )
    rows = drawn(train, edges=[["cause", "effect"]])
    for value in (0, 1):
        shares = (
            np.bincount(rows[rows[:, 0] == value, 1].astype(int), minlength=3)
            / (rows[:, 0] == value).sum()
        )
        real = train.values[train.values[:, 0] == value, 1].astype(int)
        assert shares == pytest.approx(np.bincount(real, minlength=3) / len(real), abs=0.08)


def test_more_categories_than_classes_share_the_last_one() -> None:
    rng = np.random.default_rng(0)
    cause = rng.standard_normal(600)
    city = np.minimum(rng.geometric(0.2, 600) - 1, 24).astype(float)
    city[cause > 0] = 0
    labels = tuple(f"city {i}" for i in range(25))
    train = table(
        {
            Column("city", ColumnKind.CATEGORICAL, labels): city,
            Column("cause", ColumnKind.NUMERICAL): cause,
        }
    )
    generator = DagTFMGenerator(Nano().classifier, edges=[["cause", "city"]])  # of ten classes
    generator.progress = False
    generator.fit(train, seed=0, progress=False)
    (conditional,) = generator.state.conditionals
    assert conditional.classes.max() == 9
    rows = generator.sample(3_000, np.random.default_rng(0))
    real = np.bincount(city.astype(int), minlength=25) / 600
    shares = np.bincount(rows[:, 0].astype(int), minlength=25) / 3_000
    assert (shares[real > 0.005] > 0).all()
    assert shares == pytest.approx(real, abs=0.06)
    assert (rows[rows[:, 1] > 0.5, 0] == 0).mean() > 0.85


def test_numbers_of_few_values_keep_them() -> None:
    rng = np.random.default_rng(0)
    cause = rng.standard_normal(200)
    count = np.digitize(cause + 0.3 * rng.standard_normal(200), [-0.5, 0.5]).astype(float)
    rows = drawn(numbers(cause=cause, count=10 * count), edges=[["cause", "count"]])
    assert set(rows[:, 1]) == {0, 10, 20}
    assert np.corrcoef(rows.T)[0, 1] > 0.7


def test_discovered_graphs_keep_what_is_known(mixed: Table) -> None:
    knowledge = Knowledge(required=[["age", "income"]], target_is_sink=True)
    generator = fitted(mixed, knowledge=knowledge, discovery=QUICK, n_dags=3)
    names = generator.edge_probabilities.names
    assert generator.dags.shape == (3, len(names), len(names))
    assert generator.dags[:, names.index("age"), names.index("income")].all()
    assert not generator.dags[:, names.index("risk")].any()
    rows = generator.sample(300, np.random.default_rng(0))
    assert (rows[:, 2] == np.array([0, 2, 1])[rows[:, 3].astype(int)]).all()  # a duplicate
    assert np.isnan(rows[:, 1]).mean() == pytest.approx(0.1, abs=0.06)
    both = ~np.isnan(rows[:, 1])
    assert np.corrcoef(rows[both, 0], rows[both, 1])[0, 1] > 0.9


def test_it_comes_back_after_save(mixed_regression: Table, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"edges": [["age", "income"], ["income", "risk"]]}
    generator = fitted(mixed_regression, **settings)
    generator.save(tmp_path)
    again = DagTFMGenerator(Nano(n_ensemble=1), **settings)
    again.progress = False
    again.load(tmp_path, mixed_regression)
    one, two = (g.sample(50, np.random.default_rng(0)) for g in (generator, again))
    assert np.array_equal(one, two, equal_nan=True)
    for other in ({"edges": [["age", "income"]]}, {"knowledge": generator.knowledge}):
        with pytest.raises(GeneratorError, match="other settings"):
            DagTFMGenerator(Nano(n_ensemble=1), **other).load(tmp_path, mixed_regression)


def test_a_backbone_that_cannot_do_it_is_refused_before_any_search(mixed: Table) -> None:
    classifier = Tab2D(dim=8, n_layers=1, n_heads=2)
    with pytest.raises(LimitError, match="needs a backbone that regresses, and Tab2D does not"):
        DagTFMGenerator(classifier, numerical="residual").fit(mixed, seed=0)
    regressor = Tab2D(dim=8, n_layers=1, n_heads=2, task="regression")
    with pytest.raises(LimitError, match="'colour' is drawn as a class, and Tab2D does not"):
        DagTFMGenerator(regressor).fit(mixed, seed=0)
    narrow = Tab2D(dim=8, n_layers=1, n_heads=2, max_columns=1)
    with pytest.raises(LimitError, match="at most 1 columns, and 'risk' has 2 parents"):
        DagTFMGenerator(narrow, edges=[["age", "risk"], ["member", "risk"]]).fit(mixed, seed=0)


def test_a_regressor_alone_draws_numbers() -> None:
    regressor = Nano().regressor
    generator = DagTFMGenerator(regressor, edges=CHAIN)
    generator.progress = False
    generator.fit(chain(100), seed=0, progress=False)
    assert generator.sample(20, np.random.default_rng(0)).shape == (20, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_dags": 0}, "n_dags must be at least 1"),
        ({"n_bins": 1}, "n_bins must be at least 2"),
        ({"numerical": "exact"}, "numerical must be one of"),
        ({"edges": [["a", "b"], ["b", "a"]]}, "form a cycle"),
        ({"edges": [], "knowledge": Knowledge()}, "set one of them"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DagTFMGenerator(**settings)


def test_an_edge_of_an_unknown_column_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no column 'd'"):
        DagTFMGenerator(edges=[["a", "d"]]).fit(chain(50), seed=0)


@pytest.mark.parametrize("code", [1e10, 1e100])
def test_a_cell_far_out_leaves_the_other_cells_of_a_parent_apart(code: float) -> None:
    rng = np.random.default_rng(0)
    cause = rng.uniform(0, 1, 200)
    effect = (cause > 0.5).astype(float)
    cause[3] = code
    label = Column("effect", ColumnKind.CATEGORICAL, ("low", "high"))
    train = table({Column("cause", ColumnKind.NUMERICAL): cause, label: effect})
    rows = drawn(train, 300, edges=[["cause", "effect"]])
    near = rows[:, 0] < 1
    assert near.mean() > 0.95
    assert ((rows[:, 0] > 0.5) == rows[:, 1])[near].mean() > 0.95


@pytest.mark.parametrize("code", [99999.0, 1e100])
def test_a_child_with_a_cell_far_out_follows_its_parent(code: float) -> None:
    train = chain(200)
    train.values[3, 1] = code
    rows = drawn(train, 400, edges=[["a", "b"]])
    near = rows[:, 1] < 1e3
    assert 0.95 < near.mean() < 1
    assert np.corrcoef(rows[near, :2].T)[0, 1] > 0.65


def test_standardisation_without_cells_far_out_is_as_before() -> None:
    values = chain().values
    inputs = Inputs.of(values, np.array([False, False, False]))
    location, scale = known_location_scale(values)
    assert inputs.location.tobytes() == location.tobytes()
    assert inputs.scale.tobytes() == scale.tobytes()
