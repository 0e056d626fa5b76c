from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.statistics import FRESH, OVERALL, scaling_curve, slope_effects

SCORE = "test/real/roc_auc_normalized"
SIZES = (0.0, 1.0, 3.0, 7.0)


def scaled(study: Any, slope: float, noise: float = 0.0) -> pd.DataFrame:
    """Scores that rise by `slope` with each doubling of the rows."""
    parts = [
        study({"scm": slope * np.log2(1 + size)}, noise=noise).assign(size=size) for size in SIZES
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_curve_has_the_means_of_the_runs(study: Any) -> None:
    curve = scaling_curve(scaled(study, 0.5), SCORE, "size")
    overall = curve.frame[curve.frame["domain"] == OVERALL]
    assert overall["amount"].tolist() == list(SIZES)
    assert np.diff(overall["mean"]) == pytest.approx([0.5, 0.5, 0.5])
    assert (overall["low"] < overall["mean"]).all()
    assert set(curve.frame["domain"]) == {OVERALL, "finance", "medicine"}
    assert set(curve.frame["n_tables"]) == {16, 8}


def test_a_missing_size_is_fresh_rows_and_the_rightmost_point(study: Any) -> None:
    records = scaled(study, 0.5)
    records.loc[records["size"] == 7, "size"] = np.nan
    curve = scaling_curve(records, SCORE, "size")
    assert curve.frame["amount"].iloc[3] == FRESH
    effects = slope_effects(records, SCORE, "size")
    assert effects.notes == ("48 runs on fresh rows have no size and are left out",)


def test_tables_without_every_amount_are_left_out_of_the_curve(study: Any) -> None:
    records = scaled(study, 0.5)
    gone = (records["table"] == "medicine_2") & (records["size"] == 3)
    curve = scaling_curve(records[~gone], SCORE, "size")
    assert set(curve.frame.loc[curve.frame["domain"] == OVERALL, "n_tables"]) == {15}
    assert curve.notes == ("scm: 1 of 16 tables lack a run and are left out: medicine_2",)


def test_slopes_are_those_put_in(study: Any) -> None:
    effects = slope_effects(scaled(study, -0.25), SCORE, "size")
    assert effects.label == "change per doubling of the rows"
    assert effects.frame["effect"].to_numpy() == pytest.approx(np.full(48, -0.25))
    parts = [study({"scm": 2 * r}, noise=0.0).assign(ratio=r) for r in (0.0, 0.25, 1.0)]
    by_ratio = slope_effects(pd.concat(parts, ignore_index=True), SCORE, "ratio")
    assert by_ratio.frame["effect"].to_numpy() == pytest.approx(np.full(48, 2.0))


def test_a_slope_through_one_amount_is_refused(study: Any) -> None:
    with pytest.raises(ConfigurationError, match="two or more values of size, got 1"):
        slope_effects(study({"scm": 0.0}), SCORE, "size")
