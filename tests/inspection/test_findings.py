import numpy as np
import pandas as pd

from lit_causalmix.inspection.findings import (
    column_facts,
    feature_summary,
    problems,
)
from lit_causalmix.tables import SplitSpec, Table, TableSpec, load_splits
from lit_causalmix.tables.table import class_counts


def loaded(frame: pd.DataFrame, **spec: object) -> Table:
    """All rows of a frame as training rows."""
    whole = SplitSpec(val_fraction=0, test_fraction=0)
    return load_splits(TableSpec(frame, target="y", **spec), whole).train  # type: ignore[arg-type]


def awkward() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 200
    frame = pd.DataFrame(
        {
            "fine": rng.normal(size=n).round(1),
            "id": np.arange(n),
            "name": [f"n{k}" for k in range(n)],
            "mostly": np.where(np.arange(n) < 199, "a", "b"),
            "day": pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d"),
            "y": np.where(np.arange(n) < 195, "common", "rare"),
        }
    )
    frame.loc[:99, "fine"] = np.nan
    return frame


def test_every_problem_is_said_once() -> None:
    found = "\n".join(problems(loaded(awkward(), kinds={"day": "date"})))
    for words in (
        "1 class(es) of 'y' have fewer than 10 training rows: 'rare' (5)",
        "1 of 6 columns have missing cells, most of them 'fine' (50%)",
        "'fine': 50% of the cells missing",
        "'id': nearly every row has a value of its own",
        "'name': nearly every row has a value of its own",
        "'mostly': one value in 99.5% of the rows",
    ):
        assert found.count(words) == 1, words


def test_repeated_and_conflicting_rows_are_counted() -> None:
    frame = pd.DataFrame({"a": [1.5, 1.5, 1.5, 2.5, 2.5, 3.5], "y": list("nnynyy")})
    found = problems(loaded(frame))
    assert any(text.startswith("1 of 6 training rows (16.7%) repeat") for text in found)
    assert any(text.startswith("2 training rows have the same features") for text in found)


def test_a_plain_table_has_no_problem() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=80), "c": rng.choice(["u", "v"], 80)})
    frame["y"] = np.where(frame.a + rng.normal(size=80) > 0, "p", "q")
    train = loaded(frame)
    assert problems(train) == []
    assert feature_summary(train.schema) == "2 features (1 numerical, 1 categorical)"
    counts = dict(class_counts(train, train))
    assert counts["p"] == [int((frame.y == "p").sum())] * 2


def test_facts_show_values_as_in_the_source() -> None:
    facts = {fact.name: fact for fact in column_facts(loaded(awkward(), kinds={"day": "date"}))}
    assert facts["id"].values == "0 to 199, median 99.5"
    assert facts["day"].values == "2024-01-01 to 2024-07-18, median 2024-04-09"
    assert facts["mostly"].values == "a (>99%), b (<1%)"
    assert facts["mostly"].remark == "1 category has a single row"
    assert facts["y"].kind == "categorical (target)"
    assert facts["fine"].missing == 0.5
