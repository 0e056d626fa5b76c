"""Cells of constructed studies, whose answers are known."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from lit_causalmix.pages.html import render
from lit_causalmix.study.identity import content_hash
from lit_causalmix.study.record import Record
from lit_causalmix.study.report.contents import read_study_results
from lit_causalmix.study.report.page import build_report
from lit_causalmix.study.store import Store

ZERO_SHOT = {"roc_auc": 0.8, "log_loss": 0.5, "rmse": 2.0, "mae": 1.5, "r2": 0.4}
SIGN = {"roc_auc": 1, "log_loss": -1, "rmse": -1, "mae": -1, "r2": 1}
METRICS = {"binary": ("roc_auc", "log_loss"), "regression": ("rmse", "mae", "r2")}

MakeRecord = Callable[..., Record]


def make_record(
    method: str,
    score: float | None,
    *,
    table: str = "wine",
    domain: str = "food",
    task: str = "binary",
    backbone: str = "nano",
    seed: int = 0,
    ratio: float = 0.5,
    size: float | None = None,
    validation: float = 0.5,
    perturbed: Mapping[str, float] | None = None,
    rank_gap: float | None = None,
    checkpoints: Sequence[float] = (),
    lr: float = 1e-5,
) -> Record:
    """A finished cell whose normalised test scores are `score` percent, null for None."""
    ratio, size = (0.0, 0.0) if method == "default" else (ratio, size)
    wanted = {"real": score, **{f"perturbed_{e}": v for e, v in (perturbed or {}).items()}}
    normalized, scores, zero = {}, {}, {}
    for rows, value in wanted.items():
        for metric in METRICS[task]:
            key, start = f"{rows}/{metric}", ZERO_SHOT[metric]
            zero[key] = start
            normalized[key] = value
            scores[key] = None if value is None else start * (1 + SIGN[metric] * value / 100)
    metric = METRICS[task][0]
    gap = {metric: {"rank": {"value": rank_gap, "note": ""}}}
    val = {f"real/{metric}": validation}
    generator = None if method == "default" else {"class_path": f"{method}.Generator"}
    return {
        "table": table,
        "method": method,
        "backbone": backbone,
        "seed": seed,
        "ratio": ratio,
        "size": size,
        "domain": domain,
        "task": task,
        "status": "ok",
        "key": content_hash([table, method, backbone, seed, ratio, size]),
        "n_train": 100,
        "n_columns": 5,
        "n_classes": 2 * (task == "binary"),
        "best_step": 3,
        "seconds": {"total": 10.0, "prepare": 2.0, "train": 5.0, "evaluate": 3.0},
        "config": {
            "data": {
                "table": {"source": f"{table}.csv", "domain": domain},
                "split": {"seed": seed, "max_train_rows": 100},
                "synthetic_ratio": ratio,
                "synthetic_size": size,
                "generator": generator,
                "seed": seed,
            },
            "model": {"optimizer": {"init_args": {"lr": lr}}},
            "trainer": {"max_epochs": 3},
        },
        "zero_shot": {"test": zero, "val": val},
        "scores": {"test": scores, "val": val},
        "normalized": {"test": normalized, "val": val},
        **({} if rank_gap is None else {"validation_test_gap": gap}),
        "trajectory": [
            {"step": i, "val": {metric: s}, "test": {metric: s}} for i, s in enumerate(checkpoints)
        ],
    }


def make_member(record: Record, factor: float) -> Record:
    """The same scores beside `factor` times the zero-shot, as of a method that fits folds."""
    changed = copy.deepcopy(record)
    for key, score in changed["scores"]["test"].items():
        zero = changed["zero_shot"]["test"][key] * factor
        changed["zero_shot"]["test"][key] = zero
        sign = SIGN[key.partition("/")[2]]
        changed["normalized"]["test"][key] = sign * (score - zero) / abs(zero) * 100
    return changed


def make_failed(record: Record, error: str) -> Record:
    """The same cell, had it failed."""
    kept = ("table", "method", "backbone", "seed", "ratio", "size", "key", "config", "seconds")
    failed = {name: copy.deepcopy(record[name]) for name in kept}
    return failed | {"status": "failed", "error": error, "traceback": []}


def make_study(
    methods: Mapping[str, float],
    *,
    domains: Mapping[str, int] | None = None,
    seeds: int = 3,
    noise: float = 0.02,
    **fields: Any,
) -> list[Record]:
    """Cells of methods with a mean score each; a table shifts all methods alike."""
    generator = np.random.default_rng(0)
    records = []
    for domain, n_tables in (domains or {"finance": 4, "medicine": 4}).items():
        for number in range(n_tables):
            level = generator.normal(0, 0.3)
            for seed in range(seeds):
                for method, mean in methods.items():
                    records.append(
                        make_record(
                            method,
                            level + mean + generator.normal(0, noise),
                            table=f"{domain}_{number}",
                            domain=domain,
                            seed=seed,
                            **fields,
                        )
                    )
    return records


@pytest.fixture
def keep(tmp_path: Any) -> Callable[[Iterable[Record]], Store]:
    """Puts records into a store."""

    def put(records: Iterable[Record]) -> Store:
        store = Store(tmp_path / "runs" / "trial")
        for record in records:
            assert store.put(record)
        return store

    return put


@pytest.fixture
def cell() -> MakeRecord:
    return make_record


@pytest.fixture
def member() -> Callable[[Record, float], Record]:
    return make_member


@pytest.fixture
def failed() -> Callable[[Record, str], Record]:
    return make_failed


@pytest.fixture
def cells() -> Callable[..., list[Record]]:
    return make_study


@pytest.fixture
def report(
    keep: Callable[[Iterable[Record]], Store],
) -> Callable[..., tuple[str, dict[str, bytes]]]:
    """Builds the page about some records: its text without tags, and the files beside it."""

    def build(records: Iterable[Record], **options: Any) -> tuple[str, dict[str, bytes]]:
        study = read_study_results(keep(records).root, "trial")
        names = {"method": "causalmixft", "reference": "default"} | options
        page = build_report(study, **names)
        return page_text(render(page)), page.files()

    return build


class _Page(HTMLParser):
    """Collects the text; fails on tags that do not match and on links that leave the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            inside = str(value).startswith(("#", "data:image/png;base64,"))
            assert name not in ("src", "href") or inside, f"{name}={value}"
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] != "style":
            self.words.append(data.strip())


def page_text(html: str) -> str:
    """The words of a page, one element per line; the page has to be well-formed and whole."""
    page = _Page()
    page.feed(html)
    assert not page.open
    return "\n".join(page.words)
