"""Kept models: what predicts from new rows, without trainer, datamodule or generator."""

from lit_causalmix.model.member import Member
from lit_causalmix.model.predictor import Predictor

__all__ = ["Member", "Predictor"]
