"""What the callbacks need to know of a datamodule, and scoring outside the trainer's loops."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import lightning.pytorch as pl
import torch
from torch import Tensor

from lit_causalmix.datamodules.base import EpisodeDataModule
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import DomainScores, Score
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)

Stage = Literal["val", "test"]
CallbackT = TypeVar("CallbackT", bound=pl.Callback)


def episode_datamodule(trainer: pl.Trainer) -> EpisodeDataModule[Any]:
    """Returns the trainer's datamodule.

    Raises:
        ConfigurationError: If it does not stream episodes.
    """
    datamodule = getattr(trainer, "datamodule", None)
    if not isinstance(datamodule, EpisodeDataModule):
        raise ConfigurationError(
            "this callback needs a datamodule that streams episodes, such as CausalMixDataModule, "
            f"got {type(datamodule).__name__}"
        )
    return datamodule


def as_task(module: pl.LightningModule) -> CausalMixTask:
    """The module, which has to be a `CausalMixTask`."""
    if not isinstance(module, CausalMixTask):
        raise TypeError(f"expected a CausalMixTask, got {type(module).__name__}")
    return module


def all_callbacks(trainer: pl.Trainer) -> list[pl.Callback]:
    """The trainer's callbacks, in their order."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return callbacks


def find_callback(trainer: pl.Trainer, kind: type[CallbackT]) -> CallbackT | None:
    """Returns the trainer's first callback of a class, or None."""
    return next((c for c in all_callbacks(trainer) if isinstance(c, kind)), None)


def is_trial(trainer: pl.Trainer) -> bool:
    """Whether this is a `fast_dev_run`, which must leave no files behind."""
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]


def monitored(trainer: pl.Trainer, metric: str, by: pl.Callback) -> float:
    """The logged value of a metric that a callback selects by.

    Raises:
        ConfigurationError: If nothing logs it, with what there is.
    """
    if metric not in trainer.callback_metrics:
        raise ConfigurationError(
            f"{type(by).__name__} monitors {metric!r}, which nothing logs: there are "
            f"{', '.join(sorted(trainer.callback_metrics))}"
        )
    return float(trainer.callback_metrics[metric])


def run_folder(trainer: pl.Trainer) -> Path:
    """The folder of this run: the logger's, or the trainer's root.

    Every rank has to call this, as Lightning broadcasts the answer.
    """
    return Path(trainer.log_dir or trainer.default_root_dir)


def log_scores(
    module: pl.LightningModule,
    stage: Stage,
    scores: Mapping[str, Score],
    normalized: Mapping[str, Score],
    undefined: dict[str, str],
) -> None:
    """Logs `stage/domain/metric` and `stage/domain/metric_normalized`.

    An undefined score is not logged; its reason is said once and kept in `undefined`, under the
    name it would have had.
    """
    for key, score in scores.items():
        name = f"{stage}/{key}"
        if score.note and name not in undefined:
            _log.warning("%s: %s", name, score.note)
        _log_defined(module, name, score, undefined)
    for key, score in normalized.items():
        _log_defined(module, f"{stage}/{key}_normalized", score, undefined)


def as_logged(value: float) -> Tensor:
    """A number as Lightning keeps it whole: a plain float would be rounded to float32.

    The weights are selected by logged scores, and an RMSE may lie outside of float32's range.
    """
    return torch.tensor(value, dtype=torch.float64)


def _log_defined(
    module: pl.LightningModule, name: str, score: Score, undefined: dict[str, str]
) -> None:
    if score.defined:
        module.log(name, as_logged(score.value), sync_dist=True)
    else:
        undefined[name] = score.note


def packed(scores: Mapping[str, Score]) -> dict[str, list[Any]]:
    """Scores as plain values, for a callback's state."""
    return {key: [score.value, score.note] for key, score in scores.items()}


def unpacked(content: Mapping[str, Sequence[Any]]) -> dict[str, Score]:
    """What `packed` packed."""
    return {key: Score(float(value), note) for key, (value, note) in content.items()}


def score_stage(trainer: pl.Trainer, task: CausalMixTask, stage: Stage) -> dict[str, Score]:
    """Scores the present weights on all rows of a stage, over all ranks."""
    datamodule = episode_datamodule(trainer)
    scores = DomainScores(datamodule.is_classification, datamodule.domains)
    was_training = task.training
    task.eval()
    with torch.no_grad(), trainer.precision_plugin.forward_context():
        for episode in stage_episodes(trainer, task, stage):
            scores.update(task.evaluate(episode)["predictions"], episode)
    task.train(was_training)
    return scores.compute()


def stage_episodes(trainer: pl.Trainer, task: CausalMixTask, stage: Stage) -> Iterator[Episode]:
    """This rank's evaluation episodes of a stage, on the task's device.

    Every rank takes each `world_size`-th episode, as the trainer's own loop would.
    """
    datamodule = episode_datamodule(trainer)
    episodes = datamodule.evaluation_stream(stage)
    for index in range(trainer.global_rank, len(episodes), trainer.world_size):  # type: ignore[arg-type]
        yield episodes[index].to(task.device)
