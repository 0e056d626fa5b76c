"""Admitting synthetic rows by plausibility."""

from typing import Any

import numpy as np
import pytest

from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.confidence import ConfidentRows, most_confident
from lit_causalmix.generators.parts.draws import SyntheticRows
from lit_causalmix.tables import SplitSpec, Table, TableSpec, load_splits
from lit_causalmix.training.schedules import Constant, EpisodeSchedule, Linear, Progress

PROGRESS = Progress(per_epoch=4, total=8)


class HalfBroken(Generator):
    """Real rows, of which every other one gets an impossible age."""

    def settings(self) -> dict[str, Any]:
        return {}

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        self.values = train.values
        self.age = [c.name for c in train.schema.columns].index("age")

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:  # type: ignore[type-arg]
        rows = self.values[rng.integers(len(self.values), size=n)].copy()
        rows[::2, self.age] = 500.0
        return rows

    def save(self, folder: Any) -> None: ...

    def load(self, folder: Any, train: Table) -> None: ...


def confident(train: Table, share: Any) -> tuple[ConfidentRows, int]:
    generator = HalfBroken()
    generator.fit(train, seed=0)
    rows = SyntheticRows(generator, n_classes=train.schema.n_classes, seed=0)
    schedule = EpisodeSchedule(share, PROGRESS)
    examples = rows.fresh(len(train), "confidence")
    return ConfidentRows(rows, train, examples, share=schedule, seed=0), generator.age


def test_a_pool_gives_no_row_twice_as_long_as_it_has_enough(train: Table) -> None:
    generator = HalfBroken()
    generator.fit(train, seed=0)
    rows = SyntheticRows(generator, n_classes=train.schema.n_classes, seed=0, pool_size=80)
    rows.pool = np.arange(80.0)[:, None] + np.zeros(len(train.schema.columns))
    rows.pool[:, -1] %= 2
    examples = rows.fresh(50, "confidence")
    share = EpisodeSchedule(Constant(0.25), PROGRESS)
    drawn = ConfidentRows(rows, train, examples, share=share, seed=0).draw(60, 0, 0)
    assert len(np.unique(drawn[:, 0])) == 60


@pytest.fixture
def train(frame: Any) -> Table:
    return load_splits(TableSpec(frame, target="target"), SplitSpec()).train


def test_the_best_rows_of_each_class_are_picked() -> None:
    confidence = np.array([0.1, 0.9, 0.5, 0.7, 0.2, 0.8])
    labels = np.array([0, 0, 0, 0, 1, 1])
    assert most_confident(confidence, None, 3).tolist() == [1, 3, 5]
    assert most_confident(confidence, labels, 3).tolist() == [1, 3, 5]
    assert most_confident(confidence, labels, 2).tolist() == [1, 5]  # every class
    assert most_confident(confidence, labels, 6).tolist() == list(range(6))


def test_class_shares_stay_as_drawn() -> None:
    generator = np.random.default_rng(0)
    labels = generator.choice(3, size=600, p=[0.6, 0.3, 0.1])
    # Confidence that goes with the class must not turn into other class shares.
    chosen = most_confident(labels + generator.random(600), labels, 200)
    before, after = np.bincount(labels) / 600, np.bincount(labels[chosen]) / 200
    assert np.allclose(before, after, atol=0.01)


def test_implausible_rows_come_last(train: Table) -> None:
    rows, age = confident(train, Linear(0.5, 1.0))
    first, final = rows.draw(60, 0, 0), rows.draw(60, 1, 3)
    assert (first[:, age] == 500.0).mean() < 0.05
    assert (final[:, age] == 500.0).mean() == pytest.approx(0.5, abs=0.02)
    assert len(first) == len(final) == 60


def test_all_rows_admitted_are_the_rows_as_drawn(train: Table) -> None:
    rows, _ = confident(train, Constant(1.0))
    assert np.array_equal(rows.draw(30, 1, 2), rows.rows.draw(30, 1, 2), equal_nan=True)


def test_draws_depend_on_their_place_alone(train: Table) -> None:
    one, two = confident(train, Constant(0.3))[0], confident(train, Constant(0.3))[0]
    one.draw(20, 0, 0)
    assert np.array_equal(one.draw(20, 1, 1), two.draw(20, 1, 1), equal_nan=True)
    assert not np.array_equal(one.draw(20, 1, 2), two.draw(20, 1, 1), equal_nan=True)
