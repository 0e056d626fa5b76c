"""Counterfactual rows of `SCMGenerator`: rows to train on, and what one row would have been."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lit_causalmix.backbones import Nano
from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.datamodules.synthetic import SyntheticSource
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators import RelabelledGenerator
from lit_causalmix.generators.parts.cache import fit_or_load
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.tables.table import Table

SMALL: dict[str, Any] = {"n_dags": 3, "n_resamples": 1, "alphas": (0.05,), "mechanism": "linear"}
CHAIN = Knowledge(required=[["x", "y"], ["y", "z"]], forbidden=[["x", "z"], ["z", "x"]])
X, Y, TWICE, SEX, Z = range(5)


def fitted(table: Table, **settings: Any) -> SCMGenerator:
    generator = SCMGenerator(**SMALL | settings)
    generator.fit(table, seed=0, progress=False)
    return generator


@pytest.fixture(scope="module")
def chain(chain_table: Table) -> SCMGenerator:
    return fitted(chain_table, knowledge=CHAIN, scale="raw")


@pytest.mark.parametrize("scale", ["raw", "quantile"])
@pytest.mark.parametrize("kind", ["mixed", "mixed_regression"])
def test_no_fresh_noise_gives_the_real_rows_to_the_bit(
    kind: str, scale: str, request: pytest.FixtureRequest
) -> None:
    table: Table = request.getfixturevalue(kind)
    rows = fitted(table, freshness=0.0, scale=scale, mechanism="auto").sample(
        2 * len(table), np.random.default_rng(3)
    )
    twice = np.concatenate([table.values, table.values])
    assert sorted(r.tobytes() for r in rows) == sorted(r.tobytes() for r in twice)


def test_gaps_stay_those_of_the_source_row(mixed: Table) -> None:
    real = mixed.values
    rows = fitted(mixed, freshness=0.5).sample(len(real), np.random.default_rng(0))
    np.testing.assert_array_equal(np.isnan(rows).mean(axis=0), np.isnan(real).mean(axis=0))
    assert (rows != real).any()
    filled = fitted(mixed, freshness=0.5, missing="none").sample(50, np.random.default_rng(0))
    empty = [c.name for c in mixed.schema.columns].index("nothing")
    assert not np.isnan(np.delete(filled, empty, axis=1)).any()


@pytest.mark.parametrize("missing", ["none", "pattern", "conditional"])
def test_a_column_without_any_cell_stays_empty(mixed: Table, missing: str) -> None:
    empty = [c.name for c in mixed.schema.columns].index("nothing")
    for freshness in (None, 0.5):
        generator = fitted(mixed, freshness=freshness, missing=missing)
        rows = generator.sample(50, np.random.default_rng(0))
        assert np.isnan(rows[:, empty]).all()
        found = generator.counterfactual(mixed.values[0], {"age": 40.0}, n=3)
        assert np.isnan(found[:, empty]).all()
        told = mixed.values[0].copy()
        told[empty] = 7.0  # a cell of a new row is its own
        assert (generator.counterfactual(told, {"age": 40.0}, n=3)[:, empty] == 7).all()


def test_all_noise_fresh_gives_the_distribution_of_rows_without_a_source(
    chain_table: Table,
) -> None:
    settings: dict[str, Any] = {"knowledge": CHAIN, "missing": "pattern"}
    found = fitted(chain_table, freshness=1.0, **settings).sample(8000, np.random.default_rng(0))
    plain = fitted(chain_table, **settings).sample(8000, np.random.default_rng(1))
    assert abs(np.isnan(found[:, X]).mean() - np.isnan(plain[:, X]).mean()) < 0.01
    for j in range(5):
        a, b = (np.sort(v[~np.isnan(v[:, j]), j]) for v in (found, plain))
        both = np.concatenate([a, b])
        gap = np.searchsorted(a, both, "right") / len(a) - np.searchsorted(b, both, "right") / len(
            b
        )
        assert np.abs(gap).max() < 0.032
    np.testing.assert_allclose(
        np.ma.corrcoef(np.ma.masked_invalid(found.T)),
        np.ma.corrcoef(np.ma.masked_invalid(plain.T)),
        atol=0.05,
    )


def test_the_fresher_the_noise_the_fewer_cells_are_those_of_the_source(mixed: Table) -> None:
    kept = []
    for freshness in (0.1, 0.5, 0.9):
        generator = fitted(mixed, freshness=freshness)
        rows = generator.sample(len(mixed), np.random.default_rng(0))
        real = {v.tobytes() for v in mixed.values}
        kept.append(np.mean([r.tobytes() in real for r in rows]))
    assert 1 > kept[0] > kept[1] > kept[2]


def test_rows_are_a_function_of_the_draw_and_survive_loading(mixed: Table, tmp_path: Path) -> None:
    generator = fitted(mixed, freshness=0.3)
    first = generator.sample(70, np.random.default_rng(5))
    assert generator.sample(70, np.random.default_rng(5)).tobytes() == first.tobytes()
    assert generator.sample(0, np.random.default_rng(5)).shape == (0, mixed.values.shape[1])
    generator.save(tmp_path)
    other = SCMGenerator(**SMALL, freshness=0.3)
    other.load(tmp_path, mixed)
    assert other.sample(70, np.random.default_rng(5)).tobytes() == first.tobytes()
    assert len(generator.sample_balanced(40, np.random.default_rng(0))) == 40


def test_one_fit_serves_every_freshness(mixed: Table, tmp_path: Path) -> None:
    plain, some, more = (SCMGenerator(**SMALL, freshness=p) for p in (None, 0.3, 0.9))
    entries = {fit_or_load(g, mixed, seed=0, root=tmp_path, progress=False) for g in (plain, some)}
    assert entries == {fit_or_load(more, mixed, seed=0, root=tmp_path, progress=False)}
    assert plain.draw_settings() == {}
    assert some.draw_settings() == {"freshness": 0.3}
    rows = [g.sample(60, np.random.default_rng(0)) for g in (plain, some, more)]
    assert len({r.tobytes() for r in rows}) == 3
    alone = fitted(mixed, freshness=0.3).sample(60, np.random.default_rng(0))
    assert rows[1].tobytes() == alone.tobytes()


def test_kept_rows_are_those_of_their_freshness(mixed: Table, tmp_path: Path) -> None:
    def pool(freshness: float | None) -> bytes:
        source = SyntheticSource(
            RelabelledGenerator(SCMGenerator(**SMALL, freshness=freshness), Nano()),
            mixed,
            n_classes=mixed.schema.n_classes,
            size=0.5,
            seed=0,
            cache_dir=tmp_path,
            progress=False,
        )
        return source.rows.pool.tobytes()

    first = [pool(p) for p in (None, 0.3, 0.9)]
    assert len(set(first)) == 3
    assert [pool(p) for p in (None, 0.3, 0.9)] == first


def test_a_freshness_beyond_its_range() -> None:
    with pytest.raises(ConfigurationError, match=r"freshness lies between 0 and 1, got 1\.5"):
        SCMGenerator(freshness=1.5)


def test_what_one_row_would_have_been(chain: SCMGenerator, chain_table: Table) -> None:
    """y = 2 x + e, z = 1 - y + e: one step of x moves y by 2 and z by -2, whatever its noise."""
    row = chain_table.values[0]
    found = chain.counterfactual(row, {"x": row[X] + 1}, n=30)
    assert found.shape == (30, 5)
    # Every graph of the knowledge has the chain, so that all draws agree.
    np.testing.assert_allclose(found, np.tile(found[0], (30, 1)), rtol=0, atol=0.2)
    assert (found[:, X] == row[X] + 1).all()
    assert np.abs(found[:, Y] - (row[Y] + 2)).max() < 0.1
    assert np.abs(found[:, TWICE] - (3 - 2 * found[:, Y])).max() < 1e-9
    assert np.abs(found[:, Z] - (row[Z] - 2)).max() < 0.2
    assert (found[:, SEX] == row[SEX]).all()


def test_what_nothing_acts_on_stays_to_the_bit(chain: SCMGenerator, chain_table: Table) -> None:
    row = chain_table.values[1]
    same = chain.counterfactual(row, {"x": row[X]}, n=8)
    assert same.tobytes() == np.tile(row, (8, 1)).tobytes()
    downstream = chain.counterfactual(row, {"y": 0.0}, n=8)
    assert (downstream[:, [X, SEX]] == row[[X, SEX]]).all()


def test_a_gap_stays_a_gap_unless_it_is_held(chain: SCMGenerator, chain_table: Table) -> None:
    values = chain_table.values
    row = values[np.isnan(values[:, X])][0]
    assert np.isnan(chain.counterfactual(row, {"y": 0.0}, n=4)[:, X]).all()
    assert (chain.counterfactual(row, {"x": 0.25}, n=4)[:, X] == 0.25).all()


def test_classes_of_one_row_follow_with_the_frequencies_of_the_posterior(mixed: Table) -> None:
    names = [c.name for c in mixed.schema.columns]
    generator = fitted(mixed, edges=[["member", "risk"]], knowledge=None)
    at, risk = names.index("member"), names.index("risk")
    known = mixed.values[:, [at, risk]]
    row = mixed.values[(known == [0, 0]).all(axis=1)][0]
    found = generator.counterfactual(row, {"member": "yes"}, n=20_000)[:, risk]
    # Of the logistic model itself: P(good | member) by what it draws under each intervention.
    rates = [
        generator.sample_do(40_000, np.random.default_rng(k), {"member": label})[:, risk].mean()
        for k, label in enumerate(("no", "yes"))
    ]
    expected = max(0.0, rates[1] - rates[0]) / (1 - rates[0])
    assert abs(found.mean() - expected) < 0.02


def test_a_row_of_another_table_is_refused(chain: SCMGenerator, chain_table: Table) -> None:
    with pytest.raises(ConfigurationError, match=r"has 5 cells, got an array of \(4,\)"):
        chain.counterfactual(np.zeros(4), {"x": 1.0})
    with pytest.raises(ConfigurationError, match="no column 'w'"):
        chain.counterfactual(np.zeros(5), {"w": 1.0})
