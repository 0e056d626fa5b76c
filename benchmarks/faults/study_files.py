"""Damaged results of studies: each is one line, the rest is kept, nothing is written elsewhere.

`python benchmarks/faults/study_files.py --count 1000` changes kept records (`docs/results/`) at
random: values of other kinds, of other places, huge and odd numbers, texts, names and keys that
lead elsewhere, missing and repeated fields, cut, flipped and foreign bytes. Each file goes through
`study merge`, a share of them through `study status`, `study table` and `study report` besides. A
traceback, a message of more than one line, an undamaged record that is lost, or a file outside the
folder of results is a fault; the exit status is their number, at most 100. `--keep FOLDER` keeps
what failed.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gzip
import io
import json
import os
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lit_causalmix.commands.main import main
from lit_causalmix.seeding import rng

RESULTS = Path(__file__).parents[2] / "docs" / "results"
SHARE_OF_READERS = 0.1
_N_RECORDS = 6
_SECRET = "untouched"

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e308, -1e308, 1e-320, 10**30, 10**400, 2**63),
    *(float("nan"), float("inf"), "", " ", "nan", "0.8", "\ud800", "\udfff", "é\u202e", "\x00"),
    *("../../outside", "/outside", "..", "$\\frac{", "<script>alert(1)</script>", "x" * 5000),
    *([], {}, [[]], {"": {}}, [None] * 50, {"value": None}, {"class_path": "os.system"}),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of everything in JSON values, the whole included."""
    yield path
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, name))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """What stands at a path."""
    for name in path:
        value = value[name]
    return value


def changed(record: Any, generator: np.random.Generator) -> Any:
    """A record with one to three of its values replaced, moved, renamed or taken away."""
    result = copy.deepcopy(record)
    for _ in range(int(generator.integers(1, 4))):
        if not isinstance(result, dict | list):
            break
        # Most values lie deep in the configuration: half of the changes are for the top.
        paths = [path for path in places(result) if path]
        shallow = [path for path in paths if len(path) < 3]
        pool = shallow if generator.random() < 0.5 else paths
        if not pool:
            break
        *parents, name = pool[generator.integers(len(pool))]
        parent, how = at(result, tuple(parents)), generator.integers(5)
        if how == 0:
            del parent[name]
        elif how == 1:
            parent[name] = copy.deepcopy(at(result, paths[generator.integers(len(paths))]))
        elif how == 2 and isinstance(parent, dict):
            odd = ODD[generator.integers(len(ODD))]
            parent[odd if isinstance(odd, str) else str(odd)[:50]] = parent.pop(name)
        else:
            parent[name] = copy.deepcopy(ODD[generator.integers(len(ODD))])
    return result


def flipped(line: bytes, generator: np.random.Generator) -> bytes:
    """A line with some bytes changed, cut off, or written twice."""
    how = generator.integers(3)
    if how == 0:
        return line[: generator.integers(len(line))].replace(b"\n", b"")
    if how == 1:
        return line[:-1] + b"," + line[1:]
    found = bytearray(line)
    for _ in range(int(generator.integers(1, 6))):
        found[generator.integers(len(found))] = generator.integers(256)
    return bytes(found).replace(b"\n", b" ")


def damaged(records: list[Any], generator: np.random.Generator) -> tuple[bytes, set[str] | None]:
    """A file of results with one damaged line, or itself damaged.

    Returns:
        Its bytes, and the keys of the records that have to be taken; None where nobody can say.
    """
    picked = generator.choice(len(records), _N_RECORDS, replace=False)
    chosen = [records[i] for i in picked]
    lines = [json.dumps(record).encode() for record in chosen]
    bad = int(generator.integers(len(lines)))
    how = generator.random()
    if how < 0.6:
        lines[bad] = json.dumps(changed(chosen[bad], generator)).encode()
    elif how < 0.85:
        lines[bad] = flipped(lines[bad], generator)
    whole = gzip.compress(b"\n".join(lines) + b"\n", compresslevel=1)
    if how >= 0.85:
        return flipped(whole, generator), None
    return whole, {record["key"] for i, record in enumerate(chosen) if i != bad}


def told(command: list[str]) -> tuple[int, list[str]]:
    """Exit status and lines on stderr of a command."""
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        status = main(command)
    return status, errors.getvalue().splitlines()


def check(file: Path, wanted: set[str] | None, folder: Path, *, readers: bool) -> None:
    """Merges a file, and reads it by the other commands.

    Raises:
        AssertionError: For what is promised and does not hold.
    """
    out = folder / "a" / "b" / "out"
    status, lines = told(["study", "merge", str(file), "--out", str(out)])
    assert status in (0, 1), f"merge ended with {status}"
    assert len(lines) <= 10, lines
    assert all(line.startswith("lit-causalmix: ") for line in lines), lines
    taken = {path.stem for path in (out / "cells").glob("*")}
    assert wanted is None or wanted <= taken, "whole records were lost"
    if readers:
        assert told(["study", "report", "--cells", str(file)])[0] in (0, 2)
        commands = ["status", "table", "export"]
        for command in commands:
            options = ["--config", str(folder / "study.yaml"), "--out", str(out)]
            assert told(["study", command, *options])[0] in (0, 2)
    outside = {
        path.relative_to(folder).parts[0]
        for path in folder.rglob("*")
        if path.is_file() and out not in path.parents
    }
    known = {"study.yaml", "outside.json", "a", file.name, "file.html", "file_files"}
    assert outside <= known, f"written elsewhere: {outside - known}"
    assert (folder / "outside.json").read_text() == _SECRET, "a file outside was written over"


def one_round(
    number: int, seed: int, records: list[Any], keep: Path | None
) -> tuple[str, str | None]:
    """One damaged file; returns its kind, and what went wrong."""
    generator = rng(seed, "study-files", number)
    content, wanted = damaged(records, generator)
    readers = bool(generator.random() < SHARE_OF_READERS)
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        folder = Path(name)
        file = folder / "file.jsonl.gz"
        file.write_bytes(content)
        (folder / "outside.json").write_text(_SECRET)
        study = {"tables": ["sklearn:iris"], "methods": {"default": "baselines/default"}}
        (folder / "study.yaml").write_text(yaml.safe_dump(study))
        try:
            check(file, wanted, folder, readers=readers)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{number}.jsonl.gz").write_bytes(content)
            return "readers" if readers else "merge", traceback.format_exc(limit=-4)
    return "readers" if readers else "merge", None


def run(count: int, seed: int, keep: Path | None, say: Callable[[str], None] = print) -> int:
    """Runs all rounds and prints what was found; returns the number of faults."""
    text = gzip.decompress((RESULTS / "nano-study.jsonl.gz").read_bytes()).decode()
    records = [json.loads(line) for line in text.splitlines()[::20]]
    found: Counter[str] = Counter()
    start = time.process_time()
    for number in range(count):
        kind, fault = one_round(number, seed, records, keep)
        found[kind] += 1
        if fault is not None:
            found["faults"] += 1
            say(f"{seed}-{number}: {fault}")
    say(
        f"{count} damaged files of results, {found['readers']} through all commands: "
        f"{found['faults']} faults; {time.process_time() - start:.0f} s of processor time"
    )
    return found["faults"]


def command_line() -> int:
    """Runs the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that failed")
    options = parser.parse_args()
    os.environ.pop("LIT_CAUSALMIX_DATA", None)
    keep = None if options.keep is None else options.keep.absolute()
    return min(run(options.count, options.seed, keep), 100)


if __name__ == "__main__":
    raise SystemExit(command_line())
