"""More random functions from parents to outputs, smoother and rougher than `mechanisms` has.

Shape legend and contract as in `mechanisms`: standardised parents (N, P) to standardised outputs
(N, M), float64. Used where `PriorSettings.families` names them, so that tasks drawn without stay
the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lit_causalmix.prior.mechanisms import (
    ACTIVATIONS,
    MECHANISMS,
    Array,
    Mechanism,
    additive,
    choose,
    gated,
    gaussian_process,
    interaction,
    linear,
    network,
    regions,
    relevance,
    standardise,
    trees,
)

_WAVES = 64

RICH_ACTIVATIONS: tuple[Callable[[Array], Array], ...] = (
    *ACTIVATIONS,
    lambda x: np.square(np.maximum(x, 0)),
    lambda x: np.sign(x) * np.log1p(np.abs(x)),
    lambda x: np.sign(x) * np.sqrt(np.abs(x)),
    lambda x: x * np.sin(2 * x),
    np.floor,
    lambda x: np.mod(x, 1.0),
    lambda x: np.logaddexp(0, 3 * x),
    lambda x: x,
)


def deep_network(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """A perceptron of one to four layers, sparse or dense, each unit with an activation of its own.

    Activations are shared by a layer, or mixed within it.
    """
    for _ in range(int(rng.integers(1, 5))):
        width = int(np.exp(rng.uniform(np.log(4), np.log(33))))
        weights = rng.normal(size=(x.shape[1], width))
        if rng.random() < 0.5:
            weights *= rng.random(weights.shape) < rng.uniform(0.2, 0.9)
        x = standardise(x @ weights) * np.exp(0.5 * rng.normal()) + rng.normal(size=width)
        if rng.random() < 0.5:
            x = choose(RICH_ACTIVATIONS, rng)(x)
        else:
            first, second = choose(RICH_ACTIVATIONS, rng), choose(RICH_ACTIVATIONS, rng)
            x = np.where(rng.random(width) < 0.5, first(x), second(x))
        x = standardise(x)
    return linear(x, n_outputs, rng)


def rough_process(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """A Gaussian process of Matérn type: Fourier features with heavy-tailed frequencies."""
    rates = relevance(x.shape[1], rng)
    rates *= np.exp(rng.uniform(-1.5, 0.5)) / np.sqrt(np.square(rates).sum())
    freedom = float(choose((1, 3, 5), rng))  # twice Matérn's smoothness
    frequencies = rates[:, None] * rng.normal(size=(x.shape[1], _WAVES))
    frequencies /= np.sqrt(rng.chisquare(freedom, size=_WAVES) / freedom)
    waves = x @ frequencies + rng.uniform(0, 2 * np.pi, size=_WAVES)
    return standardise(np.cos(waves) @ rng.normal(size=(_WAVES, n_outputs)))


def curves(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """A sum of one smooth curve per parent, at times with products of two curves."""
    p = x.shape[1]
    rates = np.exp(rng.uniform(-1.5, 1.0, size=p))[:, None] * rng.normal(size=(p, 8))
    waves = np.cos(x[:, :, None] * rates + rng.uniform(0, 2 * np.pi, size=(p, 8)))
    bent = standardise((waves * rng.normal(size=(p, 8))).sum(axis=2))
    value = linear(bent, n_outputs, rng)
    if p > 1 and rng.random() < 0.5:
        pairs = rng.integers(p, size=(2, int(rng.integers(1, p + 1))))
        products = standardise(bent[:, pairs[0]] * bent[:, pairs[1]])
        value = value + rng.uniform(0.2, 1.5) * linear(products, n_outputs, rng)
    return standardise(value)


def polynomial(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """A few monomials of degree one to three, in parents limited to four deviations."""
    n_terms = int(rng.integers(1, 2 * x.shape[1] + 2))
    columns = rng.integers(x.shape[1], size=(3, n_terms))
    bounded = x.clip(-4, 4)
    terms = bounded[:, columns[0]]
    for column in columns[1:]:
        used = rng.random(n_terms) < 0.5
        terms = np.where(used, terms * bounded[:, column], terms)
    return linear(standardise(terms), n_outputs, rng)


def ratio(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """A product of powers of positive quantities, as in formulas of physics and of prices."""
    powers = relevance(x.shape[1], rng)[:, None] * rng.normal(size=(x.shape[1], n_outputs))
    powers *= rng.uniform(0.2, 1.2) / np.sqrt(np.square(powers).sum(axis=0))
    return standardise(np.exp((x.clip(-4, 4) @ powers).clip(-4, 4)))


def deep_trees(x: Array, n_outputs: int, rng: np.random.Generator) -> Array:
    """A forest whose trees go on splitting a random subset of columns, up to 10 levels deep.

    Each tree's path is a string of bits, one per level (an oblivious tree, as CatBoost's): the
    level's column and cut are the same in all nodes.
    """
    n_trees, depth = int(np.exp(rng.uniform(0, np.log(24.5)))), int(rng.integers(2, 11))
    share = relevance(x.shape[1], rng)
    columns = rng.choice(x.shape[1], size=(n_trees, depth), p=share / share.sum())
    cuts = x[rng.integers(len(x), size=(n_trees, depth)), columns]
    leaf = ((x[:, columns] > cuts) @ (1 << np.arange(depth))).astype(np.intp)  # (N, n_trees)
    values = rng.normal(size=(n_trees, 1 << depth, n_outputs))
    return standardise(values[np.arange(n_trees), leaf].sum(axis=1))


FAMILIES: dict[str, tuple[Mechanism, ...]] = {
    "graph": (*MECHANISMS, deep_network, rough_process, curves, polynomial, deep_trees),
    "linear": (linear, additive),
    "smooth": (gaussian_process, rough_process, curves, polynomial, interaction, ratio),
    "network": (network, deep_network, deep_network),
    "trees": (trees, trees, deep_trees),
    "local": (regions, gated, rough_process),
}
"""What the target may be a function of its columns by; "graph" has it among a graph's nodes."""
