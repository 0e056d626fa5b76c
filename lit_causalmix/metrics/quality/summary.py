"""All measures of a set of synthetic rows at once, each beside what real rows reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lit_causalmix.errors import TableError
from lit_causalmix.metrics.quality.measurement import Floats, Likeness, Measurement
from lit_causalmix.metrics.quality.records import ClosestRecords
from lit_causalmix.tables.table import Table


@dataclass(frozen=True, eq=False)
class QualityReport:
    """Synthetic rows beside held-out real rows, and training rows beside the same.

    Few held-out rows make every measure noisy, so each stands beside its value for training rows:
    that is what rows from the true distribution reach.

    Attributes:
        synthetic: The synthetic rows beside the held-out ones; as many as training rows where
            there were enough.
        training: The training rows beside the held-out ones.
        records: Distances to the closest record.
    """

    synthetic: Likeness
    training: Likeness
    records: ClosestRecords

    @property
    def n_train(self) -> int:
        """Training rows compared."""
        return len(self.training.rows)

    @property
    def n_held_out(self) -> int:
        """Held-out rows compared."""
        return len(self.training.real)

    @property
    def n_synthetic(self) -> int:
        """Synthetic rows compared."""
        return len(self.synthetic.rows)


def assess(
    train: Table,
    held_out: Table,
    synthetic: Floats,
    *,
    seed: int,
    on_step: Callable[[str], None] = lambda _: None,
) -> QualityReport:
    """Measures synthetic rows.

    Args:
        train: The rows that the generator was fitted on.
        held_out: Rows of the same table that it did not see, such as validation rows.
        synthetic: Coded rows, float64 (k, C + 1).
        seed: Source of all randomness.
        on_step: Called with a word on what comes next, for a progress bar.

    Raises:
        TableError: If one of the three has fewer than two rows.
    """
    for name, given in (
        ("training", train.values),
        ("held-out", held_out.values),
        ("synthetic", synthetic),
    ):
        if len(given) < 2:
            raise TableError(
                f"to compare rows takes 2 of each kind, got {len(given)} {name} row(s)"
            )
    rows = Measurement.of(train, held_out, synthetic, seed)
    for step, take in _STEPS.items():
        on_step(step)
        take(rows)
    return QualityReport(rows.to_held_out, rows.train_to_held_out, rows.records)


def _on_both(take: Callable[[Likeness], object]) -> Callable[[Measurement], object]:
    return lambda rows: (take(rows.to_held_out), take(rows.train_to_held_out))


_STEPS: dict[str, Callable[[Measurement], object]] = {
    "columns and pairs": _on_both(lambda rows: (rows.shapes, rows.trends)),
    "two-sample test": _on_both(lambda rows: rows.auc),
    "closest records": lambda rows: rows.records,
    "use to a learner": _on_both(lambda rows: rows.utility),
    "every column as the target": _on_both(lambda rows: rows.skills),
}
"""What is measured, in this order; a measure is kept where it was taken."""
