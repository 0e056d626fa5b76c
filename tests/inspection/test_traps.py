import numpy as np
import pandas as pd
import pytest

from lit_causalmix.inspection.traps import traps
from lit_causalmix.tables import SplitSpec, Table, TableSpec, load_splits


def loaded(frame: pd.DataFrame) -> Table:
    """All rows of a frame as training rows."""
    return load_splits(
        TableSpec(frame, target="y"), SplitSpec(val_fraction=0, test_fraction=0)
    ).train


def plain(n: int = 120, *, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": generator.normal(size=n),
            "rooms": generator.integers(1, 7, n),
            "n": np.arange(n) + 0.5,
        }
    )
    frame["colour"] = generator.choice(["red", "green", "blue"], n)
    frame["y"] = np.where(frame.a + generator.normal(size=n) > 0, "p", "q")
    return frame


def test_a_plain_table_has_no_trap() -> None:
    assert traps(loaded(plain())) == []


@pytest.mark.parametrize("regression", [False, True])
def test_columns_that_hold_the_answer_are_named_with_what_to_do(regression: bool) -> None:
    frame = plain()
    if regression:
        frame["y"] = frame.a * 3 + np.random.default_rng(1).normal(size=len(frame))
        frame["later"] = frame.y * 2 + 1
    else:
        frame["later"] = np.where(frame.y == "p", "yes", np.where(frame.rooms > 3, "no", "never"))
    frame.loc[0, "later"] = None
    (found,) = traps(loaded(frame))
    assert found.startswith("Column 'later' alone tells the target")
    assert "--data.table.drop '[later]'" in found


def test_codes_and_free_text_are_named_and_years_and_counts_are_not() -> None:
    generator = np.random.default_rng(2)
    frame = plain()
    frame["zip"] = generator.choice([10115, 20095, 50667, 80331, 70173, 60311], len(frame))
    frame["weight"] = generator.choice([1150, 1175, 1200, 2025], len(frame))
    frame["children"] = generator.choice([0, 1, 2, 99], len(frame))
    frame["year"] = generator.integers(1990, 2020, len(frame))
    words = ["good", "old", "house", "near", "river", "garden", "quiet", "street"]
    frame["remarks"] = [" ".join(generator.choice(words, 5)) for _ in range(len(frame))]
    found = traps(loaded(frame))
    named = {text.split("'")[1]: text for text in found}
    assert set(named) == {"zip", "children", "remarks"}
    assert "--data.table.kinds '{zip: categorical}'" in named["zip"]
    assert """--data.table.missing_values '["99"]'""" in named["children"]
    assert "free text" in named["remarks"]


def test_few_rows_and_rare_classes_are_taken() -> None:
    frame = plain(40)
    frame.loc[:1, "y"] = "only two"
    assert traps(loaded(frame)) == []
    assert traps(loaded(plain(12))) == []


@pytest.mark.parametrize("size", [1e39, 1e100])
def test_numbers_beyond_float32_are_read(size: float) -> None:
    frame = plain()
    frame.loc[[0, 40], "a"] = size, -size
    frame["later"] = np.where(frame.y == "p", size, -size)
    named = {text.split("'")[1] for text in traps(loaded(frame))}
    assert "later" in named
