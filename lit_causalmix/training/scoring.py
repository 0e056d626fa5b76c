"""Scoring the rows of a stage outside the trainer's loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import lightning.pytorch as pl
import torch
from torch import Tensor

from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import DomainScores, MetricSpec, Score
from lit_causalmix.training.episode_data import EpisodeData
from lit_causalmix.training.scoreboard import Stage


class Predicts(Protocol):
    """A module that predicts the query rows of an episode."""

    training: bool
    metrics: Sequence[MetricSpec]

    @property
    def device(self) -> torch.device: ...

    def forward(self, episode: Episode) -> Tensor: ...

    def train(self, mode: bool = True) -> object: ...


def scored_rows(trainer: pl.Trainer) -> EpisodeData:
    """Returns the trainer's datamodule.

    Raises:
        ConfigurationError: If it names no rows to score.
    """
    datamodule = getattr(trainer, "datamodule", None)
    if not isinstance(datamodule, EpisodeData):
        raise ConfigurationError(
            "scores need a datamodule that streams episodes, such as CausalMixDataModule, got "
            f"{type(datamodule).__name__}"
        )
    return datamodule


def scores_of(
    data: EpisodeData, labels: Sequence[str], metrics: Sequence[MetricSpec]
) -> DomainScores:
    """An empty collection for the rows of a datamodule.

    Args:
        data: The datamodule.
        labels: Its domain labels, or none where they are of no interest.
        metrics: Metrics beside those of the package.
    """
    return DomainScores(data.is_classification, labels, metrics, data.n_tables)


def score_stage(trainer: pl.Trainer, module: Predicts, stage: Stage) -> dict[str, Score]:
    """Scores the present weights on all rows of a stage, over all ranks."""
    datamodule = scored_rows(trainer)
    scores = scores_of(datamodule, datamodule.domains, module.metrics)
    for predictions, episode in stage_predictions(trainer, module, stage):
        scores.update(predictions, episode)
    return scores.compute()


def stage_predictions(
    trainer: pl.Trainer, module: Predicts, stage: Stage
) -> Iterator[tuple[Tensor, Episode]]:
    """This rank's episodes of a stage, with what the present weights predict; read it to its end.

    Yields:
        What `Backbone.predict` returned, (Q, K) or (Q,), and the episode.
    """
    was_training = module.training
    module.train(False)
    for episode in stage_episodes(trainer, module.device, stage):
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            predictions = module.forward(episode)
        yield predictions, episode
    module.train(was_training)


def stage_episodes(trainer: pl.Trainer, device: torch.device, stage: Stage) -> Iterator[Episode]:
    """This rank's evaluation episodes of a stage, on a device.

    Every rank takes each `world_size`-th episode, as the trainer's own loop would.
    """
    episodes = scored_rows(trainer).evaluation_stream(stage)
    for index in range(trainer.global_rank, len(episodes), trainer.world_size):  # type: ignore[arg-type]
        yield episodes[index].to(device)
