"""What was run: tables, methods, caps, and what is missing or failed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from lit_causalmix.pages.content import (
    Bullets,
    Details,
    Element,
    Paragraph,
    Part,
    Section,
    Table,
)
from lit_causalmix.study.report.blocks import Block, every_setting
from lit_causalmix.study.report.contents import LABELS, Study, context_rule, without_rows
from lit_causalmix.study.report.parts import csv
from lit_causalmix.study.report.words import count

SHOWN_ERRORS = 30
_CAPS = {
    "training rows at most": ("data", "split", "max_train_rows"),
    "validation rows at most": ("data", "split", "max_val_rows"),
    "test rows at most": ("data", "split", "max_test_rows"),
    "rows of an episode": ("data", "episode_rows"),
    "episodes per epoch": ("data", "episodes_per_epoch"),
    "epochs at most": ("trainer", "max_epochs"),
    "steps at most": ("trainer", "max_steps"),
    "learning rate": ("model", "optimizer", "init_args", "lr"),
}
_UNLIMITED = (None, -1)
_CONTEXT = {"both": "training and validation rows", "train": "training rows"}


def run_section(study: Study, blocks: Sequence[Block]) -> Section:
    """Tables, methods and caps of all finished cells."""
    cells = pd.DataFrame([{k: r[k] for k in LABELS} for r in (*study.records, *study.failed)])
    axes = ", ".join(
        count(cells[axis].nunique(), axis) for axis in ("table", "method", "backbone", "seed")
    )
    done = f"{len(study.records)} finished, {len(study.failed)} failed"
    if study.planned is not None:
        done += f", {study.planned - len(cells)} not run yet of {study.planned}"
    kept = study.frame.drop(columns=["training", "key"], errors="ignore")
    told = Paragraph(f"{axes}; {count(len(cells), 'cell')}: {done}.")
    parts = [Part([told], files=csv("cells", kept))]
    if blocks:
        parts += _settings_parts(study, blocks, count(cells["table"].nunique(), "table"))
    return Section("run", "What was run", parts)


def _settings_parts(study: Study, blocks: Sequence[Block], n_tables: str) -> Iterator[Part]:
    head = ("method", "backbone", "generator", "synthetic rows", "also with", "on", "cells")
    yield Part([Table(head, list(_methods(study, blocks)), numbers=(6,))], "Methods")
    head = ("table", "domain", "task", "training rows", "columns", "classes", "cells")
    yield Part(
        [
            Table(("setting", "value"), list(_caps(study))),
            Paragraph(
                "All settings of one cell of each method are in methods.json beside this page.",
                "note",
            ),
            Details(
                f"The {n_tables}",
                [Table(head, list(_tables(study.frame)), numbers=(3, 4, 5, 6))],
            ),
        ],
        "Caps and training",
        {"methods.json": _settings(study).encode()},
    )


def _methods(study: Study, blocks: Sequence[Block]) -> Iterator[tuple[str, ...]]:
    """One row per method on a backbone, unless its setting differs between kinds of tables."""
    generators = {
        (r["method"], r["backbone"]): r["config"]["data"].get("generator") or {}
        for r in study.records
        if r["ratio"] > 0
    }
    rows: dict[tuple[str, ...], list[tuple[str, int, int]]] = {}
    for block in blocks:
        for name, setting in block.settings.items():
            cells = block.frame[block.frame["method"] == name]
            n_others = len(every_setting(cells)) - 1
            path = str(generators.get((name, block.backbone), {}).get("class_path", ""))
            key = (name, block.backbone, path.rpartition(".")[2], str(setting))
            rows.setdefault(key, []).append((block.kind, n_others, len(cells)))
    for row, parts in rows.items():
        kinds, others, counts = zip(*parts, strict=True)
        also = count(max(others), "other setting") if any(others) else ""
        yield (*row, also, ", ".join(kinds), str(sum(counts)))


def _caps(study: Study) -> Iterator[tuple[str, str]]:
    for title, path in _CAPS.items():
        none = "no limit" if title.endswith("at most") else "as by default"
        found = [_at(record["config"], path) for record in study.records]
        texts = dict.fromkeys(none if v in _UNLIMITED else f"{v:g}" for v in found)
        yield title, ", ".join(sorted(texts))
    rules = sorted({_CONTEXT[context_rule(record["config"])] for record in study.records})
    yield "context at test", " or ".join(rules)
    yield "seeds", ", ".join(map(str, sorted({record["seed"] for record in study.records})))


def _at(config: Any, path: Sequence[str]) -> Any:
    for name in path:
        config = (config or {}).get(name)
    return config


def _tables(frame: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for (domain, table, task), cells in frame.groupby(["domain", "table", "task"], sort=True):
        rows = sorted({int(n) for n in cells["n_train"]})
        columns, classes = (int(cells[name].max()) for name in ("n_columns", "n_classes"))
        n_rows = f"{rows[0]}" if len(rows) == 1 else f"{rows[0]} to {rows[-1]}"
        many = str(classes) if classes else ""
        yield (str(table), str(domain), str(task), n_rows, str(columns), many, str(len(cells)))


def _settings(study: Study) -> str:
    """The configuration of each method without tables, seeds and places, as JSON."""
    found: dict[str, Any] = {}
    for record in study.records:
        config = record["config"]
        shown = without_rows(config)
        rows = {k: v for k, v in config["data"].items() if k.startswith("synthetic_")}
        shown["data"] = shown["data"] | {"generator": config["data"].get("generator")} | rows
        found.setdefault(f"{record['method']} on {record['backbone']}", shown)
    return json.dumps(found, indent=1, sort_keys=True)


def missing_section(study: Study, blocks: Sequence[Block]) -> Section:
    """Failed cells with their errors, and tables and seeds that some method lacks."""
    parts = [_failed_part(study), _lacking_part(blocks)]
    undefined = [text for block in blocks for text in _undefined(block)]
    if undefined:
        parts.append(Part([Bullets(undefined)], "Scores that are undefined"))
    return Section("missing", "Missing and failed cells", parts)


def _failed_part(study: Study) -> Part:
    title = "Failed cells"
    if not study.failed:
        none = Paragraph("None is known; exported files hold finished cells alone.")
        return Part([none], title)
    failures = pd.DataFrame(
        [{k: r[k] for k in LABELS} | {"error": r.get("error", "")} for r in study.failed]
    )
    columns = ["method", "table", "backbone", "seed", "error"]
    shown = failures.head(SHOWN_ERRORS)[columns].to_numpy()
    content: list[Element] = [Table(columns, [tuple(map(str, row)) for row in shown])]
    if len(failures) > SHOWN_ERRORS:
        content.append(Paragraph(f"and {len(failures) - SHOWN_ERRORS} more: failed.csv"))
    return Part(content, title, csv("failed", failures))


def _lacking_part(blocks: Sequence[Block]) -> Part:
    title = "Tables and seeds that not every method has"
    lacking = pd.concat([_lacking(block) for block in blocks]) if blocks else pd.DataFrame()
    if not len(lacking):
        return Part([Paragraph("Every method has every table and seed.")], title)
    rows = [
        (*map(str, key), str(len(part)), ", ".join(dict.fromkeys(part["table"])))
        for key, part in lacking.groupby(["backbone", "kind", "method"], sort=False)
    ]
    told = Paragraph(
        "Ranks are taken over the tables and seeds that all ranked methods have, "
        "differences over those that both methods have; medians over all that a method has."
    )
    table = Table(("backbone", "kind", "method", "lacks", "on"), rows, numbers=(3,))
    return Part([told, table], title, csv("missing", lacking))


def _lacking(block: Block) -> pd.DataFrame:
    """Table and seed that some method has and this one lacks, in its main setting."""
    pairs = block.main[["table", "seed"]].drop_duplicates()
    wanted = pairs.merge(pd.DataFrame({"method": list(block.settings)}), how="cross")
    both = wanted.merge(block.main[["table", "seed", "method"]], how="left", indicator="found")
    lacking = both[both["found"] == "left_only"].drop(columns="found")
    return lacking.assign(backbone=block.backbone, kind=block.kind)


def _undefined(block: Block) -> Iterator[str]:
    lost = block.main[block.main[block.score].isna()]
    if len(lost):
        tables = ", ".join(dict.fromkeys(lost["table"]))
        yield (
            f"{block.title}: {len(lost)} of {len(block.main)} cells have no {block.score}: {tables}"
        )
