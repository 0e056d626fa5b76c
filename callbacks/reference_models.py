"""A random forest and boosting on the same rows, beside the scores of a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch

from lit_causalmix.callbacks.evaluation import as_task, episode_datamodule
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import MetricSpec, Score
from lit_causalmix.training.episode_data import EpisodeData
from lit_causalmix.training.references import ReferenceScores
from lit_causalmix.training.report import score_to_json
from lit_causalmix.training.scoring import scores_of, stage_episodes


class ReferenceModels(pl.Callback):
    """Scores scikit-learn's random forest and boosting in each test, for `RunReport` to show.

    They learn from the context that the backbone gets and predict the same rows, with their
    default settings and without any tuning; on 1,000 rows of 20 columns that takes a second or two
    of processor time. They steer nothing: a fit has the same bits with and without them.

    Args:
        seed: Of the models.

    Attributes:
        scores: Model → "domain/metric" → score, after a test.

    Raises:
        ConfigurationError: For a seed that scikit-learn does not take.
    """

    def __init__(self, seed: int = 0) -> None:
        if not 0 <= seed < 2**32:
            raise ConfigurationError(f"seed must be an integer >= 0 and < 2**32, got {seed}")
        self.seed = seed
        self.scores: dict[str, dict[str, Score]] = {}

    def scored(
        self, data: EpisodeData, metrics: Sequence[MetricSpec], episodes: Iterable[Episode]
    ) -> dict[str, dict[str, Score]]:
        """Model → "domain/metric" → score of the query rows of episodes, which are on the CPU."""
        collection = partial(scores_of, data, data.domains, metrics)
        return ReferenceScores(collection, seed=self.seed).of(episodes)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        episodes = stage_episodes(trainer, torch.device("cpu"), "test")
        self.scores = self.scored(episode_datamodule(trainer), as_task(pl_module).metrics, episodes)

    def reference_scores(self) -> dict[str, dict[str, Score]]:
        return self.scores

    def report_content(self, trainer: pl.Trainer) -> dict[str, object]:
        del trainer  # each test has its own
        return {"references": references_to_json(self.scores)}


def references_to_json(scores: Mapping[str, Mapping[str, Score]]) -> dict[str, dict[str, Any]]:
    """JSON values of scores by model and "domain/metric"."""
    return {
        name: {key: score_to_json(score) for key, score in found.items()}
        for name, found in scores.items()
    }
