"""Checkpoints on disk: whole or not there, and read before anything slow is done with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from torch import Tensor

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import replacing
from lit_causalmix.training.runs import KEY


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its target, forces it to disk and renames it in one step.

    Lightning goes through the system's temporary folder. Where that is another file system, the
    move into place is a copy, which a kill cuts: the checkpoint before it is gone, and the new one
    is empty. Here the checkpoint before it stays until the new one is whole. The command line uses
    it always; in Python it is a plugin of the trainer. Paths with a protocol (`s3://…`) are written
    as Lightning does.

    Raises:
        FileError: If a checkpoint cannot be written, on a full or read-only disk for one.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(plugins=[AtomicCheckpointIO()], logger=False, accelerator="cpu")
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        with replacing(Path(path)) as scratch:
            torch.save(checkpoint, scratch)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint; tensors stay on disk until they are used.

    A checkpoint is an archive with a checksum of each of its parts; all are compared first, so that
    no damaged byte is read.

    Raises:
        ConfigurationError: If there is none, or it is damaged, with the path and what is wrong.
    """
    if not path.is_file():
        raise ConfigurationError(f"ckpt_path {str(path)!r} does not exist")
    try:
        with ZipFile(path) as archive:
            if (part := archive.testzip()) is not None:
                raise BadZipFile(f"the checksum of its part {part} differs")
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    # A file from elsewhere raises whatever its bytes lead to, in the archive or behind it.
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigurationError(
            f"ckpt_path {str(path)!r} is damaged or no checkpoint: {first}"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise ConfigurationError(f"ckpt_path {str(path)!r} is no Lightning checkpoint")
    return content


def check_resumable(content: Mapping[str, Any]) -> None:
    """Refuses a checkpoint that a fit cannot go on from.

    Raises:
        ConfigurationError: If it holds weights alone.
    """
    if "optimizer_states" not in content:
        raise ConfigurationError(
            "the checkpoint holds weights alone, without optimiser and place in the data, so a fit "
            "cannot go on from it: take checkpoints/last.ckpt of the run, or test and predict with "
            "this one"
        )


def check_backbone(content: Mapping[str, Any], backbone: str) -> None:
    """Refuses weights of another class of backbone.

    Raises:
        ConfigurationError: With both classes.
    """
    stored = content.get(KEY, {}).get("backbone", backbone)
    if stored != backbone:
        raise ConfigurationError(
            f"the checkpoint holds weights of {stored}, the model's backbone is {backbone}"
        )


def check_weights(content: Mapping[str, Any], own: Mapping[str, Tensor]) -> None:
    """Refuses weights whose names or shapes are not those of the model.

    Raises:
        ConfigurationError: With the first that differ.
    """
    stored = content["state_dict"]
    differing = [
        *(f"{name} is absent" for name in own if name not in stored),
        *(f"{name} is unknown" for name in stored if name not in own),
        *(
            f"{name} has the shape {tuple(stored[name].shape)} for {tuple(value.shape)}"
            for name, value in own.items()
            if name in stored and stored[name].shape != value.shape
        ),
    ]
    if differing:
        rest = f" and {len(differing) - 2} more" if len(differing) > 2 else ""
        raise ConfigurationError(
            f"the checkpoint holds weights of another model: {'; '.join(differing[:2])}{rest}"
        )
