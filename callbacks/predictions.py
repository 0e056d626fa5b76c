"""Writing predictions for new rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np

from lit_causalmix.datamodules.one_table import TableDataModule
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import replacing
from lit_causalmix.metrics import Rows
from lit_causalmix.model.frames import check_csv_name, prediction_frame
from lit_causalmix.tables import TableSplits
from lit_causalmix.training.runs import run_folder


class PredictionWriter(pl.Callback):
    """Writes one line per input row, in the input's order.

    Classification: `prediction` (the label) and `probability_<label>` for each class; regression:
    `prediction` in the target's units, with all digits of float64.

    Args:
        path: CSV file to write; null writes `predictions.csv` in the run's folder.
        escape_formulas: Whether a label that a spreadsheet would take for a formula (it begins with
            =, +, -, @, a tab or a line break) is written with an apostrophe before it. Off, as the
            file then no longer holds the labels of the table.

    Raises:
        ConfigurationError: If the path has the ending of another format, such as .parquet.

    Attributes:
        written: The file of the last prediction.
    """

    def __init__(self, path: str | None = None, escape_formulas: bool = False) -> None:
        if path:
            check_csv_name(Path(path))
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
        schema = _splits(trainer).train.schema
        labels = schema.target.categories if schema.task.is_classification else ()
        found = predictions[real][order]
        frame = prediction_frame(found, labels, escape_formulas=self.escape_formulas)
        self.written = Path(self.path) if self.path else folder / "predictions.csv"
        with replacing(self.written) as scratch:
            frame.to_csv(scratch, index=False)
        sys.stdout.write(f"{len(frame)} predictions: {self.written}\n")


def _splits(trainer: pl.Trainer) -> TableSplits:
    datamodule = getattr(trainer, "datamodule", None)
    if not isinstance(datamodule, TableDataModule):
        raise ConfigurationError(
            "PredictionWriter needs a datamodule of one table, such as CausalMixDataModule, got "
            f"{type(datamodule).__name__}"
        )
    return datamodule.splits
