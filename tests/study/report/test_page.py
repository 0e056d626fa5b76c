"""Known answers through to the page, and studies with hardly anything in them."""

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.study.record import Record

Report = Callable[..., tuple[str, dict[str, bytes]]]
Cells = Callable[..., list[Record]]
MakeRecord = Callable[..., Record]

BLOCK = "nano_classification"


def csv(files: dict[str, bytes], name: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(files[f"{name}.csv"]))


def reply(text: str, question: str, block: str = "nano, classification") -> str:
    """The bold words of a block's answer to one of the three questions."""
    lines = text[text.index(f"\n{question}\n") :].splitlines()
    return next(line for line in lines if line.startswith(f"{block}: "))


MIX = "Should I add causal rows?"


def test_the_winner_is_named_with_its_numbers(report: Report, cells: Cells) -> None:
    records = cells({"default": 0.1, "causalmixft": 0.5, "ctgan": -0.6})
    text, files = report(records)
    assert reply(text, MIX) == "nano, classification: yes."
    assert "better on 8, equal on 0, worse on 0; signed-rank test p = 0.0078" in text
    assert re.search(r"changes by \+0\.(39|40|41) \[\+0\.3", text)
    frame = pd.DataFrame(records)
    frame["score"] = [r["normalized"]["test"]["real/roc_auc"] for r in records]
    means = frame.groupby(["method", "table"])["score"].mean().unstack("method")
    summary = csv(files, f"{BLOCK}_summary").set_index("method")
    assert list(summary.index) == ["causalmixft", "default", "ctgan"], "best rank first"
    for name in means:
        row, values = summary.loc[name], means[name].to_numpy()
        assert row["median"] == pytest.approx(np.median(values), rel=1e-5)
        assert row["sd"] == pytest.approx(values.std(ddof=1), rel=1e-5)
        assert row["iqr"] == pytest.approx(
            np.subtract(*np.quantile(values, [0.75, 0.25])), rel=1e-5
        )
        assert row["improved"] == (values > 0).mean()
        assert row["worse"] == (values < -0.1).mean()
        assert f"{row['median']:+.2f}".replace("-", "−") in text
    assert list(summary["rank"]) == [1, 2, 3]
    assert "+0.12 (0.63)" in text
    assert "not directly comparable" in text
    assert f"{BLOCK}_ranks.png" in files


@pytest.mark.parametrize(
    ("gain", "noise", "word"),
    [
        (-0.4, 0.05, "no, it makes things worse"),
        (0.4, 0.05, "yes"),
        (0.0, 0.05, "it makes no difference"),
        (0.0, 2.0, "no gain is shown"),
    ],
)
def test_the_verdict_follows_the_effect(
    report: Report, cells: Cells, gain: float, noise: float, word: str
) -> None:
    text, _ = report(cells({"default": 0.1, "causalmixft": 0.1 + gain}, noise=noise))
    assert reply(text, MIX) == f"nano, classification: {word}."
    assert ("An effect beyond ±0.1 is ruled out" in text) == (word == "it makes no difference")


@pytest.mark.parametrize(
    ("gain", "word"), [(-0.9, "no, it makes things worse"), (0.9, "yes"), (0.0, "no gain is shown")]
)
def test_fine_tuning_is_compared_with_zero_shot(
    report: Report, cells: Cells, gain: float, word: str
) -> None:
    text, files = report(cells({"default": gain}))
    assert reply(text, "Should I fine-tune at all?") == f"nano, classification: {word}."
    found = csv(files, f"{BLOCK}_answer_tune")
    assert found["mean"].iloc[0] == pytest.approx(gain, abs=0.3)
    assert "Left out: nano, classification: no run has the method 'causalmixft'" in text


def test_tables_of_a_size_have_their_own_answer(report: Report, cell: MakeRecord) -> None:
    records = [
        cell(method, gain, table=f"{name}{k}") | {"n_train": rows, "n_columns": columns}
        for name, rows, columns, effect in (("few", 150, 5, 1.0), ("many", 300, 40, -1.0))
        for k in range(6)
        for method, gain in (("default", k / 100), ("causalmixft", k / 100 + effect))
    ]
    text, _ = report(records)
    rows = "\n".join(text.splitlines())
    for name, effect in (
        ("at most 200 training rows", "+1.00"),
        ("201 to 1,000 training rows", "−1.00"),
        ("at most 10 columns", "+1.00"),
        ("over 30 columns", "−1.00"),
    ):
        word = "consistent" if effect.startswith("+") else "harmful"
        assert f"nano, classification, {name}\n6\n{word}\n{effect}" in rows
    assert "11 to 30 columns" not in text


