"""Models of scikit-learn on the very rows that a backbone sees: who loses to them should know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lit_causalmix.episode import Episode
from lit_causalmix.metrics import DomainScores, Score
from lit_causalmix.metrics.quality.boosting import MOST_CATEGORIES
from lit_causalmix.quiet import single_thread

REFERENCES = ("random forest", "boosting")
"""The models, with scikit-learn's default settings."""


class ReferenceScores:
    """Fits each reference on the context of episodes and scores it on their query rows.

    A forest sees gaps at the column's mean and categories by their index; boosting takes both as
    they are, up to 255 categories. Episodes that share a context share a fit.

    Args:
        collection: Makes an empty collection of scores (`scoring.scores_of`), one for each model.
        seed: Of the models, their only randomness.

    Example:
        >>> x, y = torch.arange(40.0)[:, None], (torch.arange(40) > 19).long()
        >>> rows = torch.arange(40) * 7 % 40
        >>> scores = ReferenceScores(lambda: DomainScores(True, ())).of(
        ...     [Episode.of_rows(x[rows], y[rows], n_context=30, n_classes=2)]
        ... )
        >>> scores["random forest"]["real/roc_auc"].value
        1.0
    """

    def __init__(self, collection: Callable[[], DomainScores], *, seed: int = 0) -> None:
        self._collected = {name: collection() for name in REFERENCES}
        self._seed = seed

    def of(self, episodes: Iterable[Episode]) -> dict[str, dict[str, Score]]:
        """Model → "domain/metric" → score, over all ranks.

        Args:
            episodes: On the CPU; this rank's share.
        """
        context: Episode | None = None
        fitted: dict[str, _Fitted] = {}
        with single_thread():
            for episode in episodes:
                if context is None or not _same_context(context, episode):
                    context = episode
                    fitted = {name: _Fitted(name, episode, self._seed) for name in REFERENCES}
                for name, scores in self._collected.items():
                    scores.update(fitted[name].predict(episode), episode)
        return {name: scores.compute() for name, scores in self._collected.items()}


def _same_context(one: Episode, other: Episode) -> bool:
    return (
        one.x_context.shape == other.x_context.shape
        and torch.equal(one.y_context, other.y_context)
        and torch.allclose(one.x_context, other.x_context, rtol=0, atol=0, equal_nan=True)
    )


class _Fitted:
    """A model of the columns that have a known cell in the context, which boosting needs."""

    def __init__(self, name: str, episode: Episode, seed: int) -> None:
        x, y = _array(episode.x_context), _array(episode.y_context)
        self._known = np.flatnonzero(~np.isnan(x).all(axis=0))
        x = self._columns(x)
        categorical = _array(episode.categorical)[self._known]
        few = x.max(axis=0, initial=0.0, where=~np.isnan(x))[: len(categorical)] < MOST_CATEGORIES
        self._model = _model(name, episode.is_classification, categorical & few, seed).fit(x, y)

    def _columns(self, x: NDArray[Any]) -> NDArray[Any]:
        return x[:, self._known] if len(self._known) else np.zeros((len(x), 1), dtype=x.dtype)

    def predict(self, episode: Episode) -> Tensor:
        """As `Backbone.predict`: probabilities float32 (Q, K), or values float64 (Q,)."""
        x = self._columns(_array(episode.x_query))
        if not episode.is_classification:
            values = torch.from_numpy(np.asarray(self._model.predict(x), dtype=np.float64))
            return episode.y_location + episode.y_scale * values
        probabilities = torch.zeros(len(x), episode.n_classes)
        present = torch.from_numpy(np.asarray(self._model.classes_, dtype=np.int64))
        probabilities[:, present] = torch.from_numpy(self._model.predict_proba(x)).float()
        return probabilities


def _model(name: str, classify: bool, native: NDArray[np.bool_], seed: int) -> Any:
    """An unfitted model; `native` says which columns boosting takes as categories."""
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    if name == "boosting":
        boosted = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
        return boosted(categorical_features=native if native.any() else None, random_state=seed)
    forest = RandomForestClassifier if classify else RandomForestRegressor
    return make_pipeline(SimpleImputer(), forest(random_state=seed))


def _array(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.numpy()
    return array
