"""From bodies of requests to answers: each refused for itself, the others predicted together."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import lit_causalmix
from lit_causalmix.errors import LitCausalMixError
from lit_causalmix.files.atomic import json_text
from lit_causalmix.model import Predictor
from lit_causalmix.model.frames import level_names
from lit_causalmix.model.member import unused_by
from lit_causalmix.model.rows import Coded
from lit_causalmix.quiet import gathered_warnings
from lit_causalmix.serving.rows import READERS, Body, RequestError, read_levels, read_rows

_LOGGER = logging.getLogger(__name__)

UNFIT = 422
"""The status for rows that do not fit the model."""

SPARE = 1_000
"""Columns that a request may have beyond those of the model, which are ignored."""


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Attributes:
        status: Of HTTP.
        content: JSON values.
    """

    status: int
    content: Mapping[str, Any]

    @classmethod
    def refusing(cls, error: LitCausalMixError) -> Answer:
        """The answer to a request that cannot be answered: one line, as FastAPI has it."""
        status = error.status if isinstance(error, RequestError) else UNFIT
        return cls(status, {"detail": " ".join(str(error).split())})

    def encoded(self) -> bytes:
        """The content as JSON, in ASCII: texts may hold what UTF-8 lacks."""
        return json_text(self.content).encode("ascii")


@dataclass(frozen=True)
class _Request:
    """Rows that fit the model, of one request."""

    coded: Coded
    levels: tuple[float, ...]
    notes: list[str]

    def __len__(self) -> int:
        return len(self.coded[0])


def answers(model: Predictor, bodies: Sequence[Body], max_rows: int) -> list[Answer]:
    """Answers requests, in their order.

    Their rows are predicted in one go: what an in-context learner spends on its context is spent
    once. What is wrong with one of them is said to it alone.

    Args:
        model: What predicts.
        bodies: The requests.
        max_rows: Most rows of one of them.
    """
    found: list[Answer | None] = [None] * len(bodies)
    together: dict[tuple[float, ...], dict[int, _Request]] = {}
    for place, body in enumerate(bodies):
        try:
            request = _read(model, body, max_rows)
        except LitCausalMixError as error:
            found[place] = Answer.refusing(error)
        except Exception as error:  # a fault of ours, which those beside it have no part in
            _LOGGER.exception("a request could not be read")
            found[place] = Answer(500, {"detail": f"internal error: {type(error).__name__}"})
        else:
            together.setdefault(request.levels, {})[place] = request
    for levels, requests in together.items():
        given = _predicted(model, list(requests.values()), levels)
        for place, answer in zip(requests, given, strict=True):
            found[place] = answer
    return [answer for answer in found if answer is not None]


def schema(model: Predictor, *, max_rows: int, max_bytes: int) -> dict[str, Any]:
    """What the model expects and predicts, and the limits of the server, as JSON values."""
    unused = unused_by(model.members)
    return {
        "model": model.members[0].context.name,
        "version": lit_causalmix.__version__,
        "task": str(model.task),
        "target": model.schema.target.name,
        "classes": list(model.classes),
        "columns": [
            {
                "name": column.name,
                "kind": str(column.kind),
                "categories": list(column.categories),
                "date_format": column.date_format,
                "used": column.name not in unused,
            }
            for column in model.features
        ],
        "limits": {"rows": max_rows, "bytes": max_bytes},
        "takes": list(READERS),
    }


def _read(model: Predictor, body: Body, max_rows: int) -> _Request:
    levels = read_levels(body.quantiles)
    with gathered_warnings() as notes:
        features = len(model.feature_names)
        rows = read_rows(
            body, max_rows=max_rows, max_columns=features + SPARE, one_column=features == 1
        )
        coded = model.coded(rows)
    return _Request(coded, levels, notes)


def _predicted(
    model: Predictor, requests: Sequence[_Request], levels: Sequence[float]
) -> list[Answer]:
    parts = zip(*(request.coded for request in requests), strict=True)
    try:
        frame = model.coded_frame([np.concatenate(part) for part in parts], quantiles=levels)
    except LitCausalMixError as error:  # levels that this model does not have
        return [Answer.refusing(error)] * len(requests)
    ends = np.cumsum([len(request) for request in requests])
    rows = _rows(frame, model.classes, levels)
    return [
        Answer(200, {"predictions": rows[end - len(request) : end], "notes": request.notes})
        for request, end in zip(requests, ends.tolist(), strict=True)
    ]


def _rows(
    frame: pd.DataFrame, classes: Sequence[str], levels: Sequence[float]
) -> list[dict[str, Any]]:
    """A mapping for each line of a frame of predictions, by class label and level."""
    rows = [{"prediction": value} for value in frame["prediction"].tolist()]
    for key, kind, names in (
        ("probabilities", "probability", list(classes)),
        ("quantiles", "quantile", level_names(levels)),
    ):
        if names:
            values = frame[[f"{kind}_{name}" for name in names]].to_numpy().tolist()
            for row, numbers in zip(rows, values, strict=True):
                row[key] = dict(zip(names, numbers, strict=True))
    return rows