def test_domains_that_disagree_are_named(report: Report, cells: Cells) -> None:
    help_, harm = (
        cells({"default": 0.0, "causalmixft": effect}, domains={domain: 5})
        for domain, effect in (("finance", 0.5), ("medicine", -0.5))
    )
    text, files = report([*help_, *harm])
    assert reply(text, MIX) == "nano, classification: it depends on the domain."
    assert "gain in finance; harm in medicine" in text
    verdict = csv(files, f"{BLOCK}_answer_mix").set_index("domain")
    assert verdict["n_tables"].to_dict() == {"all tables": 10, "finance": 5, "medicine": 5}
    assert verdict.loc["finance", "mean"] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("seeds", "gap"), [(3, "no"), (2, "open")])
def test_targets_are_met_or_not(report: Report, cell: MakeRecord, seeds: int, gap: str) -> None:
    records = [
        cell(method, score, table=f"t{number}", seed=seed, rank_gap=rank_gap)
        for seed in range(seeds)
        for number, level in enumerate((-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0))
        for method, score, rank_gap in (
            ("default", level, 0.6),
            ("causalmixft", 0.25 + level / 10, 0.5),
        )
    ]
    text, files = report(records)
    met = csv(files, f"{BLOCK}_targets").set_index("target")["met"]
    assert met["median score above that of default"] == "yes", "0.275 above 0.25"
    assert met["interquartile range at most two thirds of that of default"] == "yes"
    assert met["validation–test gap (a) at most half of that of default"] == gap
    assert met["at most 10% of tables worse than zero-shot by more than 0.1"] == "yes"
    assert "the paper sets none" in text


def test_a_share_of_nothing_is_not_told(report: Report, cell: MakeRecord) -> None:
    _, files = report(
        [
            cell(method, 0.5, table=f"t{number}", rank_gap=gap)
            for number in range(6)
            for method, gap in (("default", 1e-16), ("causalmixft", 0.3))
        ]
    )
    found = csv(files, f"{BLOCK}_targets").set_index("target")["found"]
    assert found["validation–test gap (a) at most half of that of default"] == "0.30, default 0.00"


def test_few_tables_leave_every_target_open(report: Report, cells: Cells) -> None:
    _, files = report(cells({"default": 0.1, "causalmixft": 0.5}, domains={"finance": 5}))
    assert set(csv(files, f"{BLOCK}_targets")["met"]) == {"open"}


def test_selected_last_and_best_weights_stand_side_by_side(
    report: Report, cell: MakeRecord
) -> None:
    records = [
        cell(method, score, table=table, checkpoints=(0.0, score, last))
        for table in "ab"
        for method, score, last in (("default", 0.5, -1.0), ("causalmixft", 0.2, 0.8))
    ]
    text, files = report(records)
    found = csv(files, f"{BLOCK}_stopping").set_index("method")
    assert found.loc["default"].to_dict() == {"selected": 0.5, "last": -1.0, "perfect": 0.5}
    assert found.loc["causalmixft"].to_dict() == {"selected": 0.2, "last": 0.8, "perfect": 0.8}
    assert "perfect stopping" in text


def test_without_a_trajectory_nothing_is_said_of_stopping(report: Report, cell: MakeRecord) -> None:
    text, _ = report([cell("default", 0.5), cell("causalmixft", 0.2)])
    assert "Left out: no cell has the scores of its checkpoints" in text


def test_domains_have_their_own_medians(report: Report, cells: Cells) -> None:
    both = [
        *cells({"default": 0.0, "causalmixft": 0.5}, domains={"finance": 3}),
        *cells({"default": 0.0, "causalmixft": -0.5}, domains={"medicine": 2}),
    ]
    text, files = report(both)
    assert "Domain by domain" in text
    found = csv(files, f"{BLOCK}_domains").set_index(["domain", "method"])
    assert found.loc[("finance", "causalmixft"), "median"] == pytest.approx(0.5, abs=0.05)
    assert found.loc[("medicine", "causalmixft"), "improved"] == 0.0
    assert found.loc[("medicine", "causalmixft"), "n_tables"] == 2


def test_the_absolute_error_stands_in_units_of_the_target(report: Report, cells: Cells) -> None:
    scores = {"default": 0.0, "causalmixft": 10.0}
    text, files = report(cells(scores, domains={"industry": 6}, task="regression"))
    found = csv(files, "nano_regression_mae").set_index("table")
    assert list(found) == ["zero-shot", "default", "causalmixft"]
    assert found["zero-shot"].unique() == pytest.approx([1.5])
    assert found["causalmixft"].mean() == pytest.approx(1.5 * 0.9, abs=0.01)
    assert "causalmixft minus default: +10.0" in text
    text, _ = report(cells({"default": 0.0, "causalmixft": 0.1}))
    assert "Left out: it is an error of numbers" in text


