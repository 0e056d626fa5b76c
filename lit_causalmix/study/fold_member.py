"""One model of an ensemble, and what its fit tells besides predictions and weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import lightning.pytorch as pl

from lit_causalmix.callbacks.evaluation import episode_datamodule
from lit_causalmix.callbacks.time_limit import cut_by_limits
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.ensembles import Predicted
from lit_causalmix.files.atomic import write_json
from lit_causalmix.training.task import CausalMixTask

_FILE = "facts.json"


@dataclass(frozen=True)
class FoldFacts:
    """What the fit of a fold tells; it stands in the fold's folder.

    Attributes:
        given_up: What its datamodule gave up, in words; empty for nothing.
        cut: What a time limit cut, one sentence each.
        notes: What was warned of.
    """

    given_up: str = ""
    cut: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, trainer: pl.Trainer, notes: Sequence[str]) -> FoldFacts:
        """Those of a fit that has ended."""
        given_up = episode_datamodule(trainer).given_up
        return cls(given_up, cut_by_limits(trainer), tuple(dict.fromkeys(notes)))

    def save(self, folder: Path) -> None:
        """Writes them into the folder of the fold.

        Raises:
            FileError: If they cannot be written.
        """
        write_json(folder / _FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> FoldFacts:
        """Reads what `save` wrote; nothing where there is none, as in folds of earlier versions."""
        try:
            content = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            given_up, cut, notes = (content[name] for name in ("given_up", "cut", "notes"))
            return cls(str(given_up), tuple(map(str, cut)), tuple(map(str, notes)))
        except (OSError, ValueError, KeyError, TypeError):
            return cls()


@dataclass(frozen=True)
class FoldMember:
    """One model of an ensemble.

    Attributes:
        task: Holds its weights.
        data: Its datamodule, of its fold.
        zero_shot: What the pre-trained weights predict for the test rows.
        predicted: What its weights predict for them.
        facts: What its fit tells.
    """

    task: CausalMixTask
    data: CausalMixDataModule
    zero_shot: Predicted | None
    predicted: Predicted | None
    facts: FoldFacts = FoldFacts()
