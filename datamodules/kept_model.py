"""From a fit to what is kept of it: the selected weights, the context, and how they came about."""

from __future__ import annotations

import copy
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import lit_causalmix
from lit_causalmix.datamodules.one_table import TableDataModule
from lit_causalmix.files import fingerprint
from lit_causalmix.metrics import Score, normalized_scores
from lit_causalmix.model import Member, Predictor
from lit_causalmix.training.report import brief, report_rows
from lit_causalmix.training.scoreboard import Scoreboard, Stage
from lit_causalmix.training.task import CausalMixTask

_PACKAGES = ("lightning", "numpy", "pandas", "safetensors", "torch")


def kept_member(task: CausalMixTask, data: TableDataModule) -> Member:
    """A copy of what a fit predicts with: its weights as they are, its encoder and its context.

    An adapter is worked into the weights where it can be, which leaves the predictions the same up
    to rounding; otherwise it is kept with them.
    """
    backbone = copy.deepcopy(task.kept_backbone()).cpu()
    context = data.context_table("test")
    return Member(
        backbone, data.encoder, context, data.max_query_rows, nearest=data.nearest_context()
    )


def kept_model(
    task: CausalMixTask, data: TableDataModule, settings: Mapping[str, Any] | None = None
) -> Predictor:
    """The model of a fit that has ended, with one member.

    Args:
        task: Holds the selected weights, as it does when a fit has ended.
        data: What it was fitted to.
        settings: JSON values; the configuration of the fit.
    """
    return Predictor([kept_member(task, data)], data.reading, record(task, data, settings))


def record(
    task: CausalMixTask, data: TableDataModule, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """How a model came about, as JSON values.

    Returns:
        `method`, `seed`, `selected` (in words), `scores` (rows of texts: stage, domain, metric,
        zero-shot, selected weights, normalised), `scoreboard` (all of it, with all digits), `base`
        (where the pre-trained weights come from, their licence and digest), `data` (digests of the
        training rows and facts of the split), `versions`, `made` and `settings`.
    """
    board = task.scoreboard
    base = task.backbone.origin() | {"sha256": task.pretrained_digest()}
    generator = getattr(data, "generator", None)
    libraries = (*_PACKAGES, *getattr(generator, "libraries", ()))
    return {
        "method": data.method,
        "seed": getattr(data, "seed", None),
        "selected": _selected(board),
        "scores": list(_scores(board)),
        "scoreboard": board.state(),
        "base": base,
        "data": {"train": data.splits.train.fingerprint(), **data.run_facts()},
        "versions": {
            "lit-causalmix": lit_causalmix.__version__,
            "python": platform.python_version(),
            **fingerprint.versions(libraries),
        },
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": dict(settings or {}),
    }


def _selected(board: Scoreboard) -> str | None:
    if board.selected is None:
        return None
    where = "zero-shot" if board.selected.step == 0 else f"step {board.selected.step}"
    return f"{where}, by {board.selected.rule}"


def _scores(board: Scoreboard) -> Iterable[list[str]]:
    """Scores of the selected weights: on validation rows as they were selected, and on test rows.

    The last validation of a fit is of the last weights, so the selected one is looked up.
    """
    selected = board.selected
    if selected is not None and selected.coefficient is None and board.history:
        found = next((v.scores for v in board.history if v.step == selected.step), {})
        yield from score_texts("val", board.history[0].scores, found)
    for sheet in board.of_stage("test"):
        yield from score_texts("test", sheet.zero_shot or {}, sheet.scores)


def score_texts(
    stage: Stage, zero_shot: Mapping[str, Score], scores: Mapping[str, Score]
) -> Iterable[list[str]]:
    """Scores of a stage as a card shows them: stage, domain, metric, zero-shot, theirs, gain."""
    for row in report_rows("", stage, zero_shot, scores, normalized_scores(scores, zero_shot)):
        values = (brief(row.zero_shot.value), brief(row.fine_tuned.value))
        yield [stage, row.domain, row.metric, *values, _percent(row.normalized)]


def _percent(score: Score) -> str:
    return f"{score.value:+.2f} %" if score.defined else "undefined"
