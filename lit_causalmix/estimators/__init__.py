"""scikit-learn's estimators over datamodule, task and trainer."""

from lit_causalmix.estimators.classifier import CausalMixClassifier
from lit_causalmix.estimators.regressor import CausalMixRegressor

__all__ = ["CausalMixClassifier", "CausalMixRegressor"]
