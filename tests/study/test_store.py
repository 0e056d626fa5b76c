import gzip
from pathlib import Path
from typing import Any

import pytest
from filelock import Timeout

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.store import Store
from lit_causalmix.study.transfer import Merged, export, merge


def record(key: str, status: str = "ok", score: float = 1.0, **labels: Any) -> dict[str, Any]:
    labels = {"table": "t", "method": "m", "backbone": "b", "seed": 0, "ratio": 0.0} | labels
    scores = {"val": {}, "test": {"real/roc_auc": score}}
    return {"key": key, "status": status, "scores": scores, "size": None, **labels}


def test_a_finished_cell_stays_and_a_failed_one_gives_way(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get("a") is None
    assert store.put(record("a", "failed"))
    assert store.put(record("a", "ok", 2.0))
    assert not store.put(record("a", "ok", 3.0))
    assert not store.put(record("a", "failed"))
    assert store.get("a") == record("a", "ok", 2.0)


def test_what_is_half_written_or_damaged_is_no_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(record("a"))
    (tmp_path / "cells" / ".b.json.x1").write_text('{"key": "b", "sta')
    (tmp_path / "cells" / "c.json").write_text('{"key": "c", "sta')
    assert [r["key"] for r in store.records()] == ["a"]
    assert store.get("c") is None
    assert store.put(record("c"))
    assert store.get("c") == record("c")


def test_a_claim_is_held_by_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.claim("a"), pytest.raises(Timeout):
        Store(tmp_path).claim("a").acquire(blocking=False)
    with Store(tmp_path).claim("a").acquire(blocking=False):
        pass


def test_a_mark_stays_where_a_process_died_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.check()
    with store.started("a"):
        assert store.was_started("a")
    assert not store.was_started("a")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Store(tmp_path / "file").check()


def test_an_export_is_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    records = [record("b", seed=1), record("a", table="s"), record("c", "failed")]
    files = []
    for number, order in enumerate((records, records[::-1])):
        store = Store(tmp_path / str(number))
        for item in order:
            store.put(item)
        files.append(tmp_path / f"{number}.jsonl.gz")
        assert export(store, files[-1]) == 2
    assert files[0].read_bytes() == files[1].read_bytes()
    assert export(store, files[1], keys=["a"]) == 1


def test_stores_and_exports_merge_both_ways(tmp_path: Path) -> None:
    first, second, third = (Store(tmp_path / name) for name in "123")
    first.put(record("a"))
    first.put(record("b", "failed"))
    second.put(record("b"))
    second.put(record("c", score=3.0))
    third.put(record("c", score=4.0))
    export(second, tmp_path / "2.gz")
    assert merge(first, tmp_path / "2.gz") == Merged(2, 0, ())
    assert merge(first, tmp_path / "2") == Merged(0, 2, ())
    assert merge(first, tmp_path / "3") == Merged(0, 1, ("c",))
    assert first.get("c") == record("c", score=3.0)
    assert {r["key"]: r["status"] for r in first.records()} == dict.fromkeys("abc", "ok")
    assert merge(second, tmp_path / "1") == Merged(1, 2, ())
    assert list(first.records()) == list(second.records())


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    store, path = Store(tmp_path / "store"), tmp_path / "x.gz"
    store.put(record("a"))
    export(store, path)
    path.write_bytes(path.read_bytes()[:-9])
    for source, message in ((path, "no whole file"), (tmp_path, "no folder of a study")):
        with pytest.raises(ConfigurationError, match=message):
            merge(store, source)
    path.write_bytes(gzip.compress(b'{"key": "a"}\n'))
    with pytest.raises(ConfigurationError, match=r"line 1 .* is no result"):
        merge(store, path)
