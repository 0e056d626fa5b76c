"""The gap of each run, from its record to a statistic over runs."""

import math

import pytest

from lit_causalmix.study.results import as_frame
from lit_causalmix.study.statistics import OVERALL, aggregate


def record(table: str, seed: int, rank: float | None) -> dict[str, object]:
    facts = dict.fromkeys(("n_train", "n_columns", "n_classes", "best_step"), 1)
    return {
        **facts,
        "table": table,
        "domain": "finance",
        "task": "binary",
        "method": "scm",
        "seed": seed,
        "backbone": "Nano",
        "ratio": 0.5,
        "size": None,
        "seconds": {"total": 1.0},
        **{part: {"test": {}} for part in ("scores", "zero_shot", "normalized")},
        "validation_test_gap": {
            "roc_auc": {
                "rank": {"value": rank, "note": "" if rank is not None else "too few checkpoints"},
                "selection": {"value": 1.5, "note": ""},
            }
        },
    }


def test_gaps_are_columns_that_the_statistics_take() -> None:
    frame = as_frame(
        [record("a", 0, 0.2), record("a", 1, 0.4), record("b", 0, 0.9), record("b", 1, None)]
    )
    assert math.isnan(frame["gap/rank/roc_auc"].iloc[3])
    overall = aggregate(frame, "gap/rank/roc_auc").set_index("domain").loc[OVERALL]
    assert overall["median"] == pytest.approx((0.3 + 0.9) / 2)
    assert overall["n_runs"] == 3
    assert (frame["gap/selection/roc_auc"] == 1.5).all()
