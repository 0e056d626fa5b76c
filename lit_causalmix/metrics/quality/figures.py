"""The measures by name: each a few figures of synthetic rows against training and held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.metrics.quality.embedding import Embedding
from lit_causalmix.metrics.quality.frechet import faed, fpcad
from lit_causalmix.metrics.quality.inception import random_forest_inception_score
from lit_causalmix.metrics.quality.precision_recall import precision_recall
from lit_causalmix.metrics.quality.records import closest_records
from lit_causalmix.metrics.quality.shapes import column_shapes
from lit_causalmix.metrics.quality.summary import at_most, mean_of_known
from lit_causalmix.metrics.quality.trends import pair_trends
from lit_causalmix.metrics.quality.two_sample import two_sample_auc
from lit_causalmix.metrics.quality.utility import train_on_one_test_on_other
from lit_causalmix.seeding import derived_seed, rng
from lit_causalmix.tables.schema import Schema
from lit_causalmix.tables.table import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Compared:
    """Coded rows of three kinds, float64 (·, C + 1) each, and the same as points of one space.

    Attributes:
        schema: Columns of the rows.
        train: The rows that the generator was fitted on.
        held_out: Real rows that it did not see; may be empty.
        synthetic: Its rows.
        seed: Source of all randomness.
    """

    schema: Schema
    train: Floats
    held_out: Floats
    synthetic: Floats
    seed: int

    @cached_property
    def embedding(self) -> Embedding:
        return Embedding.fit(self.schema, self.train)

    @cached_property
    def train_points(self) -> Floats:
        return self.embedding(self.train)

    @cached_property
    def held_out_points(self) -> Floats:
        return self.embedding(self.held_out)

    @cached_property
    def points(self) -> Floats:
        return self.embedding(self.synthetic)


Measure = Callable[[Compared], dict[str, float]]


def _shapes(rows: Compared) -> dict[str, float]:
    shapes = column_shapes(rows.schema, rows.train, rows.synthetic)
    return {"column_shapes": mean_of_known(shapes)}


def _trends(rows: Compared) -> dict[str, float]:
    return {"pair_trends": pair_trends(rows.schema, rows.train, rows.synthetic).score}


def _two_sample(rows: Compared) -> dict[str, float]:
    seed = derived_seed(rows.seed, "quality", "trees")
    auc = two_sample_auc(rows.schema, rows.train, rows.synthetic, seed=seed)
    return {"two_sample_auc": auc}


def _closest(rows: Compared) -> dict[str, float]:
    if not len(rows.held_out):
        return {}
    found = closest_records(
        rows.schema,
        rows.train,
        rows.held_out,
        rows.synthetic,
        rng=rng(rows.seed, "quality", "records"),
    )
    return {
        "closer_to_train": found.closer_to_train,
        "copies": found.copies,
        "held_out_copies": found.held_out_copies,
    }


def _utility(rows: Compared) -> dict[str, float]:
    if not len(rows.held_out):
        return {}
    seed = derived_seed(rows.seed, "quality", "trees")
    return {
        name: train_on_one_test_on_other(rows.schema, learned_from, rows.held_out, seed=seed).value
        for name, learned_from in (("tstr", rows.synthetic), ("trtr", rows.train))
    }


def _precision_recall(rows: Compared) -> dict[str, float]:
    n = min(len(rows.train), len(rows.synthetic))
    chooser = rng(rows.seed, "quality", "precision-recall")
    real, made = (chooser.permutation(points)[:n] for points in (rows.train_points, rows.points))
    found = precision_recall(real, made)
    return {
        "alpha_precision": found.alpha_precision,
        "beta_recall": found.beta_recall,
        "coverage": found.coverage,
        "authenticity": found.authenticity,
    }


def _fpcad(rows: Compared) -> dict[str, float]:
    return _against_train(rows, "fpcad", fpcad)


def _faed(rows: Compared) -> dict[str, float]:
    seed = derived_seed(rows.seed, "quality", "autoencoder")
    return _against_train(rows, "faed", lambda *points: faed(*points, seed=seed))


def _against_train(
    rows: Compared, name: str, distance: Callable[[Floats, Floats, Floats], float]
) -> dict[str, float]:
    """The distance of the synthetic rows, and that of the held-out rows to compare with."""
    train = rows.train_points
    figures = {name: distance(train, train, rows.points)}
    if len(rows.held_out) > 1:
        figures[f"{name}_held_out"] = distance(train, train, rows.held_out_points)
    return figures


def _rfis(rows: Compared) -> dict[str, float]:
    seed = derived_seed(rows.seed, "quality", "forest")
    return {
        name: random_forest_inception_score(rows.embedding, rows.train, judged, seed=seed)
        for name, judged in (("rfis", rows.synthetic), ("rfis_held_out", rows.held_out))
        if len(judged)
    }


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "shapes": _shapes,
        "trends": _trends,
        "two_sample": _two_sample,
        "precision_recall": _precision_recall,
        "closest_records": _closest,
        "utility": _utility,
        "fpcad": _fpcad,
        "faed": _faed,
        "rfis": _rfis,
    }
)
"""All measures that `quality_figures` knows."""


def check_measures(names: Sequence[str]) -> None:
    """Refuses a name that is not among `MEASURES`.

    Raises:
        ConfigurationError: With the name and what there is.
    """
    unknown = sorted(set(names) - set(MEASURES))
    if unknown:
        raise ConfigurationError(
            f"there is no quality measure {', '.join(map(repr, unknown))}: choose from "
            f"{', '.join(MEASURES)}"
        )


def quality_figures(
    train: Table,
    held_out: Table,
    synthetic: Floats,
    *,
    seed: int,
    measures: Sequence[str] = tuple(MEASURES),
) -> dict[str, float]:
    """Measures synthetic rows against the rows that their generator was fitted on.

    Held-out rows are a reference alone: for the closest records, as the rows to test on, and to
    show what real rows reach (`…_held_out`, `trtr`; few rows inflate a Fréchet distance). Without
    them these figures are left out. Of each kind at most `MOST_ROWS` rows are compared.

    Args:
        train: The rows that the generator was fitted on, n >= 2.
        held_out: Real rows of the same table that it did not see, or an empty table.
        synthetic: Coded rows, float64 (k, C + 1), k >= 2.
        seed: Source of all randomness.
        measures: Names out of `MEASURES`.

    Returns:
        Figure → value, NaN where it is undefined. "shapes": column_shapes; "trends": pair_trends;
        "two_sample": two_sample_auc; "precision_recall": alpha_precision, beta_recall, coverage,
        authenticity; "closest_records": closer_to_train, copies, held_out_copies; "utility": tstr,
        trtr (ROC-AUC or R²; trained on synthetic or real, tested on held-out rows); "fpcad",
        "faed" and "rfis" under their names, and with `_held_out`.

    Raises:
        ConfigurationError: For an unknown measure.
        TableError: With fewer than two training or synthetic rows.
    """
    check_measures(measures)
    if min(len(train), len(synthetic)) < 2:
        raise TableError(
            "to compare rows takes 2 training and 2 synthetic rows, got "
            f"{len(train)} and {len(synthetic)}"
        )
    compared = Compared(
        train.schema,
        at_most(train.values, seed, "train"),
        at_most(held_out.values, seed, "held-out"),
        at_most(synthetic, seed, "synthetic"),
        seed,
    )
    figures: dict[str, float] = {}
    for name in measures:
        figures |= MEASURES[name](compared)
    return figures