def test_a_target_without_its_number_is_open(report: Report, cells: Cells) -> None:
    _, files = report(cells({"default": 0.1, "causalmixft": 0.5}))
    met = csv(files, f"{BLOCK}_targets").set_index("target")["met"]
    assert met["validation–test gap (a) at most half of that of default"] == "open"
    assert met["best average rank of all methods"] == "yes"
    assert met["95 % interval of the mean difference to default above 0"] == "yes"


def test_gaps_are_medians_over_tables(report: Report, cell: MakeRecord) -> None:
    _text, files = report(
        [
            cell(method, 0.5, table=table, validation=validation, rank_gap=gap)
            for method, shift in (("default", 0.0), ("causalmixft", 0.1))
            for table, validation, gap in (
                ("a", 0.5 + shift, 0.2),
                ("b", 1.5, 0.6 + shift),
                ("c", 0.75, 1.8),
            )
        ]
    )
    summary = csv(files, f"{BLOCK}_summary").set_index("method")
    assert summary["gap_rank"].to_dict() == pytest.approx({"default": 0.6, "causalmixft": 0.7})
    assert summary["gap_selection"].to_dict() == pytest.approx(
        {"default": 0.25, "causalmixft": 0.25}
    )


def test_regression_stands_apart(report: Report, cells: Cells) -> None:
    both = [
        *cells({"default": 0.1, "causalmixft": 0.5}),
        *cells({"default": 0.5, "causalmixft": 0.1}, domains={"industry": 7}, task="regression"),
    ]
    text, files = report(both)
    assert reply(text, MIX) == "nano, classification: yes."
    assert reply(text, MIX, "nano, regression").endswith("no, it makes things worse.")
    metrics = csv(files, "nano_regression_metrics")
    assert set(metrics["metric"]) == {"rmse", "mae", "r2"}
    assert text.count("+0.12 (0.63)") == 1, "the published figures are of classification"


def test_each_backbone_has_its_own_section(report: Report, cells: Cells) -> None:
    text, files = report(
        [
            *cells({"default": 0.1, "causalmixft": 0.5}),
            *cells({"default": 0.5, "causalmixft": 0.1}, backbone="TabPFN v1"),
        ]
    )
    assert reply(text, MIX) == "nano, classification: yes."
    assert reply(text, MIX, "TabPFN v1, classification").endswith("it makes things worse.")
    assert "tabpfn_v1_classification_summary.csv" in files


