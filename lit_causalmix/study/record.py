"""What is kept of a cell, and the one place where text from outside becomes a record.

Whatever reads results (a store, a file of `study export`) takes them through `parse_record`, so
that all code behind it can rely on their form; names in them are text, never paths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from lit_causalmix.study.checked_json import RecordError, is_number, parse_json, shown

Record = dict[str, Any]
"""What is kept of a cell: what `study.cell.run_cell` writes and `parse_record` checks."""

OK, FAILED = "ok", "failed"
"""The statuses of a record."""

_KEY = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SCORE = re.compile(r".+/[^/]+", re.DOTALL)
_LONGEST_NAME = 1000
_STAGES = ("val", "test")
_TASKS = ("binary", "multiclass", "regression")

_Check = Callable[[Any], bool]


def checked_key(key: object) -> str:
    """A key of a cell as it is, if it is a content hash (`identity.content_hash`).

    Files are named after keys, so nothing else may be one.

    Raises:
        RecordError: For anything else.
    """
    if isinstance(key, str) and _KEY.fullmatch(key):
        return key
    raise RecordError(f"a key is 32 hexadecimal digits, got {shown(key)}")


def parse_record(text: str | bytes) -> Record:
    """Reads one record.

    Args:
        text: JSON, UTF-8; numbers are finite, no name stands twice in an object.

    Raises:
        RecordError: With the place and what was found there.
    """
    record: Record = parse_json(text)
    check_record(record)
    return record


def check_record(record: Any) -> None:
    """Refuses JSON values that are no record.

    Raises:
        RecordError: With the place and what was found there.
    """
    _require(record, "a record", _is_mapping, "an object")
    for name, (check, wanted) in _COMMON.items():
        _require(record.get(name), name, check, wanted)
    finished = record["status"] == OK
    for name, (check, wanted) in (_FINISHED if finished else _FAILED).items():
        _require(record.get(name), name, check, wanted)
    for name, (check, wanted) in _OPTIONAL.items():
        if finished and name in record:
            _require(record[name], name, check, wanted)


def parse_zero_shot(text: str | bytes) -> dict[str, Any]:
    """Reads zero-shot scores: {"scores": {"domain/metric": [value or null, note]}}.

    Raises:
        RecordError: With what was found instead.
    """
    content: dict[str, Any] = parse_json(text)
    _require(content, "what is kept of zero-shot", _is_zero_shot, "scores with their notes")
    return content


def parse_checksum(text: str | bytes) -> dict[str, Any]:
    """Reads a checksum of weights: {"checksum": hexadecimal}.

    Raises:
        RecordError: With what was found instead.
    """
    content: dict[str, Any] = parse_json(text)
    _require(content, "what is kept of weights", _is_checksum, "a checksum")
    return content


def _require(value: Any, place: str, check: _Check, wanted: str) -> None:
    if not check(value):
        raise RecordError(f"{place} is {wanted}, got {shown(value)}")


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_config(value: Any) -> bool:
    """What is read of a configuration: its three parts, and which rows the data part names."""
    if not isinstance(value, dict) or not isinstance(value.get("data"), dict):
        return False
    data = value["data"]
    parts = (value.get("model"), value.get("trainer"), data.get("split"), data.get("generator"))
    return all(part is None or isinstance(part, dict) for part in parts)


def _is_seconds(value: Any) -> bool:
    return isinstance(value, dict) and all(is_number(v) and v >= 0 for v in value.values())


def _is_total_seconds(value: Any) -> bool:
    return _is_seconds(value) and "total" in value


def _is_scores(value: Any) -> bool:
    return isinstance(value, dict) and all(v is None or is_number(v) for v in value.values())


def _is_staged(value: Any) -> bool:
    """Scores by stage, each under "domain/metric"."""
    return (
        isinstance(value, dict)
        and set(value) == set(_STAGES)
        and all(map(_is_scores, value.values()))
        and all(_SCORE.fullmatch(name) for scores in value.values() for name in scores)
    )


def _is_trajectory(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_point, value))


def _is_point(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_count(value.get("step"))
        and all(_is_scores(value.get(stage)) for stage in _STAGES)
    )


def _is_gaps(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(kinds, dict) and all(map(_is_gap, kinds.values())) for kinds in value.values()
    )


def _is_gap(value: Any) -> bool:
    return isinstance(value, dict) and "value" in value and _is_scores({"": value["value"]})


def _is_zero_shot(value: Any) -> bool:
    scores = value.get("scores") if isinstance(value, dict) else None
    return isinstance(scores, dict) and all(
        isinstance(score, list)
        and len(score) == 2
        and _is_scores({"": score[0]})
        and isinstance(score[1], str)
        for score in scores.values()
    )


def _is_checksum(value: Any) -> bool:
    return isinstance(value, dict) and bool(_SHA256.fullmatch(str(value.get("checksum"))))


_COMMON: Mapping[str, tuple[_Check, str]] = {
    "key": (lambda v: isinstance(v, str) and bool(_KEY.fullmatch(v)), "32 hexadecimal digits"),
    "status": (lambda v: v in (OK, FAILED), f"{OK} or {FAILED}"),
    "table": (_is_name, "a name"),
    "method": (_is_name, "a name"),
    "backbone": (_is_name, "a name"),
    "seed": (_is_count, "an integer >= 0"),
    "ratio": (lambda v: is_number(v) and 0 <= v <= 1, "a number in [0, 1]"),
    "size": (lambda v: v is None or (is_number(v) and v >= 0), "a number >= 0 or null"),
    "config": (_is_config, "a configuration of fit"),
}
_FINISHED: Mapping[str, tuple[_Check, str]] = {
    "domain": (_is_name, "a name"),
    "task": (lambda v: v in _TASKS, f"one of {', '.join(_TASKS)}"),
    "n_train": (_is_count, "an integer >= 0"),
    "n_columns": (_is_count, "an integer >= 0"),
    "n_classes": (_is_count, "an integer >= 0"),
    "best_step": (_is_count, "an integer >= 0"),
    "seconds": (_is_total_seconds, "seconds by part, total among them"),
    "zero_shot": (_is_staged, "numbers or nulls by stage (val, test) and name"),
    "scores": (_is_staged, "numbers or nulls by stage (val, test) and name"),
    "normalized": (_is_staged, "numbers or nulls by stage (val, test) and name"),
}
_OPTIONAL: Mapping[str, tuple[_Check, str]] = {
    "trajectory": (_is_trajectory, "a list of steps with their val and test scores"),
    "validation_test_gap": (_is_gaps, "values by metric and kind"),
    "quality": (_is_scores, "numbers or nulls by domain and measure"),
}
_FAILED: Mapping[str, tuple[_Check, str]] = {
    "error": (_is_text, "text"),
    "seconds": (_is_seconds, "seconds by part"),
}
"""Field → whether a value may stand there, and what is to stand there."""
