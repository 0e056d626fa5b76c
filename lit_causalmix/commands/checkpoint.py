"""`--ckpt_path`: what it names, and whether that goes with the model, before any work starts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.names import public_name
from lit_causalmix.training.checkpoints import check_backbone
from lit_causalmix.training.task import CausalMixTask

KEYWORDS = ("best", "last", "hpc")
"""Lightning's words for a checkpoint that a trainer finds by itself."""


def check_checkpoint(
    content: Mapping[str, Any],
    model: pl.LightningModule,
    datamodule: pl.LightningDataModule | None,
    command: str,
) -> None:
    """Refuses a checkpoint of another backbone, and tells the datamodule of which table it is.

    The datamodule learns of table and split before it reads its own. A fit that goes on has to have
    the optimiser of the checkpoint, too; that of an adapter, which learns from the table what there
    is to train, is compared once the table is read.

    Raises:
        ConfigurationError: With what is wrong.
    """
    backbone = getattr(model, "backbone", None)
    if backbone is not None:
        check_backbone(content, public_name(type(backbone)))
    if command == "fit" and isinstance(model, CausalMixTask) and model.adapter is None:
        model.check_resumed(content, sizes=False)
    state = content.get(type(datamodule).__qualname__)
    if datamodule is not None and state:
        datamodule.load_state_dict(state)


def check_no_file(trainer: pl.Trainer, command: str, path: str | None) -> None:
    """Says that weights are zero-shot where no checkpoint is named; refuses a word for none.

    Args:
        trainer: Knows where checkpoints would be.
        command: "fit", "validate", "test" or "predict".
        path: None, or one of `KEYWORDS`.

    Raises:
        ConfigurationError: If a word finds no checkpoint.
    """
    if path is not None:
        _check_keyword(trainer, path)
    elif command != "fit":
        sys.stderr.write(
            f"{command}: no --ckpt_path is given, so the pre-trained weights are used "
            "(zero-shot); those of a fit are --ckpt_path RUN/best.ckpt\n"
        )


def _check_keyword(trainer: pl.Trainer, keyword: str) -> None:
    """Refuses a word for which there is no file; Lightning would train from nothing, or crash."""
    folders = [Path(trainer.default_root_dir)] if keyword == "hpc" else []
    if keyword == "last":
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        folders = [
            Path(c.dirpath) for c in callbacks if isinstance(c, ModelCheckpoint) and c.dirpath
        ]
    pattern = "hpc_ckpt_*.ckpt" if keyword == "hpc" else "last*.ckpt"
    if not any(path for folder in folders for path in folder.glob(pattern)):
        where = f" in {', '.join(map(str, folders))}" if folders else ""
        raise ConfigurationError(
            f"--ckpt_path {keyword} finds no checkpoint{where}, as every run has a folder of its "
            "own: name the file, RUN/checkpoints/last.ckpt to go on with a fit, RUN/best.ckpt for "
            "its weights"
        )
