import numpy as np
import pytest

from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

N = 200


def mixed_table(n: int = N, *, seed: int = 0, regression: bool = False) -> Table:
    """Age drives income, colour and age drive risk; one column of each awkward sort."""
    rng = np.random.default_rng(seed)
    age = np.round(rng.uniform(18, 80, n))
    colour = rng.choice(3, n, p=[0.5, 0.3, 0.2]).astype(float)
    income = 100 * age + rng.normal(0, 300, n)
    member = (rng.random(n) < 0.3 + 0.5 * (colour == 1)).astype(float)
    signal = (income - income.mean()) / income.std() + member + rng.normal(0, 0.5, n)
    income[rng.random(n) < 0.1] = np.nan
    table = {
        Column("age", ColumnKind.NUMERICAL, integer=True): age,
        Column("income", ColumnKind.NUMERICAL): income,
        Column("colour", ColumnKind.CATEGORICAL, ("blue", "green", "red")): colour,
        Column("couleur", ColumnKind.CATEGORICAL, ("bleu", "rouge", "vert")): np.array([0, 2, 1])[
            colour.astype(int)
        ],
        Column("member", ColumnKind.BOOLEAN, ("no", "yes")): member,
        Column("years", ColumnKind.NUMERICAL, integer=True): age,
        Column("years left", ColumnKind.NUMERICAL, integer=True): 100 - age - member,
        Column("planet", ColumnKind.CATEGORICAL, ("earth",)): np.zeros(n),
        Column("nothing", ColumnKind.NUMERICAL): np.full(n, np.nan),
        Column("grade", ColumnKind.ORDINAL, ("low", "mid", "high")): np.digitize(
            signal + rng.normal(0, 1, n), [0.0, 1.5]
        ),
    }
    if regression:
        target = Column("risk", ColumnKind.NUMERICAL)
        values, task = 10 + 3 * signal, TaskType.REGRESSION
    else:
        target = Column("risk", ColumnKind.CATEGORICAL, ("bad", "good"))
        values, task = (signal > 0.5).astype(float), TaskType.BINARY
    return Table(
        name="mixed",
        domain="test",
        schema=Schema(tuple(table), target, task),
        values=np.column_stack([*table.values(), values]).astype(float),
        rows=np.arange(n),
    )


@pytest.fixture(scope="session")
def mixed() -> Table:
    return mixed_table()


@pytest.fixture(scope="session")
def mixed_regression() -> Table:
    return mixed_table(regression=True)


@pytest.fixture(scope="session")
def chain_table() -> Table:
    """y = 2 x + e, z = 1 - y + e; `twice` repeats y; sex depends on nothing; gaps in x."""
    rng, n = np.random.default_rng(0), 4000
    x, sex = rng.normal(size=n), (rng.random(n) < 0.1).astype(float)
    y = 2 * x + rng.normal(size=n)
    z = 1 - y + rng.normal(size=n)
    x[rng.random(n) < 0.02] = np.nan
    number = ColumnKind.NUMERICAL
    features = (
        Column("x", number),
        Column("y", number),
        Column("twice", number),
        Column("sex", ColumnKind.CATEGORICAL, ("f", "m")),
    )
    schema = Schema(features, Column("z", number), TaskType.REGRESSION)
    return Table("chain", "test", schema, np.column_stack([x, y, 3 - 2 * y, sex, z]), np.arange(n))
