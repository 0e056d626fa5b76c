"""The script that writes the tables of the published results."""

from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from lit_causalmix.pages import markdown
from lit_causalmix.study.record import Record
from lit_causalmix.study.store import Store
from lit_causalmix.study.transfer import export

TABLES = ("a", "b", "c", "d", "e", "f", "g")


@pytest.fixture
def script(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("study_tables")


def test_a_seed_or_method_with_a_missing_cell_is_left_out(script: ModuleType) -> None:
    cells = [
        SimpleNamespace(key=f"{method}{seed}", labels={"method": method, "seed": seed})
        for method in ("default", "jitter")
        for seed in (0, 1)
    ]
    keys = {"default0", "default1", "jitter0"}
    assert [c.key for c in script.whole(cells, keys, "seed")] == ["default0", "jitter0"]
    assert [c.key for c in script.whole(cells, keys, "method")] == ["default0", "default1"]


def test_a_comparison_has_both_ways_of_selecting_weights(
    script: ModuleType,
    cell: Callable[..., Record],
    keep: Callable[[Iterable[Record]], Store],
    tmp_path: Path,
) -> None:
    """Selected: +1 and +2; the best checkpoints gain 0.5 % and 3 % on validation and test rows."""
    records = [
        cell(method, score, table=table, checkpoints=(0.0, best), rank_gap=0.5)
        for table in TABLES
        for method, score, best in (("default", 1.0, 0.5), ("causalmixft", 2.0, 3.0))
    ]
    export(keep(records), tmp_path / "cells.jsonl.gz")
    text = markdown.render([script.comparison("Title", tmp_path / "cells.jsonl.gz", None)])
    plain, cautious = text.split("selected with caution")
    assert "7 tables, 1 seed, 7 fits of each method." in plain
    assert "| causalmixft | 1.00 | +2.00 [+2.00, +2.00] | +2.00 |" in plain
    assert "| +1.00 [+1.00, +1.00] | 7 / 0 / 0 |" in plain
    assert "| causalmixft | 1.00 | +3.00 [+3.00, +3.00] | +3.00 |" in cautious
    assert "| default | 2.00 | +0.00 [0.00, 0.00] | +0.00 |" in cautious
