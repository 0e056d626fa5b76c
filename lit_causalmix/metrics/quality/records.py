"""Distance to the closest record: are synthetic rows new, or copies of training rows?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.schema import Schema

_CELLS = 4_000_000  # distances held in memory at a time

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClosestRecords:
    """Distances to the closest record, to equally many different training and held-out rows.

    Attributes:
        to_train: float64 (n,), from each synthetic row to the training rows.
        to_held_out: float64 (n,), from each synthetic row to held-out real rows.
        held_out_to_train: float64 (m,), from each held-out row to the training rows: what rows
            show that are real and new.
        copied: bool (n,), which synthetic rows equal any training row at all.
        compared: Share of the different training rows that the distances are to.
    """

    to_train: Floats
    to_held_out: Floats
    held_out_to_train: Floats
    copied: NDArray[np.bool_]
    compared: float

    @property
    def closer_to_train(self) -> float:
        """Share of synthetic rows that are closer to a training than to a held-out row.

        A tie counts half. About 0.5 where nothing was memorised, 1 for copies. SDMetrics'
        `DCROverfittingProtection` is min(1, 2 · (1 − share)), with ties on the held-out side.
        """
        closer = (self.to_train < self.to_held_out).mean()
        return float(closer + (self.to_train == self.to_held_out).mean() / 2)

    @property
    def copies(self) -> float:
        """Share of synthetic rows that equal one of these training rows in every column.

        It has to be read beside `held_out_copies`; of all training rows it is `all_copies`.
        """
        return float((self.to_train == 0).mean())

    @property
    def all_copies(self) -> float:
        """Share of synthetic rows that equal any training row in every column."""
        return float(self.copied.mean())

    @property
    def copies_by_chance(self) -> float:
        """Share that would equal any of as many different rows that were never seen, at most.

        A row equals one of different rows alone, so that `held_out_copies` grows with their number,
        and no faster: the frequent ones are there already.
        """
        return min(1.0, self.held_out_copies / self.compared)

    @property
    def held_out_copies(self) -> float:
        """Share of synthetic rows that equal a held-out row: what chance alone does in as many."""
        return float((self.to_held_out == 0).mean())


def closest_distances(schema: Schema, rows: Floats, reference: Floats, spans: Floats) -> Floats:
    """Distance of each row to the closest of the reference rows, 0 (equal) to 1.

    The mean over the columns of: |a − b| / span, at most 1, for a numerical column (0 or 1 where
    the span is 0); 0 or 1 for any other. A missing cell is at 0 from a missing one and at 1 from
    any other. Gower (1971), as in SDMetrics' distances to the closest record.

    Args:
        schema: Columns of both matrices.
        rows: Coded rows, float64 (n, C + 1).
        reference: Coded rows, float64 (m, C + 1), m >= 1.
        spans: float64 (C + 1,), range of each numerical column; see `spans_of`.

    Returns:
        float64 (n,).
    """
    chunk = max(1, _CELLS // len(reference))
    found = [
        _distances(schema, rows[start : start + chunk], reference, spans).min(axis=1)
        for start in range(0, len(rows), chunk)
    ]
    return np.concatenate(found) if found else np.empty(0)


def spans_of(rows: Floats) -> Floats:
    """Range of each column over the known cells, float64 (C + 1,); 0 without any."""
    low = np.where(np.isnan(rows), np.inf, rows).min(axis=0)
    high = np.where(np.isnan(rows), -np.inf, rows).max(axis=0)
    return np.where(high > low, high - low, 0.0)


def closest_records(
    schema: Schema,
    train: Floats,
    held_out: Floats,
    synthetic: Floats,
    *,
    rng: np.random.Generator,
    seen_rows: Floats | None = None,
) -> ClosestRecords:
    """Compares synthetic rows with the rows that the generator saw and with rows that it did not.

    As many training as held-out rows are drawn, since the closest of more rows is closer; a row
    that is there several times counts once. Distances are in units of the ranges of all training
    rows.

    Args:
        schema: Columns of all matrices.
        train: Coded rows that the generator was fitted on, float64 (n, C + 1).
        held_out: Other real rows, float64 (m, C + 1), m >= 1.
        synthetic: Coded rows, float64 (k, C + 1).
        rng: Draws the rows of the larger part.
        seen_rows: All rows that the generator was fitted on, where `train` is some of them.
    """
    spans = spans_of(train)
    train, held_out = _distinct(train), _distinct(held_out)
    everything = train if seen_rows is None else _distinct(seen_rows)
    size = min(len(train), len(held_out))
    seen, unseen = (rng.permutation(part)[:size] for part in (train, held_out))
    return ClosestRecords(
        to_train=closest_distances(schema, synthetic, seen, spans),
        to_held_out=closest_distances(schema, synthetic, unseen, spans),
        held_out_to_train=closest_distances(schema, unseen, seen, spans),
        copied=row_numbers(np.concatenate([everything, synthetic]))[len(everything) :]
        < len(everything),
        compared=size / len(everything),
    )


def row_numbers(rows: Floats) -> NDArray[np.int64]:
    """Numbers the different rows, int64 (n,); missing cells are equal."""
    seen: dict[bytes, int] = {}
    contiguous = np.ascontiguousarray(rows + 0.0)  # + 0.0: -0.0 equals 0.0
    return np.array([seen.setdefault(r.tobytes(), len(seen)) for r in contiguous], dtype=np.int64)


def _distinct(rows: Floats) -> Floats:
    return rows[np.sort(np.unique(row_numbers(rows), return_index=True)[1])]


def _distances(schema: Schema, rows: Floats, reference: Floats, spans: Floats) -> Floats:
    total = np.zeros((len(rows), len(reference)))
    for j, column in enumerate(schema.columns):
        a, b = rows[:, None, j], reference[None, :, j]
        missing_a, missing_b = np.isnan(a), np.isnan(b)
        if column.is_numerical and spans[j] > 0:
            apart = np.minimum(np.abs(a - b) / spans[j], 1.0)
        else:
            apart = (a != b).astype(np.float64)
        total += np.where(missing_a | missing_b, (missing_a != missing_b).astype(float), apart)
    return total / len(schema.columns)
