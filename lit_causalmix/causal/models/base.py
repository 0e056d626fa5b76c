"""What all families of mechanisms share once scikit-learn has fitted them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.scaling import location_scale


class FittedRegressor:
    """A regressor of the standardised child on encoded parents."""

    _encoding: Any  # the family's own: parents (n, p) → what its model was fitted on
    _model: Any
    _location: float
    _scale: float

    def _standardised(self, child: NDArray[np.float64]) -> NDArray[np.float64]:
        """Learns the child's location and scale, and returns it standardised."""
        location, scale = location_scale(child[:, None])
        self._location, self._scale = float(location[0]), float(scale[0])
        standard: NDArray[np.float64] = (child - self._location) / self._scale
        return standard

    def predict(self, parents: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the expected child, float64 (n, 1)."""
        standard: NDArray[np.float64] = self._model.predict(self._encoding(parents))
        return (self._location + self._scale * standard)[:, None]


class FittedClassifier:
    """A classifier of the child's codes on encoded parents."""

    _encoding: Any  # the family's own: parents (n, p) → what its model was fitted on
    _model: Any

    @property
    def classes(self) -> NDArray[np.float64]:
        return np.asarray(self._model.classes_, dtype=np.float64)

    def predict(self, parents: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns class probabilities, float64 (n, K)."""
        probabilities: NDArray[np.float64] = self._model.predict_proba(self._encoding(parents))
        return probabilities
