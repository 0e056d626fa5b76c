"""The part of the task that knows which run it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from lit_causalmix.backbones import Backbone
from lit_causalmix.names import public_name
from lit_causalmix.training.checkpoints import check_backbone, check_resumable, check_weights
from lit_causalmix.training.episode_data import EpisodeData
from lit_causalmix.training.runs import (
    KEY,
    NumberingLogger,
    Run,
    claim_folder,
    claim_numbers,
    claim_own,
    local_folder,
    release,
    run_folder,
    unnumbered,
    write_run,
)


class RunModule(pl.LightningModule):
    """Claims the folder of its run, and puts the run's identity into each checkpoint.

    A resumed fit is a run of its own, in a folder of its own where the logger numbers them, and
    names the runs that it goes on from. `run.json` in the folder says all this, and what the run
    was fitted to.

    Attributes:
        identity: The present run; None before a trainer has set the module up.
    """

    backbone: Backbone

    def __init__(self) -> None:
        super().__init__()
        self.identity: Run | None = None
        self._unnumbered: list[NumberingLogger] = []
        self._claimed: Path | None = None  # a folder of our own number needs no lock
        self._folder: Path | None = None

    def configure_callbacks(self) -> Sequence[pl.Callback] | pl.Callback:
        # The first of all hooks. Right after it Lightning asks the loggers for their numbers, which
        # they choose by looking; the claim waits until the datamodule has taken the table.
        self._unnumbered = unnumbered(self.trainer)
        return super().configure_callbacks()

    def prepare_data(self) -> None:
        super().prepare_data()
        if not self.trainer.is_global_zero or self._is_trial():
            return
        if self._unnumbered:
            claim_numbers(self._unnumbered)
            if self._unnumbered[0] is self.trainer.loggers[0]:
                self._claimed = local_folder(self.trainer)
            self._unnumbered = []
        self._claimed = claim_own(self.trainer) or self._claimed
        if local_folder(self.trainer) != self._claimed:
            claim_folder(self.trainer)

    def setup(self, stage: str) -> None:
        super().setup(stage)
        folder = run_folder(self.trainer)
        if stage == "fit" or self.identity is None or folder != self._folder:
            run = Run.new(public_name(type(self.backbone)))
            self.identity, self._folder = self.trainer.strategy.broadcast(run), folder
            self._write_identity()

    def teardown(self, stage: str) -> None:
        super().teardown(stage)
        release(id(self.trainer))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.identity is not None:
            checkpoint[KEY] = self.identity.stamp()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_backbone(checkpoint, public_name(type(self.backbone)))
        if self.strict_loading:
            check_weights(checkpoint, self.state_dict())
        if self._trainer is not None and self._command() == "fit":
            check_resumable(checkpoint)
            if self.identity is not None and KEY in checkpoint:
                self.identity = replace(self.identity, lineage=self._behind(checkpoint[KEY]))
                self._write_identity()
        super().on_load_checkpoint(checkpoint)

    @staticmethod
    def _behind(stamp: Mapping[str, Any]) -> tuple[str, ...]:
        return (stamp["id"], *stamp["lineage"])

    def _write_identity(self) -> None:
        if self.identity is None or self._folder is None or self._is_trial():
            return
        if self.trainer.is_global_zero:
            datamodule = getattr(self.trainer, "datamodule", None)
            facts = datamodule.run_facts() if isinstance(datamodule, EpisodeData) else {}
            write_run(self._folder, self.identity, {"command": self._command(), **facts})

    def _command(self) -> str:
        return "" if self.trainer.state.fn is None else self.trainer.state.fn.value

    def _is_trial(self) -> bool:
        return bool(self.trainer.fast_dev_run)  # type: ignore[attr-defined]
