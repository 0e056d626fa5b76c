"""Writing predictions for new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lit_causalmix.callbacks.evaluation import run_folder
from lit_causalmix.datamodules.one_table import TableDataModule
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import replacing
from lit_causalmix.metrics import Rows
from lit_causalmix.tables import TableSplits

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell begins with that spreadsheets evaluate."""


class PredictionWriter(pl.Callback):
    """Writes one line per input row, in the input's order.

    Classification: `prediction` (the label) and `probability_<label>` for each class; regression:
    `prediction` in the target's units, with all digits of float64.

    Args:
        path: CSV file to write; null writes `predictions.csv` in the run's folder.
        escape_formulas: Whether a label that a spreadsheet would take for a formula (it begins with
            =, +, -, @, a tab or a line break) is written with an apostrophe before it. Off, as the
            file then no longer holds the labels of the table.

    Attributes:
        written: The file of the last prediction.
    """

    def __init__(self, path: str | None = None, escape_formulas: bool = False) -> None:
        self.path = path
        self.escape_formulas = escape_formulas
        self.written: Path | None = None
        self._rows = Rows()

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._rows.reset()

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Episode,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._rows.update(outputs, batch.query_row)

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # torchmetrics squeezes what holds one number: the position of a single row, say.
        predictions, positions = (np.atleast_1d(t.cpu().numpy()) for t in self._rows.compute())
        folder = run_folder(trainer)
        if not trainer.is_global_zero:
            return
        real = positions >= 0
        order = np.argsort(positions[real], kind="stable")
        frame = _frame(predictions[real][order], _splits(trainer))
        if self.escape_formulas:  # the headers begin with "probability_" and are no formulas
            frame["prediction"] = frame["prediction"].map(_escaped)
        self.written = Path(self.path) if self.path else folder / "predictions.csv"
        with replacing(self.written) as scratch:
            frame.to_csv(scratch, index=False)


def _splits(trainer: pl.Trainer) -> TableSplits:
    datamodule = getattr(trainer, "datamodule", None)
    if not isinstance(datamodule, TableDataModule):
        raise ConfigurationError(
            "PredictionWriter needs a datamodule of one table, such as CausalMixDataModule, got "
            f"{type(datamodule).__name__}"
        )
    return datamodule.splits


def _escaped(cell: Any) -> Any:
    """The cell; text that begins like a formula has an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _frame(predictions: NDArray[np.floating[Any]], splits: TableSplits) -> pd.DataFrame:
    labels = splits.train.schema.target.categories
    if not splits.train.schema.task.is_classification:
        return pd.DataFrame({"prediction": predictions})
    columns: dict[str, Any] = {"prediction": [labels[k] for k in predictions.argmax(axis=1)]}
    columns |= {f"probability_{label}": predictions[:, k] for k, label in enumerate(labels)}
    return pd.DataFrame(columns)
