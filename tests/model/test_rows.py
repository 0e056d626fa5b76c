"""New rows for several members, of which each knows the categories of its own rows."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.backbones import Nano
from lit_causalmix.errors import TableError
from lit_causalmix.model import Member, Predictor
from lit_causalmix.model.card import model_card
from lit_causalmix.model.member import unused_by
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.schema import ColumnKind

ALL = SplitSpec(val_fraction=0, test_fraction=0)


def member(frame: pd.DataFrame, **reading: Any) -> Member:
    train = load_splits(TableSpec(frame, target="target", **reading), ALL).train
    return Member(Nano(), Encoder.fit(train), train, 1024)


def test_categories_of_all_members_are_known_and_a_new_one_is_said_once(
    frame: pd.DataFrame,
) -> None:
    q = pd.Series([*"uv", *[None] * (len(frame) - 2)])
    rows = frame.drop(columns="target").assign(q=q, target=frame["target"])
    parts = [rows.drop(index=0), rows.drop(index=1)]
    spec = TableSpec(rows, target="target")
    model = Predictor(map(member, parts), spec, {})
    known = [m.schema.features[-1].categories for m in model.members]
    assert known == [("v",), ("u",)]
    assert model.features[-1].categories == ("u", "v")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.predict_proba(rows.head(2))
    each = [Predictor([m], spec, {}).predict_proba(rows.head(2)) for m in model.members]
    assert np.array_equal(found, np.mean(each, axis=0, dtype=np.float64).astype(np.float32))
    with pytest.warns(UserWarning, match="unseen in training") as caught:
        model.predict(rows.head(2).assign(q=["u", "w"]))
    said = [str(warning.message) for warning in caught]
    assert said == [
        "column 'q': 1 cell(s) hold categories unseen in training ('w') and count as missing, "
        "first in row 1"
    ]


def test_categories_stand_in_their_order(frame: pd.DataFrame) -> None:
    parts = []
    for sizes in (["10", "b", "L", "XL"], ["9", "a", "M", "XL"], ["9", "a", "S", "L"]):
        number, text = (pd.Series([cell, *["z"] * 20]).reindex(frame.index) for cell in sizes[:2])
        ranked = pd.Series([*sizes[2:], None]).reindex(frame.index)
        told = {"number": number, "text": text, "size": ranked, "target": frame["target"]}
        parts.append(member(pd.DataFrame(told), order={"size": ["S", "M", "L", "XL"]}))
    found = {c.name: c.categories for c in Predictor(parts, TableSpec(""), {}).features}
    assert found["number"] == ("9", "10", "z")
    assert found["text"] == ("a", "b", "z")
    assert found["size"] == ("S", "M", "L", "XL")


def test_a_truth_value_to_one_member_is_a_category_where_another_knows_more(
    frame: pd.DataFrame,
) -> None:
    odd = frame.assign(member=frame["member"].where(frame.index > 1, "maybe"))
    model = Predictor([member(frame), member(odd)], TableSpec(""), {})
    assert model.members[0].schema.features[3].kind is ColumnKind.BOOLEAN
    column = model.features[3]
    assert (column.kind, column.categories) == (ColumnKind.CATEGORICAL, ("maybe", "no", "yes"))


def test_a_column_is_used_where_a_member_uses_it(frame: pd.DataFrame) -> None:
    rows = frame.assign(age=1.0, same=2.0)[["same", *frame]]
    varied = rows.assign(age=frame["age"])
    first, second = member(rows), member(varied)
    assert {"age", "same"} <= set(first.encoder.left_out)
    assert unused_by([first, second]) == {"same"}
    card = model_card(Predictor([first, second], TableSpec(""), {}))
    assert [line.endswith("no |") for line in card.splitlines() if line.startswith("| age")] == [
        False
    ]


def test_a_cell_that_is_no_number_calls_for_what_a_kept_model_allows(frame: pd.DataFrame) -> None:
    model = Predictor([member(frame)], TableSpec(frame, target="target"), {})
    name = next(column.name for column in model.features if column.is_numerical)
    rows = frame.head(3).astype({name: object})
    rows.loc[1, name] = "unknown"
    with pytest.raises(TableError, match=r"row 1 .* holds 'unknown'") as caught:
        model.predict(rows)
    assert str(caught.value).endswith("correct it, or leave the cell empty if its value is missing")
