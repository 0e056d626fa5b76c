"""What training asks of a datamodule: the rows that it scores, and what a run is fitted to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from torch.utils.data import Dataset

from lit_causalmix.episode import Episode
from lit_causalmix.training.scoreboard import Stage


class EpisodeData(ABC):
    """The part of `lit_causalmix.datamodules.EpisodeDataModule` that the task relies on."""

    @property
    @abstractmethod
    def is_classification(self) -> bool:
        """Whether targets are classes."""

    @property
    @abstractmethod
    def domains(self) -> Sequence[str]:
        """Domain labels of the tables; `Episode.domain_id` indexes them."""

    @property
    def n_tables(self) -> int:
        """Tables that `Episode.table_id` tells apart in scores, each of which counts once."""
        return 1

    @abstractmethod
    def evaluation_stream(self, stage: Stage) -> Dataset[Episode]:
        """The episodes that a stage scores, map-style and sized.

        Raises:
            ConfigurationError: If there are none.
        """

    @abstractmethod
    def evaluation_fingerprint(self, stage: Stage) -> str:
        """SHA-256 over all that a stage scores: equal exactly where zero-shot scores are."""

    def run_facts(self) -> Mapping[str, object]:
        """What a run is fitted to, as JSON values for `run.json`."""
        return {}
