"""Conditional missingness through the generator."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

SMALL: dict[str, Any] = {"n_dags": 3, "n_resamples": 1, "alphas": (0.05,), "mechanism": "linear"}


def table(n: int = 800) -> Table:
    """The gaps in a follow b; c repeats a, gaps included."""
    rng = np.random.default_rng(0)
    b = rng.normal(size=n)
    a, y = b + rng.normal(size=n), (b + rng.normal(size=n) > 0).astype(float)
    a[rng.random(n) < 1 / (1 + np.exp(1 - 3 * b))] = np.nan
    features = tuple(Column(name, ColumnKind.NUMERICAL) for name in "abc")
    target = Column("y", ColumnKind.CATEGORICAL, ("no", "yes"))
    schema = Schema(features, target, TaskType.BINARY)
    return Table("gaps", "test", schema, np.column_stack([a, b, a, y]), np.arange(n))


def fitted(missing: str) -> SCMGenerator:
    generator = SCMGenerator(**SMALL, missing=missing)
    generator.fit(table(), seed=0, progress=False)
    return generator


@pytest.fixture(scope="module")
def conditional() -> SCMGenerator:
    return fitted("conditional")


def dependence(rows: np.ndarray) -> float:
    return float(np.corrcoef(np.isnan(rows[:, 0]), rows[:, 1])[0, 1])


def test_dependence_of_gaps_on_values_is_kept(conditional: SCMGenerator) -> None:
    real = table().values
    rows = conditional.sample(10_000, np.random.default_rng(0))
    pattern = fitted("pattern").sample(10_000, np.random.default_rng(0))
    assert dependence(real) > 0.5
    assert abs(dependence(rows) - dependence(real)) < 0.06
    assert abs(dependence(pattern)) < 0.05
    rate = np.isnan(real).mean(axis=0)
    np.testing.assert_allclose(np.isnan(rows).mean(axis=0), rate, atol=0.02)
    np.testing.assert_allclose(np.isnan(pattern).mean(axis=0), rate, atol=0.02)
    assert (np.isnan(rows[:, 0]) == np.isnan(rows[:, 2])).all()


def test_a_held_cell_is_never_missing(conditional: SCMGenerator) -> None:
    rows = conditional.sample_do(2000, np.random.default_rng(0), {"a": 0.5})
    assert (rows[:, 0] == 0.5).all()
    assert np.isnan(rows[:, 2]).any()


def test_an_intervention_changes_what_is_missing(conditional: SCMGenerator) -> None:
    low, high = (
        np.isnan(conditional.sample_do(2000, np.random.default_rng(0), {"b": b})[:, 0]).mean()
        for b in (-1.5, 1.5)
    )
    assert high - low > 0.7


def test_saved_and_loaded_gives_the_same_bits(conditional: SCMGenerator, tmp_path: Path) -> None:
    conditional.save(tmp_path)
    loaded = SCMGenerator(**SMALL, missing="conditional")
    loaded.load(tmp_path, table())
    first, second = (g.sample(300, np.random.default_rng(1)) for g in (conditional, loaded))
    assert first.tobytes() == second.tobytes()


def test_a_table_without_gaps(conditional: SCMGenerator) -> None:
    full = table()
    full.values[:] = np.nan_to_num(full.values)
    generator = SCMGenerator(**SMALL, missing="conditional")
    generator.fit(full, seed=0, progress=False)
    assert not np.isnan(generator.sample(500, np.random.default_rng(0))).any()
