"""Lightning datamodules that stream episodes of real and synthetic rows."""

from lit_causalmix.datamodules.causal_mix import CausalMixDataModule
from lit_causalmix.datamodules.loading import EpisodeLoader, EpisodeSampler
from lit_causalmix.datamodules.stream import EvaluationStream, MixtureStream

__all__ = [
    "CausalMixDataModule",
    "EpisodeLoader",
    "EpisodeSampler",
    "EvaluationStream",
    "MixtureStream",
]
