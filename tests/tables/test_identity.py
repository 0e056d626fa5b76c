"""The identity of a table: rows by content, whatever their order."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.tables import SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.cells import read_cells
from lit_causalmix.tables.identity import TEST, TRAIN, TableIdentity, order_like, row_digests


def digests(frame: pd.DataFrame) -> Any:
    return row_digests(list(read_cells(frame).values()))


def test_equal_rows_have_equal_digests_and_others_have_not(frame: pd.DataFrame) -> None:
    twice = pd.concat([frame, frame], ignore_index=True)
    found = digests(twice)
    assert (found[: len(frame)] == found[len(frame) :]).all()
    assert len(set(found.tolist())) == len(frame.drop_duplicates())
    for column in frame:
        changed = frame.copy()
        changed.loc[3, column] = 1e300 if pd.api.types.is_numeric_dtype(frame[column]) else "other"
        assert (digests(changed) != digests(frame)).sum() <= 1
        assert digests(changed)[3] != digests(frame)[3]
    assert (digests(frame.rename(columns={"age": "years"})) != digests(frame)).all()


def test_what_is_the_same_value_is_the_same_content() -> None:
    a = pd.DataFrame({"x": ["1", "2.50", "", "a "], "y": [1, 2, 3, 4]})
    b = pd.DataFrame({"x": [1.0, "2.5", None, "a"], "y": ["1.0", "2", "3", 4]})
    assert (digests(a) == digests(b)).all()


@pytest.mark.parametrize("seed", range(5))
def test_rows_find_their_place_again(frame: pd.DataFrame, seed: int) -> None:
    twins = pd.concat([frame, frame.head(40)], ignore_index=True)
    shuffled = twins.sample(frac=1.0, random_state=seed).reset_index(drop=True)
    order = order_like(digests(shuffled), digests(twins))
    assert order is not None
    pd.testing.assert_frame_equal(shuffled.iloc[order].reset_index(drop=True), twins)
    assert order_like(digests(shuffled.head(30)), digests(twins)) is None
    assert order_like(digests(shuffled), digests(twins.assign(age=0))) is None


def test_a_shuffled_table_is_split_as_before(frame: pd.DataFrame) -> None:
    frame.loc[5, "target"] = None
    split = SplitSpec(seed=3, max_train_rows=50)
    shuffled = TableSpec(frame.sample(frac=1.0, random_state=1), target="target")
    with pytest.warns(UserWarning, match="no target"):
        first = load_splits(TableSpec(frame, target="target"), split)
    with pytest.warns(UserWarning, match="no target"):
        again = load_splits(shuffled, split, first.identity)
    for part in ("train", "val", "test"):
        mine, theirs = getattr(again, part), getattr(first, part)
        assert mine.fingerprint() == theirs.fingerprint()
        assert (mine.rows == theirs.rows).all()
    assert again.identity is not None
    assert first.identity is not None
    assert again.identity.difference(first.identity) is None
    assert (first.identity.parts == TRAIN).sum() == 50
    assert set(np.flatnonzero(first.identity.parts == TEST)) == set(first.test.rows.tolist())


def test_an_identity_survives_plain_values_and_says_what_differs(frame: pd.DataFrame) -> None:
    spec = TableSpec(frame, target="target", name="mixed")
    own = load_splits(spec, SplitSpec()).identity
    assert own is not None
    state = own.state()
    read = TableIdentity.from_state(state | {"rows": state["rows"].tolist()})
    assert own.difference(read) is None

    def difference(table: TableSpec, split: SplitSpec = SplitSpec()) -> str:  # noqa: B008
        return str(load_splits(table, split).identity.difference(own))  # type: ignore[union-attr]

    assert difference(spec, SplitSpec(seed=4)) == "its split's seed is 0, here 4"
    grown = TableSpec(pd.concat([frame, frame.head(1).assign(age=99)]), target="target")
    assert "160 rows, this one 161, of which 1 are not in it" in difference(grown)
    kinds = TableSpec(frame, target="target", kinds={"age": "categorical"})
    assert "columns are read otherwise: 'age'" in difference(kinds)
    assert "its task is binary" in difference(TableSpec(frame, target="colour"))
