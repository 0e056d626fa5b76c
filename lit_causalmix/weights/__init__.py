"""Official pre-trained weights: fetched once through pip, verified, cached, never unpickled."""

from lit_causalmix.weights.fetch import pull
from lit_causalmix.weights.files import Weights, load, locate
from lit_causalmix.weights.registry import REGISTRY, WeightSource

__all__ = ["REGISTRY", "WeightSource", "Weights", "load", "locate", "pull"]
