"""Scores per domain: by where a row comes from and by where its table comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import torch
from torch import Tensor

from lit_causalmix.episode import PADDING_ROW, Episode, RowOrigin
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics.catalogue import MetricSpec, specs
from lit_causalmix.metrics.functional import Score
from lit_causalmix.metrics.rowwise import NO_ROWS, NOT_FINITE, Rows


class DomainScores:
    """Collects predictions and scores them per domain.

    The domains are the row origins ("real", "synthetic", "perturbed") and, over real rows only,
    the tables' domain labels ("finance", …). All are fixed beforehand, so that every rank takes
    part in every synchronisation.

    Of several tables each is scored by itself, and the score of a domain is the mean over its
    tables, each counting once; numbers are then scored in standard deviations of their own table's
    training targets, as their units differ.

    Args:
        is_classification: Which metrics apply.
        labels: The datamodule's table domain labels; `Episode.domain_id` indexes them.
        further: Metrics beside those of the package.
        n_tables: Tables that `Episode.table_id` tells apart; with 1 it is ignored. Every rank has
            to see rows of each table, padding rows if need be.

    Raises:
        ConfigurationError: If there is no table.
    """

    def __init__(
        self,
        is_classification: bool,
        labels: Sequence[str],
        further: Sequence[MetricSpec] = (),
        n_tables: int = 1,
    ) -> None:
        if n_tables < 1:
            raise ConfigurationError(f"n_tables must be >= 1, got {n_tables}")
        self._tables = [_Table(is_classification, labels, further) for _ in range(n_tables)]

    def update(self, predictions: Tensor, episode: Episode) -> None:
        """Adds the query rows of one episode; padding rows are not counted.

        Args:
            predictions: What `Backbone.predict` returned: (Q, K) or (Q,).
            episode: The episode that was predicted.
        """
        targets = episode.target
        if len(self._tables) == 1:
            self._tables[0].update(predictions, targets, episode)
            return
        if not episode.is_classification:
            predictions = (predictions - episode.y_location) / episode.y_scale
            targets = (targets - episode.y_location) / episode.y_scale
        self._tables[episode.table_id].update(predictions, targets, episode)

    def compute(self) -> dict[str, Score]:
        """Returns "domain/metric" → score, for the domains that have rows on any rank."""
        found: dict[str, list[Score]] = {}
        for table in self._tables:
            for name, score in table.compute().items():
                found.setdefault(name, []).append(score)
        return {name: _mean(scores) for name, scores in found.items()}

    def reset(self) -> None:
        for table in self._tables:
            table.reset()


def _mean(scores: Sequence[Score]) -> Score:
    """The mean over those that are defined, with the first remark.

    A table whose targets allow no score is left out, as it is for every model. One that a model has
    no finite predictions of is not, or the model would gain by failing where it is poor.
    """
    if any(score.note == NOT_FINITE for score in scores):
        return Score(math.nan, NOT_FINITE)
    note = next((score.note for score in scores if score.note), "")
    defined = [score.value for score in scores if score.defined]
    return Score(fmean(defined) if defined else math.nan, note)


class _Table:
    """The scores of one table per domain."""

    def __init__(
        self, is_classification: bool, labels: Sequence[str], further: Sequence[MetricSpec]
    ) -> None:
        self.labels = tuple(labels)
        self.specs = sorted(specs(is_classification, further), key=lambda spec: spec.name)
        names = [origin.name.lower() for origin in RowOrigin] + list(self.labels)
        self.rows = {name: Rows() for name in dict.fromkeys(names)}

    def update(self, predictions: Tensor, targets: Tensor, episode: Episode) -> None:
        counted = episode.query_row != PADDING_ROW
        real = episode.query_origin == RowOrigin.REAL
        masks = {o.name.lower(): episode.query_origin == o for o in RowOrigin}
        for index, label in enumerate(self.labels):
            here = real if index == episode.domain_id else torch.zeros_like(real)
            masks[label] = masks[label] | here if label in masks else here
        for name, mask in masks.items():
            rows = mask & counted
            self.rows[name].update(predictions[rows], targets[rows])

    def compute(self) -> dict[str, Score]:
        scores: dict[str, Score] = {}
        for domain, rows in self.rows.items():
            with rows.sync_context():
                found = rows.scores(self.specs)
            for spec, score in zip(self.specs, found, strict=True):
                if score.note != NO_ROWS:
                    scores[f"{domain}/{spec.name}"] = score
        return scores

    def reset(self) -> None:
        for rows in self.rows.values():
            rows.reset()
