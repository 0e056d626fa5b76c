"""RFIS: the inception score with a random forest in the place of the Inception network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.metrics.quality.embedding import Embedding

REGRESSION_BINS = 5
"""Classes that a numerical target is cut into, by quantiles of the training rows [our choice]."""

TREES = 100

Floats = NDArray[np.float64]


def inception_score(probabilities: Floats) -> float:
    """Exponential of the mean of KL(p(y | x) ‖ p(y)), with p(y) the mean over the rows.

    Salimans et al. (2016, arXiv 1606.03498).

    Args:
        probabilities: p(y | x), float64 (n, K), n >= 1; each row sums to 1.

    Returns:
        1 (every row predicted alike) to K (every row certain, all classes equally frequent).
    """
    marginal = probabilities.mean(axis=0)
    mutual = _entropy(marginal) - _entropy(probabilities).mean()
    return float(np.exp(max(0.0, mutual)))


def random_forest_inception_score(
    embedding: Embedding, train: Floats, rows: Floats, *, seed: int
) -> float:
    """Random-forest inception score, RFIS, of Herurkar et al. (arXiv 2504.20900).

    A random forest learns to predict the target of the training rows; over the rows to judge,
    whose own targets play no part, the score is high where it is certain of each and where
    together they cover all classes. Published is the entropy of the marginal less the mean
    entropy of the predictions. [our choice]: its exponential, as in the inception score;
    [reconstructed]: the forest (scikit-learn's defaults, 100 trees, leaves of at least 2 rows), and
    for regression the classes, which are fifths of the target.

    Args:
        embedding: Fitted on the training rows.
        train: Coded rows that the forest learns from, float64 (n, C + 1).
        rows: Coded rows to judge, float64 (m, C + 1), m >= 1.
        seed: Of the forest.

    Returns:
        1 to K. There is no best value: compare with that of held-out real rows.
    """
    from sklearn.ensemble import RandomForestClassifier

    labels = train[:, -1].astype(np.int64)
    if not embedding.schema.task.is_classification:
        cuts = np.quantile(train[:, -1], np.linspace(0, 1, REGRESSION_BINS + 1)[1:-1])
        labels = np.searchsorted(cuts, train[:, -1], side="right").astype(np.int64)
    forest = RandomForestClassifier(TREES, min_samples_leaf=2, random_state=seed)
    forest.fit(embedding.features(train), labels)
    return inception_score(forest.predict_proba(embedding.features(rows)))


def _entropy(probabilities: Floats) -> Floats:
    positive = np.where(probabilities > 0, probabilities, 1.0)
    entropy: Floats = -(probabilities * np.log(positive)).sum(axis=-1)
    return entropy
