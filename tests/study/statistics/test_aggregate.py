from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.study.statistics import OVERALL, Bootstrap, aggregate

SCORE = "test/real/roc_auc_normalized"


def test_known_answers_per_domain_and_overall() -> None:
    # Table means are 1, 2, 6 in finance and -3 in medicine; the seeds differ around them.
    means = {"f1": 1.0, "f2": 2.0, "f3": 6.0, "m1": -3.0}
    rows = [
        (table, "finance" if table[0] == "f" else "medicine", "scm", seed, mean + shift)
        for table, mean in means.items()
        for seed, shift in enumerate((-1.0, 0.0, 1.0))
    ]
    records = pd.DataFrame(rows, columns=["table", "domain", "method", "seed", SCORE])
    frame = aggregate(records, SCORE).set_index("domain")
    assert list(frame.index) == [OVERALL, "finance", "medicine"]
    assert frame.loc["finance", ["n_tables", "n_runs"]].tolist() == [3, 9]
    assert frame.loc["finance", "median"] == 2
    assert frame.loc["finance", "mean"] == 3
    assert frame.loc["finance", "iqr"] == pytest.approx(2.5)
    assert frame.loc[OVERALL, "improved"] == 0.75
    assert frame.loc["finance", "median_low"] < 2 < frame.loc["finance", "median_high"]
    assert np.isnan(frame.loc["medicine", "mean_low"])


def test_groups_and_missing_sizes(study: Any) -> None:
    records = study({"a": 0.0, "b": 2.0})
    records.loc[records["method"] == "a", "size"] = np.nan
    frame = aggregate(records, SCORE, by=["method", "size"], bootstrap=Bootstrap(100))
    assert len(frame) == 6
    overall = frame[frame["domain"] == OVERALL].set_index("method")
    assert overall.loc["b", "mean"] - overall.loc["a", "mean"] == pytest.approx(2, abs=0.1)
    assert overall.loc["b", "improved"] == 1
    assert (overall["mean_low"] < overall["mean"]).all()
