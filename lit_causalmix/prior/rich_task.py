"""Tasks of named families: which columns there are, and what the target is a function of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.prior.columns import remove_cells
from lit_causalmix.prior.functions import FAMILIES
from lit_causalmix.prior.graph import GraphStyle, Nodes, draw_nodes
from lit_causalmix.prior.mechanisms import Array, choose, noise, standardise
from lit_causalmix.prior.rich_columns import (
    LAYOUTS,
    CodeCutter,
    as_nodes,
    code_cutter,
    remove_by_value,
    show_rich_number,
)
from lit_causalmix.prior.rich_targets import class_shares, draw_labels, seen_label
from lit_causalmix.prior.settings import PriorSettings
from lit_causalmix.prior.targets import draw_numbers

Flags = NDArray[np.bool_]


def draw_rich_table(
    settings: PriorSettings,
    n_rows: int,
    n_columns: int,
    n_classes: int,
    code_share: float,
    rng: np.random.Generator,
) -> tuple[Array, Flags, Array]:
    """Draws a task of one of `settings.families`.

    Args:
        settings: Ranges to draw from; `families` names at least one.
        n_rows: N.
        n_columns: F.
        n_classes: Number of classes; 0 for regression.
        code_share: Probability that one of two steps makes a column categorical.
        rng: Source of all randomness.

    Returns:
        Columns (N, F) as a table shows them, NaN in gaps; which are categorical (F,); the target
        (N,), a class index or a number.
    """
    names = list(settings.families)
    weights = np.array([settings.families[name] for name in names], dtype=np.float64)
    family = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    cut = code_cutter(settings.cardinality)
    rare = rng.random() < settings.imbalance_share
    shares = class_shares(n_classes, rare, rng) if n_classes else None
    few = rng.random() < settings.irrelevant_share
    n_used = int(rng.integers(1, max(1, round(n_columns / 5)) + 1)) if few else n_columns
    style = GraphStyle.draw(code_share, rng)
    if rng.random() < 0.15:  # real tables are noisier than most formulas
        style = replace(style, noise_scale=float(rng.uniform(0.5, 3)))
    style = replace(style, mechanisms=FAMILIES["graph"], cut=cut)
    if family == "graph":
        nodes, y = _graph(n_rows, n_used, shares, style, rng)
    else:
        nodes = _columns(n_rows, n_used, style, rng)
        y = _target(nodes, shares, family, rng)
    nodes = _with_idle(nodes, n_columns - n_used, code_share, cut, rng)
    x, is_code = _show(nodes, code_share, cut, rng)
    order = rng.permutation(n_columns)
    x, is_code = x[:, order], is_code[order]
    if rng.random() < settings.missing_share:
        by_value = rng.random() < settings.value_gap_share
        x = remove_by_value(x, y.astype(np.float64), rng) if by_value else remove_cells(x, rng)
    return x, is_code, y


def _graph(
    n_rows: int,
    n_columns: int,
    shares: Array | None,
    style: GraphStyle,
    rng: np.random.Generator,
) -> tuple[Nodes, Array]:
    """A structural causal model with the target among its nodes, and hidden nodes."""
    n_nodes = n_columns + int(rng.integers(0, max(2, n_columns // 2) + 1))
    target_at = n_nodes if rng.random() < 0.6 else int(rng.integers(n_nodes + 1))
    drawn: list[Array] = []

    def target(parents: Array | None) -> Array:
        if shares is None:
            drawn.append(draw_numbers(parents, n_rows, rng, style.mechanisms))
            return drawn[-1]
        labels = draw_labels(parents, n_rows, shares, rng, style.mechanisms)
        drawn.append(labels.astype(np.float64))
        return seen_label(labels, len(shares), rng)

    nodes = draw_nodes(n_rows, n_nodes, style, rng, target_at=target_at, target=target)
    return nodes.take(rng.permutation(n_nodes)[:n_columns]), drawn[0]


def _columns(n_rows: int, n_columns: int, style: GraphStyle, rng: np.random.Generator) -> Nodes:
    """Columns without a target: a graph's nodes, or one of the other layouts."""
    if rng.random() < 0.4:
        return draw_nodes(n_rows, n_columns, style, rng)
    values = choose(LAYOUTS, rng)(n_rows, n_columns, rng)
    return as_nodes(values, style.code_share, style.cut, rng)


def _target(
    nodes: Nodes,
    shares: Array | None,
    family: str,
    rng: np.random.Generator,
) -> Array:
    """A function of some of the columns; of a category, of an effect of each of its levels."""
    n_columns = nodes.values.shape[1]
    most = n_columns if rng.random() < 0.5 else max(1, n_columns // 3)
    used = rng.permutation(n_columns)[: int(rng.integers(1, most + 1))]
    seen = np.empty((len(nodes.values), len(used)))
    for i, j in enumerate(used):
        code = nodes.codes[j]
        seen[:, i] = (
            nodes.values[:, j]
            if code is None
            else standardise(rng.normal(size=int(code.max()) + 1)[code])
        )
    mechanisms = FAMILIES[family]
    if shares is None:
        return draw_numbers(seen, len(seen), rng, mechanisms)
    return draw_labels(seen, len(seen), shares, rng, mechanisms).astype(np.float64)


def _with_idle(
    nodes: Nodes, n_idle: int, code_share: float, cut: CodeCutter, rng: np.random.Generator
) -> Nodes:
    """Adds columns that say nothing new of the target: noise, or noisy shadows of others."""
    if not n_idle:
        return nodes
    n_rows, n_columns = nodes.values.shape
    idle = noise((n_rows, n_idle), rng)
    if rng.random() < 0.4:
        shadow = nodes.values[:, rng.integers(n_columns, size=n_idle)]
        idle = standardise(rng.uniform(0, 0.7) * shadow + idle)
    return nodes.beside(as_nodes(idle, code_share, cut, rng))


def _show(
    nodes: Nodes, code_share: float, cut: CodeCutter, rng: np.random.Generator
) -> tuple[Array, Flags]:
    x = np.empty_like(nodes.values)
    is_code = np.zeros(x.shape[1], dtype=bool)
    for j, code in enumerate(nodes.codes):
        if code is None and rng.random() < code_share:
            code = cut(nodes.values[:, j], rng)
        is_code[j] = code is not None
        x[:, j] = show_rich_number(nodes.values[:, j], rng) if code is None else code
    return x, is_code
