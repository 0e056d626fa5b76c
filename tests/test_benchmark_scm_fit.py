"""The comparison of fits with an earlier commit, from cases whose answer is known."""

from typing import Any

import numpy as np

from lit_causalmix.generators import SCMGenerator
from lit_causalmix.tables import SplitSpec, load_splits


def test_a_table_of_the_report_has_ratios_and_says_where_edges_differ(benchmark: Any) -> None:
    def found(discovery: float, fit: float, edges: str) -> dict[str, Any]:
        facts = {"mb": 300.0, "mb_discovery": 250.0, "mb_before": 200.0, "parents": 40}
        return {"discovery": discovery, "fit": fit, "edges": edges, **facts}

    case = {"kind": "speed", "rows": 1000, "columns": 20, "resamples": 1}
    rows = [
        case | {"before": found(4, 10, "a"), "after": found(1, 2, "a")},
        case | {"before": found(4, 10, "a"), "after": found(1, 2, "b")},
    ]
    same, other = benchmark("scm_fit").speeds(rows)[2:]
    assert same == (
        "| 1,000 × 20 | 1 | 4.0 → 1.0 | 0.25 | yes | 50 → 50 | 10.0 → 2.0 | 0.20 | 50 |"
    )
    assert "| 0.25 | no |" in other


def test_families_that_differ_are_counted_and_differences_are_paired_by_table(
    benchmark: Any,
) -> None:
    scm_fit = benchmark("scm_fit")

    def entry(table: str, family: str, score: float) -> dict[str, Any]:
        facts = dict.fromkeys(scm_fit.MEASURES, score) | {"accuracy": None, "rows": 500}
        return facts | {"seconds": 1.0, "families": {"x": "linear", "y": family}}

    rows = [
        {"table": t, "before": entry(t, "linear", 0.5), "after": entry(t, "boosting", 0.5 + gain)}
        for t, gain in (("a", 0.1), ("b", 0.3))
    ]
    for row in rows:
        for side in ("before", "after"):
            row[side]["accuracy"] = 0.5
    lines = scm_fit.qualities(rows)
    assert lines[2].startswith("| a (500) | 1.0 → 1.0 | 1 of 2 | 0.500 → 0.600 |")
    assert lines[-1].startswith("| *after − before* | | | +0.2000 ± ")
    assert "| +0.0000 ± 0.0000 |" in lines[-1]
    assert scm_fit.qualities(rows[:1])[-1].endswith("| – | – | – | – | – | – | – |")


def test_mechanisms_of_a_line_explain_held_out_rows(benchmark: Any) -> None:
    case = benchmark("scm_fit_case")
    splits = load_splits(case.generated(500, 4), SplitSpec(seed=0))
    columns = splits.train.schema.columns
    assert len(columns) == 4
    numbers = [j for j, c in enumerate(columns) if c.is_numerical]
    cause, effect = numbers[0], numbers[1]
    for part in (splits.train, splits.val):
        noise = np.random.default_rng(len(part)).normal(size=len(part))
        part.values[:, effect] = 2 * part.values[:, cause] + 0.1 * noise
    edges = [[columns[cause].name, columns[effect].name]]
    generator = SCMGenerator(edges=edges, scale="raw")
    generator.fit(splits.train, seed=0, progress=False)
    found = case.mechanisms(generator, splits.val.values)
    assert found["accuracy"] is None
    assert found["r2"] > 0.99
    assert np.isfinite(found["log_likelihood"])
