from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.statistics.records import complete, tidy

SCORE = "test/real/roc_auc_normalized"


def test_undefined_scores_are_left_out_and_said(study: Any) -> None:
    records = study({"a": 0.0, "b": 1.0})
    records.loc[[0, 3], SCORE] = [np.nan, np.inf]
    data = tidy(records, SCORE, ["method"])
    assert len(data.frame) == len(records) - 2
    assert data.notes == (f"2 of {len(records)} runs have no {SCORE} and are left out",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.drop(columns="domain"), "lack the column domain: there are table, task"),
        (lambda r: r.assign(**{SCORE: np.nan}), "none of the 96 runs has a value"),
        (lambda r: pd.concat([r, r.assign(size=2.0)]), "several runs have table 'finance_0', seed"),
        (lambda r: r.assign(domain=np.arange(len(r)) % 2), "stands in 2 domains"),
    ],
)
def test_what_is_ambiguous_is_refused(study: Any, change: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as error:
        tidy(change(study({"a": 0.0, "b": 1.0})).reset_index(drop=True), SCORE, ["method"])
    assert "\n" not in str(error.value)


def test_conditions_are_told_apart_by_name(study: Any) -> None:
    records = study({"a": 0.0})
    both = pd.concat([records, records.assign(size=np.nan)], ignore_index=True)
    assert len(tidy(both, SCORE, ["method", "size"]).frame) == len(both)


def test_incomplete_tables_and_seeds_are_dropped_by_name(study: Any) -> None:
    records = study({"a": 0.0, "b": 1.0})
    gone = (records["method"] == "b") & (records["table"] == "finance_3")
    gone |= (records["method"] == "a") & (records["table"] == "medicine_1") & (records["seed"] == 2)
    data = complete(tidy(records[~gone], SCORE, ["method"]), ["method"])
    assert "finance_3" not in set(data.frame["table"])
    assert len(data.frame[data.frame["table"] == "medicine_1"]) == 4
    assert data.notes == (
        "1 of 16 tables lack a run and are left out: finance_3",
        "1 of 48 pairs of table and seed lack a run and are left out: medicine_1",
    )
    alone = records[(records["method"] == "a") != (records["seed"] == 0)]
    with pytest.raises(ConfigurationError, match="no table has a seed with all 2 values of method"):
        complete(tidy(alone, SCORE, ["method"]), ["method"])
