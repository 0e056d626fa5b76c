"""Random structural causal models: a DAG, a mechanism and a noise for every node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.prior.columns import Codes, cut_codes
from lit_causalmix.prior.mechanisms import (
    MECHANISMS,
    Array,
    Mechanism,
    choose,
    noise,
    standardise,
)

TargetFunction = Callable[[Array | None], Array]
"""Draws the target from its parents (N, P), or None for a root; returns what its children see."""


@dataclass(frozen=True)
class GraphStyle:
    """What the nodes of one graph have in common.

    Attributes:
        root_share: Probability that a node has no parents.
        max_parents: Most parents of a node.
        noise_scale: Typical noise of a node beside its unit-variance signal.
        local: Whether parents are among the few nodes just before.
        code_share: Probability that a node is a category, also for its children.
        mechanisms: What a node may do with its parents.
        cut: Makes a node's values (N,) a category.
    """

    root_share: float
    max_parents: int
    noise_scale: float
    local: bool
    code_share: float
    mechanisms: tuple[Mechanism, ...] = MECHANISMS
    cut: Callable[[Array, np.random.Generator], Codes] = cut_codes

    @classmethod
    def draw(cls, code_share: float, rng: np.random.Generator) -> GraphStyle:
        return cls(
            root_share=float(rng.uniform(0.1, 1.0)),
            max_parents=int(rng.integers(1, 7)),
            noise_scale=float(np.exp(rng.uniform(np.log(0.03), np.log(1.5)))),
            local=bool(rng.random() < 0.3),
            code_share=code_share,
        )


@dataclass(frozen=True, eq=False)
class Nodes:
    """Values of a graph's nodes.

    Attributes:
        values: float64 (N, K), standardised; of a category, what its children see.
        codes: One entry per node: int64 (N,) where the node is a category, else None.
    """

    values: Array
    codes: list[Codes | None]

    def take(self, index: NDArray[np.int64]) -> Nodes:
        return Nodes(self.values[:, index], [self.codes[i] for i in index])

    def beside(self, other: Nodes) -> Nodes:
        return Nodes(np.hstack([self.values, other.values]), self.codes + other.codes)


def draw_nodes(
    n_rows: int,
    n_nodes: int,
    style: GraphStyle,
    rng: np.random.Generator,
    *,
    target_at: int | None = None,
    target: TargetFunction | None = None,
) -> Nodes:
    """Draws a graph of `n_nodes` nodes in causal order and its values.

    Args:
        n_rows: N.
        n_nodes: K, without the target.
        style: What the nodes have in common.
        rng: Source of all randomness.
        target_at: How many nodes precede the target; those after it may be its effects.
        target: Draws the target once its turn has come.
    """
    n_all = n_nodes + (target is not None)
    seen = np.empty((n_rows, n_all))  # in causal order, the target among them
    codes: list[Codes | None] = []
    for position in range(n_all):
        if target is not None and position == target_at:
            many = position if rng.random() < 0.5 else style.max_parents
            parents = _pick_parents(position, many, style, rng)
            seen[:, position] = target(seen[:, parents] if position else None)
            continue
        is_root = position == 0 or rng.random() < style.root_share
        parents = _pick_parents(position, style.max_parents, style, rng)
        value = noise((n_rows,), rng) if is_root else _effect(seen[:, parents], style, rng)
        code = style.cut(value, rng) if rng.random() < style.code_share else None
        codes.append(code)
        seen[:, position] = (
            value if code is None else standardise(rng.normal(size=int(code.max()) + 1)[code])
        )
    others = [i for i in range(n_all) if target is None or i != target_at]
    return Nodes(seen[:, others], codes)


def _pick_parents(
    position: int, most: int, style: GraphStyle, rng: np.random.Generator
) -> NDArray[np.int64]:
    first = max(0, position - 4) if style.local else 0
    order = first + rng.permutation(position - first)
    return order[: int(rng.integers(1, max(most, 1) + 1))]


def _effect(parents: Array, style: GraphStyle, rng: np.random.Generator) -> Array:
    signal = choose(style.mechanisms, rng)(parents, 1, rng)[:, 0]
    own = noise((len(parents),), rng)
    if rng.random() < 0.1:  # the noise depends on a parent, too
        own = own * np.exp(0.5 * parents[:, 0].clip(-3, 3))
    return standardise(signal + style.noise_scale * np.exp(0.5 * rng.normal()) * own)
