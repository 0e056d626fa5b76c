from pathlib import Path
from typing import Any

import pytest
from filelock import Timeout

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.store import Store
from lit_causalmix.study.transfer import Merged, export, merge

A, B, C = (letter * 32 for letter in "abc")


def record(key: str, status: str = "ok", score: float = 1.0, **labels: Any) -> dict[str, Any]:
    labels = {"table": "t", "method": "m", "backbone": "b", "seed": 0, "ratio": 0.0} | labels
    common = {"key": key, "status": status, "size": None, "config": {"data": {}}, **labels}
    if status == "failed":
        return common | {"error": "no reason", "seconds": {}}
    scores = {"val": {}, "test": {"real/roc_auc": score}}
    return common | {
        "domain": "d",
        "task": "binary",
        "seconds": {"total": 1.0},
        **dict.fromkeys(("n_train", "n_columns", "n_classes", "best_step"), 1),
        **dict.fromkeys(("scores", "zero_shot", "normalized"), scores),
    }


def test_a_finished_cell_stays_and_a_failed_one_gives_way(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get(A) is None
    assert store.put(record(A, "failed"))
    assert store.put(record(A, "ok", 2.0))
    assert not store.put(record(A, "ok", 3.0))
    assert not store.put(record(A, "failed"))
    assert store.get(A) == record(A, "ok", 2.0)


def test_what_is_half_written_or_damaged_is_no_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(record(A))
    (tmp_path / "cells" / f".{B}.json.x1").write_text('{"key": "b", "sta')
    (tmp_path / "cells" / f"{C}.json").write_text('{"key": "c", "sta')
    assert [r["key"] for r in store.records()] == [A]
    assert store.get(C) is None
    assert store.put(record(C))
    assert store.get(C) == record(C)


def test_a_claim_is_held_by_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.claim(A), pytest.raises(Timeout):
        Store(tmp_path).claim(A).acquire(blocking=False)
    with Store(tmp_path).claim(A).acquire(blocking=False):
        pass


def test_a_mark_stays_where_a_process_died_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.check()
    with store.started(A):
        assert store.was_started(A)
    assert not store.was_started(A)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Store(tmp_path / "file").check()


def test_an_export_is_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    records = [record(B, seed=1), record(A, table="s"), record(C, "failed")]
    files = []
    for number, order in enumerate((records, records[::-1])):
        store = Store(tmp_path / str(number))
        for item in order:
            store.put(item)
        files.append(tmp_path / f"{number}.jsonl.gz")
        assert export(store, files[-1]) == 2
    assert files[0].read_bytes() == files[1].read_bytes()
    assert export(store, files[1], keys=[A]) == 1


def test_stores_and_exports_merge_both_ways(tmp_path: Path) -> None:
    first, second, third = (Store(tmp_path / name) for name in "123")
    first.put(record(A))
    first.put(record(B, "failed"))
    second.put(record(B))
    second.put(record(C, score=3.0))
    third.put(record(C, score=4.0))
    export(second, tmp_path / "2.gz")
    assert merge(first, tmp_path / "2.gz") == Merged(2, 0, (), ())
    assert merge(first, tmp_path / "2") == Merged(0, 2, (), ())
    assert merge(first, tmp_path / "3") == Merged(0, 1, (C,), ())
    assert first.get(C) == record(C, score=3.0)
    assert {r["key"]: r["status"] for r in first.records()} == dict.fromkeys((A, B, C), "ok")
    assert merge(second, tmp_path / "1") == Merged(1, 2, (), ())
    assert list(first.records()) == list(second.records())


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    store, path = Store(tmp_path / "store"), tmp_path / "x.gz"
    store.put(record(A))
    export(store, path)
    path.write_bytes(path.read_bytes()[:9])
    for source, message in ((path, "no whole file"), (tmp_path, "no folder of a study")):
        with pytest.raises(ConfigurationError, match=message):
            merge(store, source)
