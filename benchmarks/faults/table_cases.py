"""Hostile tables at random: the bytes of a file, what a user says of it, and what its cells are.

A case is a function of (seed, index). Most have one or two faults among good cells, so that what is
behind the first check is reached, too.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from damage import damage_bytes
from numpy.typing import NDArray

from lit_causalmix.seeding import rng

Random = np.random.Generator

CALM = 23
"""Of each hundred cases, those with one fault at most."""

_WORDS = ["red", "green", "blue", "None", "=1+1|cmd", "-2", "@x", "日本", "é", "a,b", 'q"q', "l\nl"]
_WORDS += ["NA ", "nan", "inf", "1e5", "007", "TRUE", "x" * 300, "\u202eabc", "a\tb", "'", "\x00"]
_NAMES = [
    "a",
    "../../x",
    "$\\frac{",
    "x\ny",
    "b" * 400,
    "日本",
    " c ",
    "1",
    "target ",
    "=1",
    "\u200b",
]
_NAMES += ['"', "%s{0}", "nan", "<b>", "/abs", "C:\\x", "prediction", ".", "NaN"]
_CELLS = ["inf", "-inf", "1e999", "1e-999", "1.7e308", "5e-324", "1e60", "9" * 400, "?", "abc", ""]
_CELLS += [
    "1,5",
    "1 000",
    "0x1f",
    "1_000",
    "1e",
    "--1",
    "+",
    ".",
    "\x00",
    "9" * 20_000,
    "1.2.3",
    "½",
]
_CELLS += [
    "2020-01-01",
    "٣",
    "1e5e5",
    "1." + "0" * 3000,
    "NaN",
    "null",
    "TRUE",
    " 7 ",
    "x" * 140_000,
]
_DATES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2020-02-30", "0000-00-00"]
_DATES += ["10000-01-01", "2020-01-01T25:00", "", "1969-12-31", "2020-01-01T00:00:00.123456789"]


@dataclass
class Case:
    """A table as a file, with what is said of it.

    Attributes:
        index: The case.
        suffix: Ending of the file's name.
        content: The file.
        settings: Arguments of `TableSpec` besides the source.
        truth: Numbers that columns hold, by name, where nothing was done to their cells.
        notes: What was done, in words.
        plain: Cells of a regression target without shift and scale.
        twin: The same file with these.
    """

    index: int
    suffix: str = ".csv"
    content: bytes = b""
    settings: dict[str, Any] = field(default_factory=dict)
    truth: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    twin: bytes | None = None


def make(seed: int, index: int) -> Case:
    """The case of an index."""
    random = rng(seed, "fault-table", index)
    case = Case(index)
    n = int(random.choice([1, 2, 3, 8, 30, 60, 120], p=[0.01, 0.01, 0.02, 0.06, 0.3, 0.35, 0.25]))
    signal = random.normal(size=n)
    columns: dict[str, list[str]] = {}
    for position in range(int(random.integers(1, 6))):
        name = f"f{position}"
        columns[name] = _column(random, case, name, signal)
    case.plain, columns["y"] = _target(random, case, signal)
    case.settings["target"] = "y"
    calm = index % 100 < CALM  # these go beyond loading, if they are not refused before
    for _ in range(int(random.integers(0, 2 if calm else 3))):
        fault = _FAULTS[int(random.integers(len(_FAULTS)))]
        fault(random, case, columns)
    _write(random, case, columns)
    if random.random() < 0.12 and not calm:
        case.content = damage_bytes(case.content, random)
        case.truth, case.twin = {}, None
        case.notes.append("damaged bytes")
    return case


def _numbers(random: Random, signal: NDArray[np.float64]) -> NDArray[np.float64]:
    noisy = signal + random.normal(size=len(signal))
    kind = int(random.integers(6))
    if kind == 0:
        return noisy
    if kind == 1:
        return noisy * 10.0 ** random.integers(-120, 120)
    if kind == 2:
        return noisy + 10.0 ** random.integers(0, 18)
    if kind == 3:
        return np.round(noisy * 10.0 ** random.integers(0, 20))
    if kind == 4:
        return np.where(random.random(len(noisy)) < 0.1, noisy * 1e80, noisy)
    return np.sign(noisy) * np.exp(np.abs(noisy) * random.choice([1, 30, 100]))


def _column(random: Random, case: Case, name: str, signal: NDArray[np.float64]) -> list[str]:
    n, kind = len(signal), int(random.integers(9))
    if kind < 4:
        values = _numbers(random, signal)
        case.truth[name] = values
        return [repr(float(value)) for value in values]
    if kind == 4:
        words = random.choice(_WORDS, size=int(random.integers(1, 6)))
        return [str(word) for word in random.choice(words, n)]
    if kind == 5:
        days = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(-9e4, 9e4, n), unit="D")
        case.settings.setdefault("kinds", {})[name] = "date"
        found = [str(day) for day in pd.Series(days).dt.strftime("%Y-%m-%d")]
        if random.random() < 0.5:
            found[int(random.integers(n))] = str(random.choice(_DATES))
        return found
    if kind == 6:
        return [str(random.choice(["", "NA", "5"]))] * n
    if kind == 7:
        return [str(bool(value > 0)) for value in signal]
    return [f"{int(code):05d}" for code in random.integers(0, 4, n)]


def _target(random: Random, case: Case, signal: NDArray[np.float64]) -> tuple[list[str], list[str]]:
    """The target as it would be without shift and scale, and as it is."""
    noisy = signal + random.normal(size=len(signal)) / 4
    kind = int(random.integers(8))
    if kind < 3:
        labels = random.permutation(_WORDS)[: int(random.integers(1, 4))]
        found = [str(labels[int(np.floor(abs(value) * 2)) % len(labels)]) for value in noisy]
        return [], found
    if kind == 3:
        return [], [str(int(value > 0)) for value in noisy]
    case.settings["task"] = "regression"
    shift = float(random.choice([0.0, 1e6, 1.7e9, -3e11]))
    scale = float(random.choice([1.0, 1e-90, 1e-50, 1e-20, 1e20, 1e45, 1e60, 1e90, 1e110]))
    values = shift + noisy if kind < 6 else scale * noisy
    case.truth["y"] = values
    case.notes.append(f"target {shift if kind < 6 else scale:g}")
    return [repr(float(v)) for v in noisy], [repr(float(v)) for v in values]


Columns = dict[str, list[str]]


def _any_name(random: Random, columns: Columns) -> str:
    return str(random.choice(list(columns)))


def _change_cells(random: Random, case: Case, columns: Columns) -> None:
    name = _any_name(random, columns)
    cell = str(random.choice(_CELLS))
    share = float(random.choice([0.0, 0.05, 0.5, 1.0]))
    hit = random.random(len(columns[name])) < share
    hit[int(random.integers(len(hit)))] = True
    columns[name] = [cell if h else old for h, old in zip(hit, columns[name], strict=True)]
    case.truth.pop(name, None)
    case.notes.append(f"{hit.sum()} cells of {name} are {cell[:20]!r}")


def _rename(random: Random, case: Case, columns: Columns) -> None:
    old, new = _any_name(random, columns), str(random.choice(_NAMES))
    if new in columns:
        return
    position = list(columns).index(old)
    items = list(columns.items())
    items[position] = (new, items[position][1])
    columns.clear()
    columns.update(items)
    case.truth.pop(old, None)
    if old == "y" and random.random() < 0.8:
        case.settings["target"] = new.strip()
    case.notes.append(f"{old} is named {new[:20]!r}")


def _copy_column(random: Random, case: Case, columns: Columns) -> None:
    columns["copy"] = list(columns[_any_name(random, columns)])
    case.notes.append("a copied column")


def _repeat_rows(random: Random, case: Case, columns: Columns) -> None:
    n = len(next(iter(columns.values())))
    order = random.integers(max(1, n // 2), size=n)
    for name in columns:
        columns[name] = [columns[name][i] for i in order]
    case.truth = {name: values[order] for name, values in case.truth.items()}
    case.plain = [case.plain[i] for i in order] if case.plain else []
    case.notes.append("repeated rows")


def _set_options(random: Random, case: Case, columns: Columns) -> None:
    name = _any_name(random, columns)
    options: list[dict[str, Any]] = [
        {"kinds": {name: str(random.choice(["numerical", "categorical", "ordinal", "date"]))}},
        {"kinds": {name: str(random.choice(["boolean", "date:%d/%m/%Y", "date:%Y"]))}},
        {"order": {name: ["red", "green", "5"]}},
        {"drop": [name]},
        {"group_column": name},
        {"split_column": name},
        {"missing_values": ["red", "?", "5"]},
        {"max_categories": 2},
        {"max_bytes": 200},
        {"task": str(random.choice(["binary", "multiclass", "regression"]))},
        {"name": str(random.choice(_NAMES))},
    ]
    chosen = options[int(random.integers(len(options)))]
    case.settings.update(chosen)
    case.truth.pop(name, None)
    case.notes.append(f"set {chosen}")


_FAULTS: tuple[Callable[[Random, Case, Columns], None], ...] = (
    _change_cells,
    _change_cells,
    _change_cells,
    _rename,
    _copy_column,
    _repeat_rows,
    _set_options,
    _set_options,
)


def _as_csv(columns: Columns, delimiter: str, ending: str) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=ending)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return stream.getvalue()


def _write(random: Random, case: Case, columns: Columns) -> None:
    if random.random() < 0.15:
        _write_parquet(random, case, columns)
        return
    tabs = random.random() < 0.1
    delimiter = "\t" if tabs else str(random.choice([",", ",", ";"]))
    ending = str(random.choice(["\n", "\r\n", "\r"], p=[0.7, 0.27, 0.03]))
    encoding = str(
        random.choice(["utf-8", "utf-8-sig", "utf-16", "latin-1"], p=[0.84, 0.1, 0.03, 0.03])
    )
    packed = random.random() < 0.1
    case.suffix = (".tsv" if tabs else ".csv") + (".gz" if packed else "")

    def content(table: Columns) -> bytes:
        raw = _as_csv(table, delimiter, ending).encode(encoding, "replace")
        return gzip.compress(raw, mtime=0) if packed else raw

    case.content = content(columns)
    if case.plain and "y" in case.truth and "y" in columns:
        case.twin = content({**columns, "y": case.plain})


def _write_parquet(random: Random, case: Case, columns: Columns) -> None:
    case.suffix = ".parquet"
    frame = pd.DataFrame(columns)
    for name in frame.columns:
        if name in case.truth and random.random() < 0.7:
            frame[name] = case.truth[name]
        elif random.random() < 0.2:
            frame[name] = frame[name].astype("category")
        elif random.random() < 0.1:
            frame[name] = [[cell] for cell in frame[name]]
            case.truth.pop(name, None)
    stream = io.BytesIO()
    frame.to_parquet(stream)
    case.content = stream.getvalue()
