import numpy as np
import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.seeding import derived_seed, rng


def test_same_keys_give_the_same_bits() -> None:
    a = rng(3, "episode", 1, 7).random(5)
    b = rng(3, "episode", 1, 7).random(5)
    assert (a == b).all()


@pytest.mark.parametrize(
    "other", [(4, "episode", 1, 7), (3, "pool", 1, 7), (3, "episode", 7, 1), (3, "episode", 1)]
)
def test_other_keys_give_other_bits(other: tuple[int, ...]) -> None:
    assert (rng(3, "episode", 1, 7).random(5) != rng(*other).random(5)).any()


def test_global_state_is_untouched() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # the state that must not move
    rng(0, "x").random(3)
    derived_seed(0, "x")
    after = np.random.get_state()[1]  # noqa: NPY002
    assert (before == after).all()


def test_negative_seed_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"integers >= 0, got -1"):
        rng(-1)
