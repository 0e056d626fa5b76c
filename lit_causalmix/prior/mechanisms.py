"""Random functions from parent columns to outputs: what the edges of a prior's graph do.

Shape legend: N = rows, P = parents, M = outputs. Every function maps standardised parents (N, P)
to standardised outputs (N, M), float64, and costs a few array operations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mechanism = Callable[[Array, int, np.random.Generator], Array]
Option = TypeVar("Option")

ACTIVATIONS: tuple[Callable[[Array], Array], ...] = (
    np.tanh,
    lambda x: np.maximum(x, 0),
    np.sin,
    np.abs,
    np.square,
    lambda x: np.exp(-x * x),
    lambda x: np.where(x > 0, x, 0.1 * x),
    lambda x: (x > 0).astype(np.float64),
    lambda x: 1 / (1 + np.exp(-4 * x)),
)


def standardise(x: Array) -> Array:
    """Centres and scales each column; a constant one becomes zero."""
    x = x - x.mean(axis=0)
    scale = np.sqrt(np.mean(x * x, axis=0))
    return x / np.where(scale > 1e-9, scale, 1.0)


def choose(options: Sequence[Option], rng: np.random.Generator) -> Option:
    """Picks one option, all equally likely."""
    return options[int(rng.integers(len(options)))]


def relevance(n_parents: int, rng: np.random.Generator) -> Array:
    """How much each parent matters, (P,): alike, or so unevenly that some hardly matter."""
    return np.asarray(np.exp(rng.uniform(0, 1.5) * rng.normal(size=n_parents)))


def linear(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """A linear map."""
    weights = rng.normal(size=(x.shape[1], n_outputs))
    return standardise(x @ (weights * relevance(x.shape[1], rng)[:, None]))


def additive(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """A sum of one random curve per parent."""
    shift = rng.normal(size=x.shape[1])
    stretch = np.exp(0.5 * rng.normal(size=x.shape[1]))
    return linear(choose(ACTIVATIONS, rng)(stretch * x + shift), n_outputs, rng)


def network(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """A random perceptron with one or two hidden layers."""
    for _ in range(int(rng.integers(1, 3))):
        width = int(rng.integers(3, 25))
        x = standardise(x @ rng.normal(size=(x.shape[1], width))) + rng.normal(size=width)
        x = choose(ACTIVATIONS, rng)(x)
    return linear(x, n_outputs, rng)


def gaussian_process(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """A smooth function: random Fourier features of a Gaussian kernel."""
    rates = relevance(x.shape[1], rng)
    rates *= np.exp(rng.uniform(-1.2, 0.6)) / np.sqrt(np.square(rates).sum())
    waves = x @ (rates[:, None] * rng.normal(size=(x.shape[1], 48)))
    phases = rng.uniform(0, 2 * np.pi, size=48)
    return standardise(np.cos(waves + phases) @ rng.normal(size=(48, n_outputs)))


def interaction(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """A product of two linear maps, with a little of one of them."""
    left, right = linear(x, n_outputs, rng), linear(x, n_outputs, rng)
    return standardise(left * right + rng.uniform(0, 1) * left)


def regions(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """Piecewise constant: the value of the nearest of a few random rows."""
    centres = x[rng.integers(len(x), size=int(rng.integers(2, 12)))]
    distance = np.square((x[:, None] - centres) * relevance(x.shape[1], rng)).sum(axis=-1)
    values = rng.normal(size=(len(centres), n_outputs))
    return standardise(values[distance.argmin(axis=1)])


def gated(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """One of two functions of the parents, by whether one of them exceeds a cut."""
    column = x[:, rng.integers(x.shape[1])]
    above = column > column[rng.integers(len(x))]
    function = choose((linear, additive, gaussian_process), rng)
    first, second = function(x, n_outputs, rng), function(x, n_outputs, rng)
    return standardise(np.where(above[:, None], first + rng.normal(size=n_outputs), second))


def trees(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """An ensemble of 1 to 32 complete binary trees with random columns, cuts and leaf values.

    A cut is the value of a random row in the tree's column, so it follows the data.
    """
    n_trees, depth = int(np.exp(rng.uniform(0, np.log(32.5)))), int(rng.integers(1, 7))
    n_inner = 2**depth - 1
    share = relevance(x.shape[1], rng)
    columns = rng.choice(x.shape[1], size=(n_trees, n_inner), p=share / share.sum())
    cuts = x[rng.integers(len(x), size=(n_trees, n_inner)), columns]
    leaves = rng.normal(size=(n_trees, n_inner + 1, n_outputs))
    tree, rows = np.arange(n_trees), np.arange(len(x))[:, None]
    node = np.zeros((len(x), n_trees), dtype=np.intp)
    for _ in range(depth):
        right = x[rows, columns[tree, node]] > cuts[tree, node]
        node = 2 * node + 1 + right
    return standardise(leaves[tree, node - n_inner].sum(axis=1))


MECHANISMS: tuple[Mechanism, ...] = (
    linear,
    linear,  # twice: the commonest relation in real tables
    additive,
    network,
    gaussian_process,
    interaction,
    gated,
    regions,
    trees,
)


def noise(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Standardised noise of a random family: normal, uniform, Laplace, skewed, clustered."""
    families: tuple[Callable[[], Array], ...] = (
        lambda: rng.normal(size=shape),
        lambda: rng.normal(size=shape),
        lambda: rng.uniform(-1, 1, size=shape),
        lambda: rng.laplace(size=shape),
        lambda: rng.standard_t(4, size=shape),
        lambda: rng.exponential(size=shape),
        lambda: np.exp(rng.normal(size=shape)),
        lambda: (
            rng.normal(0, 3, size=5)[rng.integers(int(rng.integers(2, 6)), size=shape)]
            + rng.normal(size=shape)
        ),
    )
    return standardise(choose(families, rng)())
