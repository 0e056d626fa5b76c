import numpy as np
import pytest

from lit_causalmix.backbones import Nano
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators import (
    IndependentColumnsGenerator,
    RelabelledGenerator,
    TabEBMGenerator,
)
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table


def table(regression: bool, n: int = 300, *, constant: bool = False) -> Table:
    """Two normal features; the target depends on the first alone."""
    rng = np.random.default_rng(0)
    x = np.zeros((n, 2)) if constant else rng.standard_normal((n, 2))
    signal = 2 * x[:, 0] + 0.3 * rng.standard_normal(n)
    number = Column("y", ColumnKind.NUMERICAL)
    label = Column("y", ColumnKind.CATEGORICAL, categories=("no", "yes"))
    schema = Schema(
        tuple(Column(name, ColumnKind.NUMERICAL) for name in "ab"),
        number if regression else label,
        TaskType.REGRESSION if regression else TaskType.BINARY,
    )
    y = signal if regression else (signal > 0).astype(float)
    return Table("small", "test", schema, np.column_stack([x, y]), np.arange(n))


def drawn(regression: bool) -> dict[str, np.ndarray]:
    """Rows with independent columns, as they are and with their targets drawn anew."""
    train = table(regression)
    plain, relabelled = (
        IndependentColumnsGenerator(),
        RelabelledGenerator(IndependentColumnsGenerator(), Nano()),
    )
    rows = {}
    for name, generator in (("plain", plain), ("relabelled", relabelled)):
        generator.fit(train, seed=0, progress=False)
        rows[name] = generator.sample(600, np.random.default_rng(1))
    return rows


@pytest.mark.parametrize("regression", [False, True])
def test_the_target_follows_the_features_again_and_they_stay_as_they_were(regression: bool) -> None:
    rows = drawn(regression)
    assert np.array_equal(rows["plain"][:, :-1], rows["relabelled"][:, :-1])
    found = {name: np.corrcoef(r.T)[:2, 2] for name, r in rows.items()}
    assert np.abs(found["plain"]).max() < 0.1
    assert found["relabelled"][0] > (0.9 if regression else 0.65)
    assert abs(found["relabelled"][1]) < 0.15


def test_a_number_keeps_its_spread_given_the_features() -> None:
    rows = drawn(True)["relabelled"]
    inner = np.abs(rows[:, 0]) < 1.5  # at the ends the range of the training rows cuts
    residual = (rows[:, 2] - 2 * rows[:, 0])[inner]
    assert residual.std() == pytest.approx(0.3, rel=0.5)


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without a backbone, got TabEBMGenerator"):
        RelabelledGenerator(TabEBMGenerator())
    with pytest.raises(ConfigurationError, match="max_context_rows must be at least 2, got 1"):
        RelabelledGenerator(max_context_rows=1)
    still = RelabelledGenerator(IndependentColumnsGenerator(), Nano())
    with pytest.raises(GeneratorError, match="no feature of 'small' varies"):
        still.fit(table(False, constant=True), seed=0, progress=False)


@pytest.mark.parametrize("code", [1e10, 1e100])
def test_a_cell_far_out_does_not_hide_the_feature(code: float) -> None:
    train = table(False, 200)
    train.values[:, 2] = train.values[:, 0] > 0
    train.values[3, 0] = code
    generator = RelabelledGenerator(IndependentColumnsGenerator(), Nano())
    generator.fit(train, seed=0, progress=False)
    rows = generator.sample(300, np.random.default_rng(0))
    near = rows[:, 0] < 10
    assert near.mean() > 0.95
    assert ((rows[:, 0] > 0) == rows[:, 2])[near].mean() > 0.95


def test_a_target_with_a_code_for_a_gap_follows_its_feature() -> None:
    train = table(True, 200)
    train.values[3, 2] = 99999
    generator = RelabelledGenerator(IndependentColumnsGenerator(), Nano())
    generator.fit(train, seed=0, progress=False)
    rows = generator.sample(400, np.random.default_rng(0))
    near = rows[:, 2] < 10
    assert 0.95 < near.mean() < 1
    assert np.corrcoef(rows[near].T)[0, 2] > 0.75
