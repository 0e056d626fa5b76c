"""Which table and split a result belongs to: by the content of the rows, not by their numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.files.digests import number_of, of_array
from lit_causalmix.tables.cells import Cells
from lit_causalmix.tables.schema import Schema
from lit_causalmix.tables.spec import SplitSpec

Hashes = NDArray[np.uint64]

_MISSING = np.uint64(0x9E3779B97F4A7C15)
UNUSED, TRAIN, VAL, TEST = -1, 0, 1, 2
"""The part of the split that a row of the source belongs to."""


def row_digests(columns: Sequence[Cells]) -> Hashes:
    """A 64-bit digest of each row's content, uint64 (n,): equal rows, equal digests.

    Cells are equal as in `splits.identical_rows`; names and order of the columns count, the order
    of the rows does not.

    Args:
        columns: All columns of a table, the target among them.
    """
    digests = np.zeros(len(columns[0]), dtype=np.uint64)
    for cells in columns:
        values = np.append(_label_hashes(cells), _MISSING)  # the last one serves code -1
        digests = _scrambled(digests ^ _scrambled(values[cells.codes] ^ _text_hash(cells.name)))
    return digests


def _label_hashes(cells: Cells) -> Hashes:
    numbers = np.isfinite(cells.numbers)
    hashes = np.ascontiguousarray(cells.numbers).view(np.uint64).copy()
    for position in np.flatnonzero(~numbers):
        hashes[position] = _text_hash(str(cells.labels[position]))
    return hashes


def _text_hash(text: str) -> np.uint64:
    return np.uint64(number_of(text))


def _scrambled(values: Hashes) -> Hashes:
    """SplitMix64's finaliser: every bit of the input moves every bit of the output."""
    values = (values + _MISSING).astype(np.uint64)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def order_like(digests: Hashes, stored: Hashes) -> NDArray[np.int64] | None:
    """The order that gives rows the place that equal rows had, int64 (n,); None if rows differ.

    Example:
        >>> now, then = np.array([5, 7, 5], np.uint64), np.array([7, 5, 5], np.uint64)
        >>> order_like(now, then)
        array([1, 0, 2])
    """
    if len(digests) != len(stored):
        return None
    mine, theirs = np.argsort(digests, kind="stable"), np.argsort(stored, kind="stable")
    if not np.array_equal(digests[mine], stored[theirs]):
        return None
    order = np.empty(len(digests), dtype=np.int64)
    order[theirs] = mine
    return order


@dataclass(frozen=True, eq=False)
class TableIdentity:
    """What a run knows of the table that it was fitted to.

    Attributes:
        name: Short name of the table.
        rows: uint64 (n,), the digest of every row of the source.
        parts: int8 (n,), the part of the split of each: `UNUSED`, `TRAIN`, `VAL` or `TEST`.
        schema: The columns and the task.
        split: Seed, fractions and limits.
    """

    name: str
    rows: Hashes
    parts: NDArray[np.int8]
    schema: Schema
    split: SplitSpec

    def part(self, *numbers: int) -> Hashes:
        """Digests of the rows of some parts, in their order."""
        return self.rows[np.isin(self.parts, numbers)]

    def shared(self, part: int, other: TableIdentity, *others: int) -> int:
        """How many rows of a part are among some parts of another table."""
        return int(np.isin(self.part(part), other.part(*others)).sum())

    def difference(self, stored: TableIdentity) -> str | None:
        """What differs from the table that something was stored for; None if nothing does."""
        if self.schema.task != stored.schema.task:
            return f"its task is {stored.schema.task}, this table's {self.schema.task}"
        if not np.array_equal(self.rows, stored.rows):
            new = int((~np.isin(self.rows, stored.rows)).sum())
            return (
                f"its table {stored.name!r} has {len(stored.rows)} rows, this one "
                f"{len(self.rows)}, of which {new} are not in it"
            )
        if self.schema != stored.schema:
            return f"its columns are read otherwise: {_changed_columns(self.schema, stored.schema)}"
        mine, theirs = asdict(self.split), asdict(stored.split)
        changed = [name for name, value in theirs.items() if mine[name] != value]
        if changed:
            given = ", ".join(f"{name} is {theirs[name]}, here {mine[name]}" for name in changed)
            return f"its split's {given}"
        return None if np.array_equal(self.parts, stored.parts) else "its rows are split otherwise"

    def same_order(self, other: TableIdentity) -> bool:
        """Whether the rows are the same in the same order."""
        return np.array_equal(self.rows, other.rows)

    def summary(self) -> dict[str, object]:
        """What a run's file says of it, as JSON values."""
        content = of_array(self.rows.astype("<u8"))
        return {
            "table": {"name": self.name, "rows": len(self.rows), "sha256": content},
            "task": str(self.schema.task),
            "split": asdict(self.split),
        }

    def state(self) -> dict[str, Any]:
        """As plain values and arrays; `from_state` reads it."""
        return {
            "name": self.name,
            "rows": self.rows.view(np.int64),
            "parts": self.parts,
            "schema": json.loads(json.dumps(self.schema.to_dict())),  # no enumerations
            "split": asdict(self.split),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> TableIdentity:
        """Reads what `state` gave; arrays may have become lists or tensors."""
        return cls(
            str(state["name"]),
            np.asarray(state["rows"], dtype=np.int64).view(np.uint64),
            np.asarray(state["parts"], dtype=np.int8),
            Schema.from_dict(state["schema"]),
            SplitSpec(**state["split"]),
        )


def _changed_columns(mine: Schema, stored: Schema) -> str:
    known = {column.name: column for column in stored.columns}
    changed = [c.name for c in mine.columns if known.pop(c.name, None) != c]
    return ", ".join(repr(name) for name in [*changed, *known]) or "they stand in another order"
