"""What a fold leaves behind: its predictions and its weights at every moment of validation.

The weights are kept, not found again by a second fit to the chosen step: so an ensemble costs K
fits and no more, and what was scored is, to the bit, what is used. Only tensors that training
changed are written, and once the step is chosen the others are removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lit_causalmix.ensembles.predictions import Predicted
from lit_causalmix.errors import FileError
from lit_causalmix.files.atomic import replacing

_FILE = "held_out.safetensors"
Weights = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The predictions of one fold for its validation rows.

    Attributes:
        moments: Step → predictions; step 0 is zero-shot. All are for the same rows.
    """

    moments: Mapping[int, Predicted]

    @property
    def steps(self) -> tuple[int, ...]:
        """Optimiser steps at which it was validated, ascending."""
        return tuple(sorted(self.moments))

    def save(self, folder: Path) -> None:
        """Writes it into the folder of its fold.

        Raises:
            FileError: If it cannot be written.
        """
        rows = self.moments[self.steps[0]]
        tensors = {
            "steps": torch.tensor(self.steps),
            "predictions": torch.stack([self.moments[s].predictions for s in self.steps]),
            "target": rows.target,
            "row": rows.row,
            "origin": rows.origin,
        }
        _write(folder / _FILE, tensors)

    @classmethod
    def load(cls, folder: Path) -> HeldOut:
        """Reads what `save` wrote.

        Raises:
            FileError: If there is none, or it cannot be read.
        """
        content = _read(folder / _FILE)
        try:
            rows = (content["target"], content["row"], content["origin"])
            pairs = zip(content["steps"].tolist(), content["predictions"], strict=True)
            return cls({int(step): Predicted(found, *rows) for step, found in pairs})
        except (KeyError, ValueError) as error:
            raise FileError(f"{folder / _FILE} does not hold what a fold leaves behind") from error


def save_weights(folder: Path, step: int, weights: Weights, start: Weights) -> None:
    """Writes the tensors of a module that differ from the ones that it began with.

    Raises:
        FileError: If they cannot be written.
    """
    changed = {
        name: value.contiguous()
        for name, value in weights.items()
        if name not in start or not torch.equal(value, start[name])
    }
    _write(folder / _name(step), changed)


def member_weights(folder: Path, step: int) -> Weights:
    """The tensors of a fold's module after a step that differ from the pre-trained ones.

    Args:
        folder: Of the fold.
        step: One that was validated; 0 is zero-shot, with no difference.

    Raises:
        FileError: If they are not there, or cannot be read.
    """
    return {} if step == 0 else _read(folder / _name(step))


def forget_others(folder: Path, step: int) -> None:
    """Removes the weights of all steps but one."""
    for path in folder.glob("step_*.safetensors"):
        if path.name != _name(step):
            path.unlink(missing_ok=True)


def _name(step: int) -> str:
    return f"step_{step:07d}.safetensors"


def _write(path: Path, tensors: Weights) -> None:
    with replacing(path) as scratch:
        save_file(tensors, scratch)


def _read(path: Path) -> Weights:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        reason = "it is not there" if not path.exists() else str(error)
        raise FileError(f"{path} cannot be read: {reason}; fit the fold again") from error
