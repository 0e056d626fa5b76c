import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.base import Generator
from lit_causalmix.generators.parts.draws import SyntheticRows
from lit_causalmix.tables.table import Table


class Rare(Generator):
    """Class 2 with a given probability, a uniform feature."""

    def __init__(self, share: float) -> None:
        self.share = share

    def settings(self) -> dict[str, Any]:
        return {"share": self.share}

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None: ...

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        rest = (1 - self.share) / 2
        return np.column_stack([rng.random(n), rng.choice(3, n, p=[rest, rest, self.share])])

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path, train: Table) -> None: ...


def test_same_keys_same_rows_in_any_order() -> None:
    rows = SyntheticRows(Rare(0.3), n_classes=3, seed=1)
    first, second = rows.draw(20, 0, 5), rows.draw(20, 0, 6)
    assert (first != second).any()
    again = SyntheticRows(Rare(0.3), n_classes=3, seed=1)
    assert (again.draw(20, 0, 6) == second).all()
    assert (again.draw(20, 0, 5) == first).all()


def test_a_batch_that_misses_a_class_is_completed() -> None:
    rows = SyntheticRows(Rare(0.05), n_classes=3, seed=0)
    complete = [len(np.unique(rows.draw(30, index)[:, -1])) == 3 for index in range(50)]
    plain = [
        len(np.unique(Rare(0.05).sample(30, np.random.default_rng(i))[:, -1])) == 3
        for i in range(50)
    ]
    assert np.mean(complete) > 0.97 > np.mean(plain)


def test_a_class_that_never_comes_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    rows = SyntheticRows(Rare(0.0), n_classes=3, seed=0)
    with caplog.at_level(logging.WARNING):
        rows.draw(30, 0)
        rows.draw(30, 1)
    assert [r.getMessage().split(" in ")[0] for r in caplog.records] == [
        "Rare produced no row of 1 of 3 classes"
    ]


def test_a_pool_is_drawn_once_and_reused() -> None:
    rows = SyntheticRows(Rare(0.3), n_classes=3, seed=0, pool_size=40)
    pool = {tuple(r) for r in rows.pool}
    drawn = rows.draw(40, 0, 0)
    assert {tuple(r) for r in drawn} == pool  # without replacement
    assert {tuple(r) for r in rows.draw(100, 0, 1)} <= pool


def test_regression_needs_no_classes() -> None:
    assert SyntheticRows(Rare(0.0), n_classes=0, seed=0).draw(5, 0).shape == (5, 2)


def test_an_empty_pool_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        SyntheticRows(Rare(0.0), n_classes=0, seed=0, pool_size=0)


class Slow(Rare):
    """Counts how often it is asked."""

    slow = True
    asked = 0

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        type(self).asked += 1
        return super().sample(n, rng)


def test_a_kept_pool_is_drawn_once_for_all_runs(tmp_path: Path) -> None:
    first, second = (SyntheticRows(Slow(0.3), n_classes=3, seed=0, pool_size=40) for _ in "12")
    first.keep(tmp_path / "pool")
    asked = Slow.asked
    second.keep(tmp_path / "pool")
    assert Slow.asked == asked
    assert (second.pool == first.pool).all()
    plain = SyntheticRows(Rare(0.3), n_classes=3, seed=0, pool_size=40)
    assert (plain.pool == first.pool).all()  # keeping changes nothing


def test_a_damaged_pool_is_drawn_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = SyntheticRows(Slow(0.3), n_classes=3, seed=0, pool_size=40)
    rows.keep(tmp_path / "pool")
    file = tmp_path / "pool" / "rows.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    again = SyntheticRows(Slow(0.3), n_classes=3, seed=0, pool_size=40)
    with caplog.at_level(logging.WARNING):
        again.keep(tmp_path / "pool")
    assert "damaged or half-written" in caplog.text
    assert (again.pool == rows.pool).all()


def test_a_slow_generator_needs_a_pool() -> None:
    with pytest.raises(ConfigurationError, match=r"Slow is too slow .* set synthetic_size"):
        SyntheticRows(Slow(0.3), n_classes=3, seed=0)
