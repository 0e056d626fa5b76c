"""Results from outside are checked in one place: each fault is one line, and the rest is kept."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lit_causalmix.commands.main import main
from lit_causalmix.study.checked_json import RecordError
from lit_causalmix.study.record import checked_key, parse_record
from lit_causalmix.study.store import Store
from lit_causalmix.study.transfer import read_records

KEPT = Path(__file__).parents[1] / "reference" / "kept_study" / "cells.jsonl.gz"
LINES = gzip.decompress(KEPT.read_bytes()).decode().splitlines()
GOOD = json.loads(LINES[0])
OTHER = json.loads(LINES[1])

BAD_KEYS: list[Any] = [
    *("../../escaped", "/tmp/escaped", "cells/../../escaped", "..", ".", "", "~/escaped"),
    *("a" * 31, "a" * 33, "A" * 32, "g" * 32, "a" * 32 + "\n", " " + "a" * 31, "a" * 300),
    *("١" * 32, "ａ" * 32, "a" * 30 + "é", "\u202e" + "a" * 31, "a\x00" * 16, "C:\\escaped"),
    *(None, True, 3, 1.5, [], ["a" * 32], {}, {"a": 1}),
]


def text(**fields: Any) -> str:
    """A whole record with some fields replaced; `...` takes one away."""
    content = {name: value for name, value in (GOOD | fields).items() if value is not ...}
    return json.dumps(content)


BAD_TEXTS: dict[str, str | bytes] = {
    "no key": text(key=...),
    "a number as text": text(best_step="24"),
    "a score as text": text(scores={"val": {}, "test": {"real/roc_auc": "0.8"}}),
    "a score that is a truth": text(scores={"val": {}, "test": {"real/roc_auc": True}}),
    "a score without a domain": text(scores={"val": {}, "test": {"roc_auc": 0.8}}),
    "a stage too few": text(scores={"test": {}}),
    "no scores": text(scores=...),
    "a task that there is not": text(task="clustering"),
    "a status that there is not": text(status="fine"),
    "a seed below 0": text(seed=-1),
    "a ratio above 1": text(ratio=1.5),
    "a size below 0": text(size=-2),
    "a table without a name": text(table=""),
    "a list for a table": text(table=["wine"]),
    "a configuration without data": text(config={}),
    "a generator as text": text(config={"data": {"generator": "SCM"}}),
    "no total": text(seconds={"train": 1.0}),
    "seconds below 0": text(seconds={"total": -1.0}),
    "a trajectory of numbers": text(trajectory=[1, 2]),
    "a trajectory without test": text(trajectory=[{"step": 0, "val": {}}]),
    "no trajectory but null": text(trajectory=None),
    "a gap without a value": text(validation_test_gap={"roc_auc": {"rank": {}}}),
    "a failure without its error": text(status="failed"),
    "an integer of 400 digits": text(best_step=10**400),
    "a number beyond doubles": text(best_step=1).replace('"best_step": 1', '"best_step": 1e999'),
    "NaN": text(ratio=float("nan")),
    "Infinity": text(size=float("inf")),
    "a lone surrogate": text(domain="\ud800"),
    "a lone surrogate in a name": text(**{"\udfff": 1}),
    "a name twice": text()[:-1] + ', "key": "' + "0" * 32 + '"}',
    "a name twice further in": text(config=...)[:-1] + ', "config": {"data": {}, "data": {}}}',
    "nested deeply": text(notes=...)[:-1] + ', "notes": ' + "[" * 100 + "]" * 100 + "}",
    "nested beyond the stack": "[" * 200_000,
    "a list": "[]",
    "null": "null",
    "half a record": text()[: len(text()) // 2],
    "no JSON": "{'key': 1}",
    "an empty line": "",
    "bytes that are no UTF-8": b'{"key": "\xff\xfe"}',
    "a zero byte": "\x00",
}


def export_of(path: Path, *lines: str | bytes) -> Path:
    joined = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    path.write_bytes(gzip.compress(joined + b"\n"))
    return path


@pytest.mark.parametrize("line", LINES[:3])
def test_kept_records_are_records(line: str) -> None:
    assert parse_record(line) == json.loads(line)


@pytest.mark.parametrize("key", BAD_KEYS)
def test_only_content_hashes_are_keys(key: Any, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="32 hexadecimal digits"):
        checked_key(key)
    store = Store(tmp_path / "store")
    calls: list[Callable[[], object]] = [
        lambda: store.get(key),
        lambda: store.put(GOOD | {"key": key}),
        lambda: store.claim(key),
        lambda: store.stamp(key),
        lambda: store.zero_shot(key),
        lambda: store.put_zero_shot(key, {"scores": {}}),
        lambda: store.weights(key),
        lambda: store.put_weights(key, {"checksum": "0" * 64}),
        lambda: store.started(key).__enter__(),
        lambda: store.was_started(key),
    ]
    for call in calls:
        with pytest.raises(RecordError):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_merge_writes_nothing_outside_its_folder(
    key: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "escaped.json").write_text("mine")
    file = export_of(tmp_path / "x.jsonl.gz", json.dumps(OTHER), json.dumps(GOOD | {"key": key}))
    before = sorted(p.name for p in tmp_path.iterdir())
    out = tmp_path / "a" / "b"
    assert main(["study", "merge", str(file), "--out", str(out)]) == 1
    assert [p.name for p in (out / "cells").iterdir()] == [f"{OTHER['key']}.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*before, "a"])
    assert (tmp_path / "escaped.json").read_text() == "mine"
    assert f"line 2 of {file} is left out: key is 32 hex" in capsys.readouterr().err


def test_links_in_a_folder_of_results_are_replaced_and_never_written_through(
    tmp_path: Path,
) -> None:
    target, store = tmp_path / "mine.json", Store(tmp_path / "store")
    target.write_text("mine")
    (store.root / "cells").mkdir(parents=True)
    (store.root / "cells" / f"{GOOD['key']}.json").symlink_to(target)
    assert store.get(GOOD["key"]) is None
    assert store.put(GOOD)
    assert target.read_text() == "mine"
    assert store.get(GOOD["key"]) == GOOD


@pytest.mark.parametrize("bad", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_a_bad_record_is_one_line_and_the_rest_is_kept(
    bad: str | bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = export_of(tmp_path / "x.jsonl.gz", LINES[0], bad, LINES[1])
    with pytest.raises(RecordError) as found:
        parse_record(bad)
    assert str(found.value).isprintable()
    assert len(str(found.value)) < 200
    assert main(["study", "merge", str(file), "--out", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"{file}: 2 taken, 0 known before\n"
    (line,) = captured.err.splitlines()
    assert f"line 2 of {file} is left out: " in line


def test_a_report_is_made_of_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = export_of(tmp_path / "x.jsonl.gz", LINES[0], *BAD_TEXTS.values(), LINES[1])
    assert main(["study", "report", "--cells", str(file)]) == 0
    assert "2 cells: 2 finished" in (tmp_path / "x.html").read_text(encoding="utf-8")
    assert caplog.text.count("is left out: ") == len(BAD_TEXTS)


def test_a_report_of_few_cells_needs_no_default_fine_tuning(tmp_path: Path) -> None:
    file = export_of(tmp_path / "few.jsonl.gz", *LINES[:4])
    assert main(["study", "report", "--cells", str(file)]) == 0


def test_a_bad_file_in_a_store_counts_as_not_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    store.put(GOOD)
    cells = tmp_path / "cells"
    (cells / "note.json").write_text(text())
    (cells / f"{'0' * 32}.json").write_text(text())
    (cells / f"{'1' * 32}.json").write_text("[" * 200_000)
    (cells / f"{'2' * 32}.json").mkdir()
    (cells / f"{'3' * 32}.json").symlink_to("/dev/zero")
    (cells / f"{'4' * 32}.json").symlink_to("gone")
    os.mkfifo(cells / f"{'5' * 32}.json")
    assert list(store.records()) == [GOOD]
    assert [store.get(digit * 32) for digit in "12345"] == [None] * 5
    told = caplog.text
    assert "note.json is left out" in told
    assert f"{'0' * 32}.json is left out: it holds the cell {GOOD['key']}" in told
    assert f"{'1' * 32}.json is damaged" in told


@pytest.mark.parametrize("kind", ["zero_shot", "weights"])
@pytest.mark.parametrize("content", ["[]", '{"scores": 1}', '{"scores": {"a": [1]}}', "{", "null"])
def test_what_is_kept_beside_the_cells_is_checked(kind: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / kind / f"{'a' * 32}.json"
    path.parent.mkdir()
    path.write_text(content)
    assert getattr(Store(tmp_path), kind)("a" * 32) is None


@pytest.mark.parametrize("cut", [9, 1000, 20_000])
def test_of_a_file_that_is_cut_the_whole_records_are_taken(
    cut: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.jsonl.gz"
    file.write_bytes(KEPT.read_bytes()[:-cut])
    assert main(["study", "merge", str(file), "--out", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    taken = int(captured.out.split(": ")[1].split()[0])
    assert 0 < taken <= len(LINES)
    assert f"{file} is cut or damaged behind line {taken}" in captured.err


def test_a_bomb_is_read_no_further_than_it_makes_sense(tmp_path: Path) -> None:
    refused: list[str] = []
    endless, empty = tmp_path / "endless.gz", tmp_path / "empty.gz"
    endless.write_bytes(gzip.compress(b" " * (40 << 20)))
    empty.write_bytes(gzip.compress(b"\n" * (40 << 20)))
    assert list(read_records(endless, refused.append)) == []
    assert refused == [f"{endless} is read no further: line 1 has no end"]
    refused.clear()
    assert list(read_records(empty, refused.append)) == []
    assert refused[-1] == f"{empty} is read no further: 100 lines of it are no result"


@pytest.mark.parametrize("name", ["absent", "empty", "binary", "folder", "pipe", "text"])
def test_what_is_no_file_of_results_is_one_line_and_the_others_are_taken(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / name
    if name == "folder":
        bad.mkdir()
    elif name == "pipe":
        os.mkfifo(bad)
    elif name != "absent":
        bad.write_bytes({"empty": b"", "binary": os.urandom(999), "text": b"{}"}[name])
    good = export_of(tmp_path / "good.gz", LINES[0])
    expected = 0 if name == "empty" else 1  # nothing is in it, and nothing is wrong with it
    assert main(["study", "merge", str(bad), str(good), "--out", str(tmp_path / "out")]) == expected
    captured = capsys.readouterr()
    assert f"{good}: 1 taken" in captured.out
    assert [str(bad) in line for line in captured.err.splitlines()] == [True] * expected
    assert main(["study", "report", "--cells", str(bad)]) == 2
