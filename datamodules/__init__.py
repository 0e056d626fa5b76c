"""Lightning datamodules that stream episodes of real and synthetic rows."""

from lit_causalmix.datamodules.base import EpisodeDataModule
from lit_causalmix.datamodules.causal_mix import CausalMixDataModule
from lit_causalmix.datamodules.loading import EpisodeLoader, EpisodeSampler
from lit_causalmix.datamodules.many_tables import ManyTablesDataModule
from lit_causalmix.datamodules.prior import PriorDataModule, PriorStage, PriorStream
from lit_causalmix.datamodules.stream import MixtureStream
from lit_causalmix.tables.episodes import EvaluationStream

__all__ = [
    "CausalMixDataModule",
    "EpisodeDataModule",
    "EpisodeLoader",
    "EpisodeSampler",
    "EvaluationStream",
    "ManyTablesDataModule",
    "MixtureStream",
    "PriorDataModule",
    "PriorStage",
    "PriorStream",
]
