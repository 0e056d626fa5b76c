"""Randomness as a pure function of named keys.

No code in this package touches a global random generator. Whoever needs random numbers asks for
a generator by `(seed, *keys)`, for example `(seed, "episode", epoch, index)`; the same keys give
the same bits in every process, on every rank and in every worker.
"""

from __future__ import annotations

import hashlib

import numpy as np

from lit_causalmix.errors import ConfigurationError


def _entropy(key: int | str) -> int:
    if isinstance(key, str):
        return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")
    if key < 0:
        raise ConfigurationError(f"seeds and their keys are integers >= 0, got {key}")
    return int(key)


def rng(seed: int, *keys: int | str) -> np.random.Generator:
    """Returns the generator that belongs to a seed and a path of keys.

    Args:
        seed: The run's seed, an integer >= 0.
        *keys: Integers >= 0 or names, for example `"episode", epoch, index`.

    Raises:
        ConfigurationError: If the seed or an integer key is negative.

    Example:
        >>> float(rng(0, "episode", 1, 2).random()) == float(rng(0, "episode", 1, 2).random())
        True
        >>> float(rng(0, "episode", 1, 2).random()) == float(rng(0, "episode", 2, 1).random())
        False
    """
    return np.random.default_rng(np.random.SeedSequence([_entropy(k) for k in (seed, *keys)]))


def derived_seed(seed: int, *keys: int | str) -> int:
    """Returns a 31-bit integer seed for a library that takes nothing better."""
    return int(rng(seed, *keys).integers(2**31 - 1))
