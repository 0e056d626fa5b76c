"""The half of the task that scores zero-shot, keeps the selected weights and returns them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_tensors
from lit_causalmix.metrics import MetricSpec, Score, specs
from lit_causalmix.scalars import plain
from lit_causalmix.training.begun_with import KEY, begun_from, begun_with, check_start
from lit_causalmix.training.kept_weights import (
    Weights,
    check_seal,
    copied,
    seal,
    unsealed,
)
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.run_module import RunModule
from lit_causalmix.training.scoreboard import Scoreboard, Selected, Sheet, Stage
from lit_causalmix.training.scoring import score_stage, scored_rows
from lit_causalmix.training.selection import Selection

if TYPE_CHECKING:
    from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)


class ZeroShotMemory(Protocol):
    """Knows zero-shot scores of these weights that were measured elsewhere, by sheet and rows."""

    def known(self, sheet: str, rows: str) -> dict[str, Score] | None: ...

    def measured(self, sheet: str, rows: str, scores: dict[str, Score]) -> None: ...


class SelectingModule(RunModule):
    """Owns the scoreboard, the pre-trained weights and the selected ones.

    A fit returns the selected weights: they are put into the module when training is over, when
    nothing was left to train, and when a fit was broken off and something else follows. Their
    checksum in the scoreboard is compared each time.

    Attributes:
        scoreboard: The scores of the present fit, or of the checkpoint that was read.
        memory: Asked before zero-shot is measured; null measures always.
        selects_anew: Whether the fit goes on from a checkpoint that selected by other rows.
    """

    selection: Selection
    metrics: Sequence[MetricSpec]

    def __init__(self) -> None:
        super().__init__()
        self.scoreboard = Scoreboard()
        self.memory: ZeroShotMemory | None = None
        self.selects_anew = False
        self._start: Weights | None = None
        self._start_before: Weights | None = None
        self._selected: Weights | None = None
        self._unsettled = False
        self._rows: dict[Stage, str] = {}

    # -- zero-shot ------------------------------------------------------------------------------

    @contextmanager
    def pretrained(self) -> Iterator[None]:
        """Puts the pre-trained weights into the backbone, and the present ones back."""
        if self._start is None:
            raise RuntimeError("the pre-trained weights are copied in setup, which has not run")
        present = copied(self.backbone)
        self.backbone.load_state_dict(self._start)
        try:
            yield
        finally:
            self.backbone.load_state_dict(present)

    def pretrained_digest(self) -> str | None:
        """SHA-256 of the backbone's weights before training; None where they are not known."""
        return None if self._start is None else of_tensors(self._start)

    def zero_shot(self, stage: Stage) -> Mapping[str, Score]:
        """Scores of the pre-trained weights, "domain/metric" → score.

        Measured once for the same rows, by whoever asks first; every rank has to ask.
        """
        sheet = self.scoreboard.sheet(stage, rows=self.rows(stage))
        scores = self.measured(stage, sheet, lambda: score_stage(self.trainer, self, stage))
        if stage == "val" and self._fits():
            self.scoreboard.begin(scores)
        return scores

    def rows(self, stage: Stage) -> str:
        """Fingerprint of the rows that a stage scores, with their context; taken once a run."""
        if stage not in self._rows:
            self._rows[stage] = scored_rows(self.trainer).evaluation_fingerprint(stage)
        return self._rows[stage]

    def measured(
        self, name: str, sheet: Sheet, score: Callable[[], dict[str, Score]]
    ) -> Mapping[str, Score]:
        """The zero-shot scores of any sheet; `score` measures the weights that it finds.

        What is known already, from a checkpoint for one, stays, and a metric that it lacks is
        measured.
        """
        if sheet.zero_shot is None and self.memory is not None:
            sheet.zero_shot = self.memory.known(name, sheet.rows)
        known = sheet.zero_shot or {}
        if not {m.name for m in self.metrics_of_task()} <= {k.rpartition("/")[2] for k in known}:
            with self.pretrained():
                sheet.zero_shot = {**score(), **known}
            if self.memory is not None:
                self.memory.measured(name, sheet.rows, sheet.zero_shot)
        return sheet.zero_shot or known

    def metrics_of_task(self) -> Sequence[MetricSpec]:
        """All metrics that are scored."""
        return specs(self._classifies(), self.metrics)

    def zero_shot_loss(self) -> float:
        """The zero-shot value of `val/loss`, by the same selection as every other."""
        return self.selection.loss(self.zero_shot("val"), self._classifies())

    def zero_shot_bar(self) -> float:
        """The `val/loss` below which weights take the place of zero-shot.

        Infinite where zero-shot has no defined score: any defined one is then an improvement.
        """
        bar = self.selection.bar(self.zero_shot("val"), self._classifies())
        return math.inf if math.isnan(bar) else bar

    def _classifies(self) -> bool:
        return scored_rows(self.trainer).is_classification

    # -- the selected weights -------------------------------------------------------------------

    def select(self, score: float, *, step: int, **facts: Any) -> None:
        """Keeps a copy of the present weights as the selected ones; on every rank.

        Args:
            score: Their value of the metric that is minimised.
            step: Optimiser steps that led to them.
            facts: Further attributes of `Selected`; the bar is the score unless told otherwise,
                the file that of the selection before.
        """
        before = self.scoreboard.selected
        defaults = {
            "bar": score,
            "rule": self.selection.title,
            "file": before.file if before else "",
        }
        self._selected = copied(self)
        digest = of_tensors(self._selected)
        self.scoreboard.selected = Selected(
            score=score, step=step, digest=digest, **{**defaults, **facts}
        )

    def take_selected(self) -> None:
        """Puts the selected weights into the module; where nothing selects, all stays as it is.

        Raises:
            ConfigurationError: If they are not there, or not what the scoreboard says.
        """
        self._unsettled = False
        selected = self.scoreboard.selected
        if selected is None:
            return
        if self._selected is None or of_tensors(self._selected) != selected.digest:
            raise ConfigurationError(
                f"the selected weights (step {selected.step}) are not those that were selected: "
                f"go on from a complete checkpoint of the run, or test {selected.file or 'one'}"
            )
        self.load_state_dict(self._selected)

    def holds_selected(self) -> bool:
        """Whether the present weights are the selected ones, to the bit."""
        selected = self.scoreboard.selected
        return selected is not None and of_tensors(self.state_dict()) == selected.digest

    def _settle(self) -> None:
        """Ends a fit: the last selection is made, and the module takes what is selected."""
        selected = self.scoreboard.selected
        trained_on = selected is not None and selected.step != self.trainer.global_step
        if trained_on and self.selection.keeps_last:  # since the last validation
            self.select(math.nan, step=self.trainer.global_step)
        self._call("on_closing")
        self.take_selected()
        self._call("on_settled")

    def _call(self, moment: str) -> None:
        callbacks: list[pl.Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        for callback in callbacks:
            if isinstance(callback, FitCallback):
                getattr(callback, moment)(self.trainer, cast("CausalMixTask", self))

    # -- Lightning's hooks ----------------------------------------------------------------------

    def configure_callbacks(self) -> Sequence[pl.Callback] | pl.Callback:
        # Lightning's ckpt_path="best" takes the first checkpoint callback: the one that selects.
        callbacks: list[pl.Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        callbacks.sort(key=lambda c: (isinstance(c, Checkpoint), not isinstance(c, FitCallback)))
        return super().configure_callbacks()

    def setup(self, stage: str) -> None:
        super().setup(stage)
        self._rows = {}  # the datamodule may be another one
        if stage == "fit" and self.trainer.global_step == 0:
            self._start_before = self._start  # of a checkpoint, which is read after this
            self.scoreboard, self._selected, self._start = Scoreboard(), None, None
        elif stage != "fit" and self._unsettled:
            _log.info("The fit before was broken off: going on with its selected weights")
            self.take_selected()
        if self._start is None and stage != "predict":
            self._start = copied(self.backbone)

    def on_fit_start(self) -> None:
        self._unsettled = True
        self._start_before = None  # a checkpoint is read by now
        self._compare_rows()
        self._call("on_opened")

    def on_validation_epoch_end(self) -> None:
        if self._fits() and not self.trainer.sanity_checking:
            self._call("on_scored")

    def on_train_end(self) -> None:
        self._settle()

    def on_fit_end(self) -> None:
        if self._unsettled:  # nothing was left to train; Lightning has moved the module off by now
            self.to(self.trainer.strategy.root_device)
            self._settle()
            self.cpu()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint.update(plain(checkpoint))
        seal(checkpoint, self.scoreboard.state(), self._selected)
        checkpoint[KEY] = begun_with(self.pretrained_digest(), self.selection)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        check_seal(checkpoint)
        self._compare_start(checkpoint)
        content, self._selected = unsealed(checkpoint)
        self.scoreboard = Scoreboard() if content is None else Scoreboard.of_state(content)
        if content is None:
            _log.warning(
                "The checkpoint has no scoreboard, as those of earlier versions: zero-shot is "
                "measured again, and a fit selects from zero-shot on"
            )
        elif self._selected is None and self.scoreboard.selected and self._fits():
            self.scoreboard.selected = None
            _log.warning(
                "The checkpoint has no copy of the selected weights: the fit selects from "
                "zero-shot on"
            )

    def _compare_start(self, checkpoint: Mapping[str, Any]) -> None:
        """Takes the weights that a fit of this very module began with, and refuses others."""
        former = self._start_before
        if former is not None and of_tensors(former) == begun_from(checkpoint):
            self._start = former
        check_start(checkpoint, self.pretrained_digest())

    def _compare_rows(self) -> None:
        """Forgets what was selected by other rows: the scores of the two do not compare."""
        known = self.scoreboard.sheets.get("val")
        chosen = self.scoreboard.selected
        self.selects_anew = (
            chosen is not None and known is not None and (known.rows != self.rows("val"))
        )
        if self.selects_anew:
            self.scoreboard.selected, self.scoreboard.history = None, []
            _log.warning(
                "The rows that select are others than the checkpoint's: the fit selects from "
                "zero-shot on"
            )

    def _fits(self) -> bool:
        return self._trainer is not None and self._trainer.state.fn == "fit"
