"""Whether a table is the one that a checkpoint was made for."""

from __future__ import annotations

import sys
from abc import abstractmethod
from typing import Any

import lightning.pytorch as pl
import torch

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables import TableSplits
from lit_causalmix.tables.identity import TEST, TRAIN, VAL, TableIdentity, order_like


class TableBound(pl.LightningDataModule):
    """Puts the identity of its table into each checkpoint, and takes over that of one.

    A subclass sets `splits` when it reads the table, by `load_splits(…, self.stored)`, and then
    calls `check_stored`.

    Attributes:
        stored: The table of the checkpoint in use, None without one.
    """

    splits: TableSplits
    stored: TableIdentity | None = None

    @abstractmethod
    def forget_table(self) -> None:
        """Lets the next `setup` read the table again."""

    def check_stored(self, splits: TableSplits) -> None:
        """Refuses a table that does not go with the checkpoint in use.

        Raises:
            ConfigurationError: With what differs.
        """
        if self.stored is not None and splits.identity is not None and self.trainer is not None:
            check_table_of(self.stored, splits.identity, self._command())

    def _command(self) -> str:
        running = None if self.trainer is None else self.trainer.state.fn
        return "fit" if running is None else running.value

    def run_facts(self) -> dict[str, object]:
        """What a run is fitted to, as JSON values for `run.json`."""
        return {} if self.splits.identity is None else self.splits.identity.summary()

    def state_dict(self) -> dict[str, Any]:
        """The table's identity, which goes into every checkpoint."""
        if not hasattr(self, "splits") or self.splits.identity is None:
            return {}
        state = self.splits.identity.state()
        return state | {name: torch.from_numpy(state[name]) for name in ("rows", "parts")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over the split of a checkpoint; before `prepare_data` it costs nothing.

        Raises:
            ConfigurationError: If the table is not the one that the checkpoint was made for.
        """
        self.stored = TableIdentity.from_state(state_dict)
        own = self.splits.identity if hasattr(self, "splits") else None
        if own is None:
            return
        if order_like(own.rows, self.stored.rows) is not None and not own.same_order(self.stored):
            self.forget_table()
            self.setup(self._command())
        self.check_stored(self.splits)


_OWN_ROWS = (TRAIN, VAL, TEST)


def check_table_of(stored: TableIdentity, own: TableIdentity, command: str) -> None:
    """Refuses a table that does not go with a checkpoint.

    A fit goes on with the very table, columns and split that it began with. Another table may be
    evaluated with the weights, which is said; but the rows of the run's own table stay in the parts
    of the split that they had, so that no row that was trained on, or selected by, is scored as
    one that was not.

    Args:
        stored: The table that the checkpoint was made for.
        own: The present table.
        command: "fit", "validate", "test" or "predict".

    Raises:
        ConfigurationError: With what differs.
    """
    difference = own.difference(stored)
    if difference is None:
        return
    if command == "fit":
        raise ConfigurationError(f"the checkpoint belongs to another fit: {difference}")
    if stored.schema.task.is_classification != own.schema.task.is_classification:
        raise ConfigurationError(f"the checkpoint belongs to another task: {difference}")
    if not any(own.shared(part, stored, *_OWN_ROWS) for part in _OWN_ROWS):
        sys.stderr.write(f"the checkpoint is of another table ({stored.name!r}): {difference}\n")
        return
    trained = own.shared(TEST, stored, TRAIN, VAL) + own.shared(VAL, stored, TRAIN)
    seen = f"{trained} rows to score were trained on or selected by; " if trained else ""
    raise ConfigurationError(
        f"the checkpoint goes with its own table and split, of which this holds a part: {seen}"
        f"{difference}"
    )
