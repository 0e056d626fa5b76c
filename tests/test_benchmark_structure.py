"""The scores and averages of the structure benchmark, on cases that can be told by hand."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lit_causalmix.study.spec import read_study
from lit_causalmix.tables import ColumnKind, SplitSpec, TableSpec, load_splits


def test_scores_of_a_collider(benchmark: Callable[[str], ModuleType]) -> None:
    scores = benchmark("structure_scores")
    dag = np.zeros((4, 4), dtype=bool)
    dag[0, 2] = dag[1, 2] = True  # both compelled; 3 stands alone
    compelled = scores.cpdag(dag)
    assert (compelled == dag).all()
    perfect = scores.scores(dag.astype(float), dag, compelled)
    assert perfect == {"f1": 1.0, "orientation": 1.0, "shd": 0.0, "ece": 0.0}
    # One edge the wrong way, one open, one too many.
    matrix = np.zeros((4, 4))
    matrix[2, 0], matrix[1, 2], matrix[2, 1], matrix[3, 2] = 1.0, 0.5, 0.5, 1.0
    found = scores.scores(matrix, dag, compelled)
    assert found["f1"] == pytest.approx(4 / 5)
    assert found["orientation"] == 0.25
    assert found["shd"] == 3
    assert found["ece"] == pytest.approx(1 / 6)  # of three certain edges two are real; 3 of 6 pairs


def row(method: str, seed: int, f1: float, seconds: float | None = 1.0) -> dict[str, Any]:
    facts = {"kind": "mixed", "network": "n", "rows": 500, "seed": seed, "method": method}
    measures = {"f1": f1, "orientation": 1.0, "shd": 2.0, "ece": 0.1} if seconds else {}
    return facts | measures | {"seconds": seconds}


def test_differences_are_paired_by_table(benchmark: Callable[[str], ModuleType]) -> None:
    report = benchmark("structure_report")
    assert report.interval([1.0, 3.0]) == pytest.approx((2.0, 12.706), abs=1e-3)
    rows = [row("a", 1, 0.8), row("a", 2, 0.9), row("b", 1, 0.5), row("b", 2, 0.0, None)]
    lines = report.section(rows, ["a", "b"], "a", "b")
    assert "| a | 2 | 0.850 ± 0.635 |" in lines[2]
    assert "| b | 1 (ours there: 0.800, 1.000, 2.0, 0.1000) | 0.500 |" in lines[3]
    assert lines[4].startswith("| *a − b* | 1 | 0.300 | 0.000 | 0.0 | 0.0000 |")


def test_studies_of_known_graphs(benchmark: Callable[[str], ModuleType], tmp_path: Path) -> None:
    networks, known = (benchmark(n) for n in ("structure_networks", "known_graphs"))
    states = ["x", "y", "z"]
    network = {
        "a": networks.Node([], states),
        "b": networks.Node(["a"], states),
        "c": networks.Node(["b"]),
        "d": networks.Node(["b", "c"]),
    }
    assert known.target_of(network, numerical=False) == "b"
    assert known.target_of(network, numerical=True) == "c"
    known.write(network, "small", "b", 0, tmp_path)
    spec = read_study(tmp_path / "small.yaml", {})
    edges = spec.methods["true-graph"]["data"]["generator"]["init_args"]["edges"]
    assert edges == [["a", "b"], ["b", "c"], ["b", "d"], ["c", "d"]]
    table = load_splits(TableSpec(str(tmp_path / "small.csv"), target="b"), SplitSpec()).train
    kinds = [column.kind for column in table.schema.columns]
    assert [column.name for column in table.schema.columns] == ["a", "c", "d", "b"]
    assert [kind is ColumnKind.NUMERICAL for kind in kinds] == [False, True, True, False]
