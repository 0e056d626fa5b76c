"""The measures by name: each a few numbers of synthetic rows beside training and held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.metrics.quality.frechet import faed, fpcad
from lit_causalmix.metrics.quality.inception import random_forest_inception_score
from lit_causalmix.metrics.quality.measurement import Floats, Measurement
from lit_causalmix.metrics.quality.precision_recall import precision_recall
from lit_causalmix.seeding import derived_seed, rng
from lit_causalmix.tables.table import Table

Measure = Callable[[Measurement], dict[str, float]]

PREDICTABLE = 0.02
"""Mean skill of real rows below which there is nothing to keep a share of [our choice]."""


def _shapes(rows: Measurement) -> dict[str, float]:
    return {"column_shapes": rows.to_train.shape_score}


def _trends(rows: Measurement) -> dict[str, float]:
    return {"pair_trends": rows.to_train.trends.score}


def _two_sample(rows: Measurement) -> dict[str, float]:
    return {"two_sample_auc": rows.to_train.auc}


def _closest(rows: Measurement) -> dict[str, float]:
    if not len(rows.held_out):
        return {}
    return {
        "closer_to_train": rows.records.closer_to_train,
        "copies": rows.records.copies,
        "held_out_copies": rows.records.held_out_copies,
    }


def _utility(rows: Measurement) -> dict[str, float]:
    if not len(rows.held_out):
        return {}
    return {
        "tstr": rows.to_held_out.utility.value,
        "trtr": rows.train_to_held_out.utility.value,
    }


def _global_utility(rows: Measurement) -> dict[str, float]:
    if not len(rows.held_out):
        return {}
    made, real = rows.to_held_out.skill, rows.train_to_held_out.skill
    share = made / real if real > PREDICTABLE else float("nan")
    return {"global_tstr": made, "global_trtr": real, "global_utility": share}


def _precision_recall(rows: Measurement) -> dict[str, float]:
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


def _fpcad(rows: Measurement) -> dict[str, float]:
    return _against_train(rows, "fpcad", fpcad)


def _faed(rows: Measurement) -> dict[str, float]:
    seed = derived_seed(rows.seed, "quality", "autoencoder")
    return _against_train(rows, "faed", lambda *points: faed(*points, seed=seed))


def _against_train(
    rows: Measurement, name: str, distance: Callable[[Floats, Floats, Floats], float]
) -> dict[str, float]:
    """The distance of the synthetic rows, and that of the held-out rows to compare with."""
    train = rows.train_points
    found = {name: distance(train, train, rows.points)}
    if len(rows.held_out) > 1:
        found[f"{name}_held_out"] = distance(train, train, rows.held_out_points)
    return found


def _rfis(rows: Measurement) -> dict[str, float]:
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
        "global_utility": _global_utility,
        "fpcad": _fpcad,
        "faed": _faed,
        "rfis": _rfis,
    }
)
"""All measures that `quality_numbers` knows."""


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


def quality_numbers(
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
    them these numbers are left out. Of each kind at most `MOST_ROWS` rows are compared.

    Args:
        train: The rows that the generator was fitted on, n >= 2.
        held_out: Real rows of the same table that it did not see, or an empty table.
        synthetic: Coded rows, float64 (k, C + 1), k >= 2.
        seed: Source of all randomness.
        measures: Names out of `MEASURES`.

    Returns:
        Name → value, NaN where it is undefined. "shapes": column_shapes; "trends": pair_trends;
        "two_sample": two_sample_auc; "precision_recall": alpha_precision, beta_recall, coverage,
        authenticity; "closest_records": closer_to_train, copies, held_out_copies; "utility": tstr,
        trtr (ROC-AUC or R²; trained on synthetic or real, tested on held-out rows);
        "global_utility": global_tstr, global_trtr (mean skill where every column in turn is the
        target, see `structure.skills`) and global_utility, their ratio; "fpcad", "faed" and "rfis"
        under their names, and with `_held_out`.

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
    rows = Measurement.of(train, held_out, synthetic, seed)
    found: dict[str, float] = {}
    for name in measures:
        found |= MEASURES[name](rows)
    return found
