"""Finished cells as they would be had their weights been selected with caution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import Score, metric_named
from lit_causalmix.metrics.gap import selection_gap
from lit_causalmix.study.record import Record
from lit_causalmix.study.results import headline, number
from lit_causalmix.training.report import score_to_json
from lit_causalmix.training.selection import CautiousValidation

_STAGES = ("val", "test")


def reselected(records: Iterable[Record], min_gain: float) -> list[Record]:
    """Selects the weights of finished cells anew, as `CautiousValidation(min_gain)` would have.

    The checkpoints are those whose scores `ScoreTrajectory` kept, so no fit is run again; what it
    did not score, perturbed rows for one, is left out. It is what a fit with that selection gives,
    unless early stopping ended one of the two before its time.

    Args:
        records: Of finished cells.
        min_gain: Percent of the zero-shot score that the weights have to gain on validation.

    Raises:
        ConfigurationError: If `min_gain` is negative, or a cell has no trajectory.
    """
    CautiousValidation(min_gain)  # checks it
    return [_reselected(record, min_gain) for record in records]


def _reselected(record: Record, min_gain: float) -> Record:
    points = record.get("trajectory")
    if not points:
        raise ConfigurationError(
            f"the cell of {record['method']} on {record['table']} kept no scores of its "
            "checkpoints to select among: list the callback ScoreTrajectory in the study's base"
        )
    metric = headline(record["task"])

    def gain(point: Mapping[str, Any]) -> float:
        return number(point["val"].get(metric))

    chosen = max((p for p in points if gain(p) > min_gain), key=gain, default=points[0])
    normalized = {stage: _keyed(chosen[stage]) for stage in _STAGES}
    return {
        **record,
        "best_step": chosen["step"],
        "normalized": normalized,
        "scores": {
            stage: _scores(normalized[stage], record["zero_shot"][stage]) for stage in _STAGES
        },
        "validation_test_gap": {
            name: {**gaps, "selection": _gap(chosen, name)}
            for name, gaps in record.get("validation_test_gap", {}).items()
        },
    }


def _keyed(scores: Mapping[str, float | None]) -> dict[str, float | None]:
    return {f"real/{metric}": value for metric, value in scores.items()}


def _scores(
    normalized: Mapping[str, float | None], zero_shot: Mapping[str, float | None]
) -> dict[str, float | None]:
    """The scores that normalised ones were made of."""
    return {
        key: None
        if value is None or (start := zero_shot.get(key)) is None
        else start + metric_named(key.removeprefix("real/")).sign * abs(start) * value / 100.0
        for key, value in normalized.items()
    }


def _gap(point: Mapping[str, Any], metric: str) -> dict[str, object]:
    scores = (Score(number(point[stage].get(metric))) for stage in _STAGES)
    return score_to_json(selection_gap(*scores))
