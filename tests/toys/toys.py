"""One class for each axis, as somebody outside the package would write it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lit_causalmix.backbones import Backbone, Limits
from lit_causalmix.episode import Episode
from lit_causalmix.generators import Generator
from lit_causalmix.metrics import MetricSpec, Score
from lit_causalmix.tables import RawTable, Table, TableSource
from lit_causalmix.training import Schedule, Selection


class Shuffled(Generator):
    """Real rows again, in random order."""

    def __init__(self, copies: int = 1) -> None:
        self.copies = copies

    def settings(self) -> dict[str, Any]:
        return {"copies": self.copies}

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        self.rows = np.repeat(train.values, self.copies, axis=0)

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return self.rows[rng.integers(len(self.rows), size=n)]

    def save(self, folder: Path) -> None:
        np.savetxt(folder / "rows.txt", self.rows)

    def load(self, folder: Path, train: Table) -> None:
        self.rows = np.loadtxt(folder / "rows.txt", ndmin=2)


class Nearest(Backbone):
    """Softmax over the distances to context rows; one trained number, the width."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.width = nn.Parameter(torch.tensor(width))

    @property
    def limits(self) -> Limits:
        return Limits(context_rows=1000, classes=5)

    def forward(self, episode: Episode) -> Tensor:
        x, q = episode.x_context.nan_to_num(), episode.x_query.nan_to_num()
        weights = torch.softmax(-torch.cdist(q, x) * self.width, dim=1)
        one_hot = nn.functional.one_hot(episode.y_context, episode.n_classes)
        return (weights @ one_hot.float()).clamp_min(1e-6).log()


class Half(Selection):
    """Real validation rows, but only a halving of the loss counts."""

    title = "half"

    def weights(self) -> Mapping[str, float]:
        return {"real": 1.0}

    def improves(self, score: float, best: float) -> bool:
        return score < best / 2


class Square(Schedule):
    """The share of synthetic rows grows with the square of progress."""

    def value(self, progress: float) -> float:
        return progress**2

    def __str__(self) -> str:
        return "square"


class Diary(pl.Callback):
    """Writes a line for each epoch."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(f"{trainer.current_epoch} {float(trainer.callback_metrics['val/loss'])}\n")


class Letters(TableSource):
    """A table of so many rows: a letter, a number, and whether the letter is a vowel."""

    prefix = "letters"

    def read(self, what: str) -> RawTable:
        letters = [chr(97 + i * 7 % 26) for i in range(int(what))]
        frame = pd.DataFrame({"letter": letters, "number": np.arange(len(letters)) % 11})
        frame["vowel"] = np.where(frame["letter"].isin(list("aeiou")), "yes", "no")
        return RawTable(frame, "letters", "language", "vowel")


class TopTwo(MetricSpec):
    """How often the target is among the two most probable classes."""

    def __init__(self) -> None:
        super().__init__("top_two", "top two", +1, True, self.top_two)

    @staticmethod
    def top_two(probabilities: Tensor, targets: Tensor) -> Score:
        best = probabilities.topk(2, dim=1).indices
        return Score(float((best == targets[:, None]).any(dim=1).double().mean()))