EDGES: dict[str, tuple[Callable[[Cells, MakeRecord], list[Record]], list[str]]] = {
    "one method": (
        lambda cells, cell: cells({"default": 0.1}),
        ["no run has the method 'causalmixft'", "ranks need two or more methods"],
    ),
    "no reference": (
        lambda cells, cell: cells({"causalmixft": 0.1, "jitter": 0.2}),
        ["no finished cell of 'default' to compare with"],
    ),
    "one table": (
        lambda cells, cell: cells({"default": 0.1, "causalmixft": 0.3}, domains={"finance": 1}),
        ["a verdict needs two or more tables, got 1", "1 table, 2 methods, 1 backbone, 3 seeds"],
    ),
    "one seed": (
        lambda cells, cell: cells({"default": 0.1, "causalmixft": 0.3}, seeds=1),
        ["With causalmixft in place of default", "p, within ±0.1"],
    ),
    "one cell": (
        lambda cells, cell: [cell("default", 0.2)],
        ["1 cell: 1 finished, 0 failed."],
    ),
    "no pair": (
        lambda cells, cell: [cell("default", 0.2), cell("causalmixft", 0.2, seed=1)],
        ["no run of 'causalmixft' has a partner of 'default'"],
    ),
    "no defined score": (
        lambda cells, cell: [
            cell(method, None, table=table)
            for method in ("default", "causalmixft")
            for table in "ab"
        ],
        ["none of the 4 runs has a value of", "4 of 4 cells have no normalised ROC-AUC [%]: a, b"],
    ),
    "some undefined scores": (
        lambda cells, cell: [
            *cells({"default": 0.1, "causalmixft": 0.5}),
            *(cell(m, None, table="tiny") for m in ("default", "causalmixft")),
        ],
        ["nano, classification: yes.", "2 of 50 cells have no normalised ROC-AUC [%]: tiny"],
    ),
    "regression only": (
        lambda cells, cell: cells({"default": 0.1, "causalmixft": 0.5}, task="regression"),
        ["nano, regression: yes."],
    ),
    "all ties": (
        lambda cells, cell: [
            cell(method, 0.0, table=f"t{k}")
            for method in ("default", "causalmixft")
            for k in range(6)
        ],
        ["nano, classification: it makes no difference.", "better on 0, equal on 6, worse on 0"],
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_a_study_of_hardly_anything(
    report: Report, cells: Cells, cell: MakeRecord, name: str
) -> None:
    make, expected = EDGES[name]
    text, files = report(make(cells, cell))
    for words in expected:
        assert words in text
    assert "nan" not in re.findall(r"\w+", text)
    assert "cells.csv" in files


def test_a_study_whose_cells_all_failed(
    report: Report, cells: Cells, failed: Callable[[Record, str], Record]
) -> None:
    records = [failed(r, "MemoryError: no") for r in cells({"default": 0, "causalmixft": 0})]
    text, files = report(records)
    assert "No cell is finished" in text
    assert "48 cells: 0 finished, 48 failed." in text
    assert text.count("MemoryError: no") == 30
    assert "and 18 more: failed.csv" in text
    assert len(csv(files, "failed")) == 48


def test_what_is_missing_and_failed_is_said(
    report: Report, cells: Cells, failed: Callable[[Record, str], Record]
) -> None:
    records = cells({"default": 0.1, "causalmixft": 0.5, "ctgan": 0.0})
    lost = [r for r in records if r["method"] == "ctgan" and r["table"] == "finance_0"]
    kept = [r for r in records if r not in lost]
    text, files = report([*kept, failed(lost[0], "ValueError: <b>bold</b> & broken")])
    assert "ValueError: <b>bold</b> & broken" in text
    missing = csv(files, "missing")
    assert set(missing["method"]) == {"ctgan"}
    assert sorted(missing["seed"]) == [0, 1, 2]
    assert "1 of 8 tables lack a run and are left out: finance_0" in text
    assert "methods have different numbers of runs" in text


def test_a_method_with_few_runs_does_not_cost_the_ranking(report: Report, cells: Cells) -> None:
    records = cells({"default": 0.1, "causalmixft": 0.5})
    few = [r for r in cells({"ctgan": 0.9}) if r["table"] == "finance_0"]
    text, files = report([*records, *few])
    assert "too few runs to be ranked: ctgan" in text
    assert list(csv(files, f"{BLOCK}_ranks").columns) == ["table", "causalmixft", "default"]


def test_names_of_a_study_are_never_markup(report: Report, cells: Cells) -> None:
    hostile = "<script>alert(\"x\")</script> & 'y'"
    records = cells(
        {"default": 0.1, "causalmixft": 0.5, hostile: 0.2}, domains={hostile: 6, "b": 2}
    )
    keyed = [record | {"key": f"{k:032x}"} for k, record in enumerate(records)]
    text, files = report(keyed)  # which fails on tags that do not match
    assert text.count(hostile) > 10, "shown as it is written"
    assert not [name for name in files if "<" in name or "/" in name]


def test_the_same_cells_give_the_same_bytes(tmp_path: Any, cells: Cells, cell: MakeRecord) -> None:
    from lit_causalmix.study.report.contents import read_study_results
    from lit_causalmix.study.report.page import write_report
    from lit_causalmix.study.store import Store

    records = cells({"default": 0.1, "causalmixft": 0.5}, perturbed={"0.1": 0.3})
    written = []
    for place, order in (("one", records), ("two", records[::-1])):
        store = Store(tmp_path / place / "trial")
        for record in order:
            store.put(record)
        study = read_study_results(store.root, "trial")
        page = tmp_path / place / "page.html"
        write_report(page, study, method="causalmixft", reference="default")
        folder = page.with_name("page_files")
        written.append(
            {page.name: page.read_bytes()} | {p.name: p.read_bytes() for p in folder.iterdir()}
        )
    assert written[0].keys() == written[1].keys()
    assert written[0] == written[1]


def test_quality_of_rows_stands_by_method_where_it_was_measured(
    report: Report, cells: Cells
) -> None:
    records = cells({"default": 0.0, "causalmixft": 0.1, "jitter": 0.2})
    worth = {"causalmixft": 0.5, "jitter": 0.9}
    for record in records:
        if record["method"] in worth:
            value = worth[record["method"]] + 0.01 * record["seed"]
            record["quality"] = {"food/global_utility": value, "food/tstr": None}
    text, files = report(records)
    assert "Quality of the synthetic rows" in text
    frame = csv(files, "quality").set_index("method")
    assert frame["global_utility"].to_dict() == pytest.approx({"causalmixft": 0.51, "jitter": 0.91})
    assert frame["tables"].to_dict() == {"causalmixft": 8, "jitter": 8}
    assert frame["tstr"].isna().all()
