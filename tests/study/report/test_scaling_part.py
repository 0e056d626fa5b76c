"""Axes of synthetic rows: which cells lie on them, and what the page says of them."""

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.study.record import Record
from lit_causalmix.study.report.blocks import Setting, main_setting

Report = Callable[..., tuple[str, dict[str, bytes]]]
MakeRecord = Callable[..., Record]
SIZES = (0.5, 1.0, 3.0, 7.0)


def curve(cell: MakeRecord, *, slope: float, lr: float = 1e-5, tables: int = 6) -> list[Record]:
    """Default, and a method whose score grows by `slope` with every doubling of the rows."""
    records = []
    for number in range(tables):
        level = 0.1 * number
        where = {"table": f"t{number}", "domain": "ab"[number % 2]}
        records.append(cell("default", level, **where))
        records.append(cell("causalmixft", level, **where, lr=lr))
        records += [
            cell("causalmixft", level + slope * np.log2(1 + s), **where, size=s, lr=lr)
            for s in SIZES
        ]
    return records


def csv(files: dict[str, bytes], name: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(files[f"nano_classification_{name}.csv"]))


def test_the_slope_is_found_and_judged(report: Report, cell: MakeRecord) -> None:
    text, files = report(curve(cell, slope=0.2))
    found = csv(files, "by_size")
    overall = found[found["domain"] == "all tables"].set_index("amount")["mean"]
    assert overall[0.0] == pytest.approx(0.25), "default stands where there are no synthetic rows"
    assert overall[3.0] == pytest.approx(0.25 + 0.2 * 2)
    assert overall[np.inf] == pytest.approx(0.25), "fresh rows"
    assert set(found["domain"]) == {"all tables", "a", "b"}
    slope = csv(files, "answer_size").set_index("domain")
    assert slope.loc["all tables", "mean"] == pytest.approx(0.2)
    assert "nano, classification, more synthetic rows: the more, the better." in text
    assert "nano_classification_by_size.png" in files


def test_default_trained_otherwise_is_no_point_of_the_curve(
    report: Report, cell: MakeRecord
) -> None:
    _, files = report(curve(cell, slope=0.2, lr=1e-3))
    assert 0.0 not in set(csv(files, "by_size")["amount"])


def test_a_study_without_default_finds_it_at_the_share_0(report: Report, cell: MakeRecord) -> None:
    """As where default fine-tuning is but the point 0 of both axes, run once for all methods."""
    records = [
        cell(method, gain * ratio, table=f"t{k}", ratio=ratio, size=size)
        for k in range(6)
        for method, gain, ratio, size in (
            ("causalmixft", 1.0, 0.0, 0.0),
            ("causalmixft", 1.0, 0.25, None),
            ("causalmixft", 1.0, 0.5, None),
            ("jitter", -1.0, 0.25, None),
            ("jitter", -1.0, 0.5, None),
        )
    ]
    text, files = report(records)
    assert "With causalmixft in place of default" in text
    assert csv(files, "answer_mix")["mean"].iloc[0] == pytest.approx(0.5)
    found = csv(files, "by_ratio")
    overall = found[found["domain"] == "all tables"].set_index(["method", "amount"])["mean"]
    assert overall["jitter"].to_dict() == pytest.approx({0.0: 0.0, 0.25: -0.25, 0.5: -0.5})
    cost = pd.read_csv(io.BytesIO(files["cost.csv"]))
    assert dict(zip(cost["method"], cost["cells"], strict=True)) == {
        "causalmixft": 18,
        "jitter": 12,
    }


def test_shares_are_an_axis_of_their_own(report: Report, cell: MakeRecord) -> None:
    records = [
        cell("causalmixft", -ratio, table=f"t{k}", ratio=ratio)
        for k in range(6)
        for ratio in (0.25, 0.5, 1.0)
    ]
    text, files = report([*records, *(cell("default", 0.0, table=f"t{k}") for k in range(6))])
    found = csv(files, "by_ratio")
    assert list(found["amount"]) == [0.0, 0.25, 0.5, 1.0] * 2
    assert csv(files, "answer_ratio")["mean"].iloc[0] == pytest.approx(-1.0)
    assert "Left out: no method has two or more values of the synthetic size." in text


def test_one_setting_is_no_axis(report: Report, cell: MakeRecord) -> None:
    text, files = report([cell(m, 0.1, table=t) for m in ("default", "causalmixft") for t in "ab"])
    assert "no method has two or more values of the synthetic size" in text
    assert "nano_classification_by_size.csv" not in files


def test_the_main_setting_has_most_cells(cell: MakeRecord) -> None:
    def settings(*counts: tuple[float, float | None, int]) -> Setting:
        rows = [(r, np.nan if s is None else s) for r, s, n in counts for _ in range(n)]
        return main_setting(pd.DataFrame(rows, columns=["ratio", "size"]))

    assert settings((0.25, None, 2), (0.5, None, 5), (0.5, 2.0, 3)) == Setting(0.5, None)
    assert settings((0.5, None, 3), (0.5, 2.0, 5)) == Setting(0.5, 2.0)
    assert settings((0.25, None, 3), (0.5, 1.0, 3), (0.5, None, 3)) == Setting(0.5, None)
    assert settings((0.0, 0.0, 9), (0.75, None, 1)) == Setting(0.75, None)
    assert settings((0.0, 0.0, 9)) == Setting(0.0, 0.0)


def test_perturbed_rows(report: Report, cell: MakeRecord) -> None:
    records = [
        cell(method, 0.0, table=t, perturbed={"0.1": gain, "0.2": 2 * gain})
        for method, gain in (("default", 1.0), ("causalmixft", 2.0))
        for t in "abc"
    ]
    text, files = report(records)
    found = csv(files, "fgsm")
    overall = found[found["domain"] == "all tables"].set_index(["method", "amount"])["mean"]
    assert overall["causalmixft"].to_dict() == pytest.approx({0.0: 0.0, 0.1: 2.0, 0.2: 4.0})
    scores = csv(files, "fgsm_scores").set_index("method")
    assert scores.loc["zero-shot"].tolist() == pytest.approx([0.8] * 3)
    assert scores.loc["default", "0.2"] == pytest.approx(0.8 * 1.02)
    assert "0.8160" in text


def test_without_perturbed_rows_the_part_says_why(report: Report, cell: MakeRecord) -> None:
    text, files = report([cell("default", 0.1)])
    assert "Left out: no cell has perturbed test rows" in text
    assert "nano_classification_fgsm.csv" not in files
