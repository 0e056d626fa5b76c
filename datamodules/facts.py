"""What a fit made of a table, with what overrules it: for the lines before the work, and a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lit_causalmix.backbones import Backbone
from lit_causalmix.datamodules.causal_mix import CausalMixDataModule
from lit_causalmix.tables import Table
from lit_causalmix.tables.schema import Column
from lit_causalmix.tables.table import class_counts

_MOST_NAMES = 4
_WIDTH = 10


class Fact(NamedTuple):
    """One thing that a fit goes by.

    Attributes:
        name: What it is about, one word.
        text: What was inferred or set.
        options: What overrules it.
    """

    name: str
    text: str
    options: str


def fit_facts(datamodule: CausalMixDataModule, backbone: Backbone) -> str:
    """Task, kinds of columns, split and episodes of a fit, and its model, as lines of text.

    Args:
        datamodule: Its table is read.
        backbone: What is fine-tuned.
    """
    found = facts(datamodule, backbone)
    return "".join(f"{name:{_WIDTH}}{text} ({options})\n" for name, text, options in found)


def facts(datamodule: CausalMixDataModule, backbone: Backbone) -> Iterator[Fact]:
    """The same one by one; see `fit_facts`."""
    splits = datamodule.splits
    train, schema = splits.train, splits.train.schema
    yield Fact("table", f"{train.name}, domain {train.domain}", "--data.table.domain")
    yield Fact("task", _task(train), "--data.table.task, --data.table.target")
    kinds = "; ".join(_kinds(schema.features))
    yield Fact("columns", f"{len(schema.features)}: {kinds}", "--data.table.kinds")
    sizes = (f"{len(part):,}" for part in (train, splits.val, splits.test))
    rows = "{} training, {} validation, {} test rows".format(*sizes)
    yield Fact("split", f"{rows}, {_chosen_by(datamodule)}", "--data.split")
    if datamodule.folds > 1:
        pool = len(train) + len(splits.val)
        told = f"{datamodule.folds} of these {pool:,}, each validates once"
        yield Fact("folds", told, "--folds")
    n_context, n_query = datamodule.training_sizes()
    rows = f"{n_context:,} context + {n_query:,} query rows"
    each = f"{datamodule.episodes_per_epoch} an epoch, {datamodule.method}"
    yield Fact("episodes", f"{rows}, {each}", "--data.episode_rows, --data.synthetic_ratio")
    trained = sum(p.numel() for p in backbone.parameters() if p.requires_grad)
    name = type(backbone).__name__
    yield Fact("model", f"{name}, {trained:,} parameters to train", "--model.backbone")


def _chosen_by(datamodule: CausalMixDataModule) -> str:
    column = datamodule.table.split_column or datamodule.table.time_column
    return f"by {column!r}" if column is not None else f"seed {datamodule.split.seed}"


def _task(train: Table) -> str:
    schema = train.schema
    if not schema.n_classes:
        return f"regression of {schema.target.name!r}"
    counted = [f"{label} {rows[0]:,}" for label, rows in class_counts(train)]
    return f"{schema.task} classification of {schema.target.name!r}: {_some(counted)}"


def _kinds(features: Sequence[Column]) -> Iterator[str]:
    """Each kind with its columns: "2 numerical (age, income)"; dates stand apart."""
    named: dict[str, list[str]] = {}
    for column in features:
        kind = "date" if column.date_format else str(column.kind)
        named.setdefault(kind, []).append(column.name)
    for kind, names in named.items():
        yield f"{len(names)} {kind} ({_some(names)})"


def _some(names: Sequence[str]) -> str:
    shown = [name if len(name) <= 30 else f"{name[:30]}…" for name in names[:_MOST_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
