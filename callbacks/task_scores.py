"""Scores of pre-training: one per held-out task or table, and one number to select by."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from lit_causalmix.callbacks.evaluation import episode_datamodule
from lit_causalmix.episode import Episode
from lit_causalmix.metrics.functional import log_loss, r2, roc_auc

_FAMILY = "prior/"
"""Names of held-out tasks of one family begin so: they are logged and select nothing."""


def classification_scores(probabilities: Tensor, episode: Episode) -> dict[str, float]:
    """Log-loss, that of the context's class frequencies, and ROC-AUC (NaN with one class)."""
    counts = torch.bincount(episode.y_context, minlength=episode.n_classes)
    frequencies = (counts / counts.sum()).expand(episode.n_query, -1)
    return {
        "loss": log_loss(probabilities, episode.y_query).value,
        "baseline": log_loss(frequencies, episode.y_query).value,
        "roc_auc": roc_auc(probabilities, episode.y_query).value,
    }


def regression_scores(values: Tensor, episode: Episode) -> dict[str, float]:
    """Squared error in units of the query targets' variance, that of the context's mean, and R².

    A few tasks with outliers among their query rows would govern a mean of plain squared errors.
    """
    known, target = episode.y_context.double(), episode.y_query.double()
    predicted = (values.double() - episode.y_location) / episode.y_scale
    variance = target.var(correction=0)
    variance = torch.where(variance > 0, variance, torch.nan)  # undefined as R² is: left out
    return {
        "loss": float((predicted - target).square().mean() / variance),
        "baseline": float((known.mean() - target).square().mean() / variance),
        "r2": r2(predicted, target).value,
    }


class TaskScores(pl.Callback):
    """Logs `val/NAME/…` for the held-out prior tasks (their mean) and for every table.

    `val/loss` is the number to select by: the mean of the prior tasks' mean loss and of the tables'
    mean loss, so that a few tables weigh as much as many tasks [our choice]. `val/baseline` is the
    same for predicting the context's class frequencies or mean: where `val/loss` falls below it,
    in-context learning has begun.
    """

    def __init__(self) -> None:
        self._scores: dict[int, dict[str, float]] = {}

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._scores = {}

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Episode,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        score = classification_scores if batch.is_classification else regression_scores
        self._scores[batch.table_id] = score(outputs["predictions"], batch)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        datamodule = episode_datamodule(trainer)
        metrics = ["loss", "baseline", "roc_auc" if datamodule.is_classification else "r2"]
        names = list(datamodule.table_names)
        scores = torch.full((len(names), len(metrics)), torch.nan, dtype=torch.float64)
        for index, values in self._scores.items():
            scores[index] = torch.tensor([values[metric] for metric in metrics])
        # Ranks score disjoint episodes but for padded ones, whose repeated scores are equal.
        gathered = pl_module.all_gather(scores.to(pl_module.device))
        if not isinstance(gathered, Tensor):
            raise TypeError(f"expected a tensor, got {type(gathered).__name__}")
        scores = gathered.reshape(-1, *scores.shape).nanmean(dim=0).cpu()
        means: dict[str, Tensor] = {}
        for name in dict.fromkeys(names):
            means[name] = scores[[n == name for n in names]].nanmean(dim=0)
            self._log(pl_module, f"val/{name}", metrics, means[name])
        prior = means.pop(names[0])
        overall = [prior]
        means = {name: mean for name, mean in means.items() if not name.startswith(_FAMILY)}
        if means:
            tables = torch.stack(list(means.values())).mean(dim=0)
            self._log(pl_module, "val/tables", metrics, tables)
            overall.append(tables)
        mean = torch.stack(overall).mean(dim=0)
        self._log(pl_module, "val", metrics[:2], mean[:2])

    def _log(
        self, module: pl.LightningModule, prefix: str, metrics: list[str], values: Tensor
    ) -> None:
        for metric, value in zip(metrics, values.tolist(), strict=True):
            module.log(
                f"{prefix}/{metric}", value, prog_bar=prefix == "val", sync_dist=True, batch_size=1
            )
