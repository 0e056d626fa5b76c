"""Mixed-Model: features from a Gaussian mixture, targets from a random teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.bars import each
from lit_causalmix.causal.columns import impute
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators.parts.mixture import GaussianMixture, LatentColumns, fit_mixture
from lit_causalmix.generators.parts.refitted import RefittedGenerator
from lit_causalmix.generators.parts.teachers import TEACHERS, fit_teacher
from lit_causalmix.quiet import single_thread
from lit_causalmix.seeding import derived_seed
from lit_causalmix.seeding import rng as rng_for
from lit_causalmix.tables.scaling import location_scale
from lit_causalmix.tables.support import Support
from lit_causalmix.tables.table import Table

TRIAL_ROWS = 256
"""Rows on which a pair has to show two targets."""

ATTEMPTS = 20
"""Pairs drawn for one place in the ensemble before giving up."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A mixture and a teacher.

    Attributes:
        mixture: Of the latent features.
        kind: Of the teacher.
        teacher: A fitted scikit-learn model, see `fit_teacher`.
    """

    mixture: GaussianMixture
    kind: str
    teacher: Any


@dataclass(frozen=True, eq=False)
class MixedModels:
    """An ensemble of pairs over the columns of one table.

    Attributes:
        pairs: The K pairs.
        latent: Between features and the variables of the mixtures.
        y_location: Training mean of a regression target; 0 for classes.
        y_scale: Training standard deviation of a regression target; 1 for classes.
        support: Ranges of the columns.
        missing: bool (m, C), missing features of the training rows.
    """

    pairs: tuple[Pair, ...]
    latent: LatentColumns
    y_location: float
    y_scale: float
    support: Support
    missing: NDArray[np.bool_]

    def complete(self, pair: Pair, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws coded rows without missing cells from one pair, float64 (n, C + 1)."""
        rows = np.zeros((n, len(self.support.low)))
        if n:
            rows[:, :-1] = self.latent.decode(pair.mixture.sample(n, rng))
            # An empty column has no range: it is zero here, as it was for learning.
            rows[:, :-1] = np.nan_to_num(self.support.restrict(rows)[:, :-1])
            said = pair.teacher.predict(self.latent.standardised(rows[:, :-1]))
            rows[:, -1] = self.y_location + self.y_scale * said
            rows[:, -1] = self.support.restrict(rows)[:, -1]
        return rows


class MixedModelGenerator(RefittedGenerator[MixedModels]):
    """Draws features from Bayesian Gaussian mixtures and lets random teachers label them.

    Mixed-Model is the comparison method of arXiv 2601.04110. Known from third-party reproductions:
    a Bayesian Gaussian mixture with random hyper-parameters for the features, a random teacher
    (forest, tree, neural network, support vector machine, boosted trees) fitted on real rows for
    the target, rejected when fewer than two classes appear. Our choices: an ensemble of such
    pairs, as one may be poor; regressors for regression, rejected where they say the same of every
    row; the ranges of all hyper-parameters; categories as intervals of one normal variable (see
    `LatentColumns`); gaps filled by mean or mode for learning, and each synthetic row given those
    of a random training row after it is labelled; numbers rounded where whole, and all values kept
    in the training range. The target is what the teacher predicts, without noise.

    Teachers have no format that could be saved without a pickle: the state holds settings and
    seed, and `load` fits again, to the same bits.

    Args:
        n_models: Pairs in the ensemble.
        teachers: Kinds of teachers to draw from.
        rows_per_model: A call of `sample` visits one pair per so many rows.

    Raises:
        ConfigurationError: If a setting is out of its range.
    """

    def __init__(
        self,
        n_models: int = 8,
        teachers: Sequence[str] = tuple(TEACHERS),
        rows_per_model: int = 64,
    ) -> None:
        super().__init__()
        for name, value in (("n_models", n_models), ("rows_per_model", rows_per_model)):
            if value < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {value}")
        if not teachers or not set(teachers) <= set(TEACHERS):
            raise ConfigurationError(
                f"teachers must be one or more of {sorted(TEACHERS)}, got {list(teachers)}"
            )
        self.n_models = n_models
        self.teachers = tuple(teachers)
        self.rows_per_model = rows_per_model

    def settings(self) -> dict[str, Any]:
        return {
            "n_models": self.n_models,
            "teachers": list(self.teachers),
            "rows_per_model": self.rows_per_model,
        }

    def learn(self, train: Table, *, seed: int, progress: bool) -> MixedModels:
        columns = train.schema.features
        features = np.column_stack([impute(train.features[:, j], c) for j, c in enumerate(columns)])
        location, scale = location_scale(train.target[:, None])
        numerical = train.schema.target.is_numerical
        ensemble = MixedModels(
            pairs=(),
            latent=LatentColumns.of(features, columns),
            y_location=float(location[0]) if numerical else 0.0,
            y_scale=float(scale[0]) if numerical else 1.0,
            support=Support.of(train),
            missing=np.isnan(train.features),
        )
        numbers = range(self.n_models)
        places = each(numbers, "mixture and teacher", total=len(numbers), disable=not progress)
        pairs = [self._pair(ensemble, features, train, seed, place) for place in places]
        return replace(ensemble, pairs=tuple(pairs))

    def draw(self, learned: MixedModels, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        rows = np.empty((n, len(learned.support.low)))
        visited = min(len(learned.pairs), -(-n // self.rows_per_model))
        models = rng.choice(len(learned.pairs), size=visited, replace=False).tolist()
        shares = np.array_split(rng.permutation(n), visited) if visited else []
        with single_thread():
            for k, own in zip(models, shares, strict=True):
                rows[own] = learned.complete(learned.pairs[k], len(own), rng)
        rows[:, :-1][learned.missing[rng.integers(len(learned.missing), size=n)]] = np.nan
        return rows

    def _pair(
        self,
        ensemble: MixedModels,
        features: NDArray[np.float64],
        train: Table,
        seed: int,
        place: int,
    ) -> Pair:
        """Fits random pairs until one gives two targets or more."""
        for attempt in range(ATTEMPTS):
            keys = ("mixed-model", place, attempt)
            rng = rng_for(seed, *keys)
            inner = derived_seed(seed, *keys, "fit")
            kind = self.teachers[int(rng.integers(len(self.teachers)))]
            pair = Pair(
                fit_mixture(ensemble.latent.encode(features, rng), rng, seed=inner),
                kind,
                fit_teacher(
                    kind,
                    ensemble.latent.standardised(features),
                    (train.target - ensemble.y_location) / ensemble.y_scale,
                    train.schema.features,
                    rng,
                    classify=train.schema.task.is_classification,
                    seed=inner,
                ),
            )
            if np.ptp(ensemble.complete(pair, TRIAL_ROWS, rng)[:, -1]) > 0:
                return pair
        raise GeneratorError(
            f"table {train.name!r}: {ATTEMPTS} random teachers said the same of all "
            f"{TRIAL_ROWS} drawn rows: their target follows too little from the features for "
            "MixedModelGenerator; choose other teachers or another generator"
        )
