from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from lit_causalmix.causal.models import selection
from lit_causalmix.causal.models.families import choose_family
from lit_causalmix.causal.models.selection import FULL_ROWS, choose_families
from lit_causalmix.seeding import rng as rng_for

SIZES = (0, 0, 3, 0, 0, 2, 20)
PARENTS = {3: (0, 1), 4: (0, 1, 2), 5: (0, 4), 6: (0, 1)}
FOLDS = partial(rng_for, 0, "family")


def table(n: int, seed: int = 0) -> NDArray[np.float64]:
    """A linear node, one with an interaction, a boolean of a bump, and many categories."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    c = rng.integers(3, size=n)
    linear = a - b + rng.normal(size=n)
    product = 2 * a * b * (c - 1) + rng.normal(size=n)
    bump = np.abs(a) + 0.2 * rng.normal(size=n) < 0.7
    many = np.clip(np.rint(3 * a + 10), 0, 19)
    return np.column_stack([a, b, c, linear, product, bump, many]).astype(float)


def chosen(values: NDArray[np.float64], missing: NDArray[np.bool_] | None = None) -> dict[int, str]:
    told: list[None] = []
    absent = np.zeros(values.shape, dtype=bool) if missing is None else missing
    families = choose_families(values, absent, SIZES, PARENTS, FOLDS, lambda: told.append(None))
    assert len(told) == len(PARENTS)
    return families


@pytest.mark.parametrize("n", [FULL_ROWS + 1, 1000])
def test_the_better_family_is_chosen(n: int) -> None:
    # Boosting takes no child of twenty classes.
    assert chosen(table(n)) == {3: "linear", 4: "boosting", 5: "boosting", 6: "linear"}


@pytest.mark.parametrize("n", [25, FULL_ROWS])
def test_few_rows_are_compared_in_full(n: int) -> None:
    values = table(n)
    full = {
        node: choose_family(
            values[:, own], values[:, node], [SIZES[p] for p in own], SIZES[node], FOLDS(node)
        )
        for node, own in PARENTS.items()
    }
    assert chosen(values) == full


def test_imputed_cells_are_no_outcomes() -> None:
    values = table(900)
    missing = np.zeros(values.shape, dtype=bool)
    missing[400:, 4] = True
    known = chosen(values, missing)
    values[400:, 4] = 1e6 * np.random.default_rng(0).normal(size=500)
    assert chosen(values, missing) == known


def test_a_constant_child_is_linear() -> None:
    values = table(500)
    values[:, 3] = 1.0
    assert chosen(values)[3] == "linear"


def test_no_more_rows_are_looked_at_than_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MOST_ROWS", 400)
    values, node = table(1200), 4
    looked_at = FOLDS(node).permutation(len(values)) < 400
    values[~looked_at, node] = np.random.default_rng(0).normal(size=800)
    for child, family in ((np.abs(values[:, 0]), "boosting"), (values[:, 0], "linear")):
        values[looked_at, node] = child[looked_at]
        assert chosen(values)[node] == family


def test_the_choice_is_a_function_of_the_seed() -> None:
    assert chosen(table(700, 5)) == chosen(table(700, 5))
