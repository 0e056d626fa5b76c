"""One random task of the prior as an episode: a pure function of (seed, epoch, index)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from lit_causalmix.episode import Episode, RowOrigin
from lit_causalmix.errors import GeneratorError
from lit_causalmix.prior.columns import cut_codes, remove_cells, show_number, standardise_by
from lit_causalmix.prior.graph import GraphStyle, Nodes, draw_nodes
from lit_causalmix.prior.mechanisms import Array, noise, standardise, trees
from lit_causalmix.prior.rich_task import draw_rich_table
from lit_causalmix.prior.settings import PriorSettings
from lit_causalmix.prior.targets import draw_classes, draw_numbers, show_target
from lit_causalmix.seeding import rng as make_rng

_ATTEMPTS = 50
Flags = NDArray[np.bool_]


def draw_episode(
    settings: PriorSettings, *, seed: int, epoch: int, index: int, stream: str = "train"
) -> Episode:
    """Draws the task at (seed, stream, epoch, index): the same bits whenever and wherever.

    Half of the tasks (`tree_share`) have a random tree ensemble of the observed columns as their
    target, the others are structural causal models over random DAGs whose target may be an effect,
    a cause or both [the mixture is Mitra's, arXiv 2510.21204; its parts are our choice]. Rows are
    exchangeable, so the first ones are the context. A draw without two classes in the context, or
    with a constant column or target alone, is drawn again.

    Args:
        settings: Ranges to draw from.
        seed: The run's seed.
        epoch: Epoch, an integer >= 0.
        index: Index within the epoch.
        stream: Names disjoint streams, for example "train" and "val".

    Raises:
        GeneratorError: If 50 draws in a row are unusable, which sound settings never see.

    Example:
        >>> from lit_causalmix.prior import PriorSettings
        >>> episode = draw_episode(PriorSettings(), seed=0, epoch=0, index=0)
        >>> episode.x_context.shape[1] == len(episode.categorical)
        True
    """
    rng = make_rng(seed, "prior", stream, epoch, index)
    for _ in range(_ATTEMPTS):
        episode = _draw(settings, rng)
        if episode is not None:
            return episode
    raise GeneratorError(
        f"the prior found no usable task in {_ATTEMPTS} draws at epoch {epoch}, index {index}: "
        "widen its ranges of rows, columns or classes"
    )


def draw_shape(settings: PriorSettings, rng: np.random.Generator) -> tuple[int, int]:
    """Draws the numbers of context rows and columns of a task."""
    (least, most), (narrow, wide) = settings.context_rows, settings.columns
    columns = int(np.exp(rng.uniform(np.log(narrow), np.log(wide + 1))))
    rows = int(np.exp(rng.uniform(np.log(least), np.log(most + 1))))
    affordable = settings.max_cells // (columns + 1) - settings.query_rows
    return max(least, min(rows, affordable)), columns


def _draw(settings: PriorSettings, rng: np.random.Generator) -> Episode | None:
    n_context, n_columns = draw_shape(settings, rng)
    n_rows = n_context + settings.query_rows
    code_share = _code_share(settings, rng)
    n_classes = 0
    if not settings.regression:
        few = settings.max_classes == 2 or rng.random() < 0.5
        n_classes = 2 if few else int(rng.integers(3, settings.max_classes + 1))
    if settings.families:
        x, is_code, y = draw_rich_table(settings, n_rows, n_columns, n_classes, code_share, rng)
    else:
        family = _tree_task if rng.random() < settings.tree_share else _graph_task
        x, is_code, y = family(n_rows, n_columns, n_classes, code_share, rng)
        if rng.random() < settings.missing_share:
            x = remove_cells(x, rng)
    make = _classification if n_classes else _regression
    features = standardise_by(x, n_context, ~is_code)
    return make(features, is_code, y, n_context, rng)


def _code_share(settings: PriorSettings, rng: np.random.Generator) -> float:
    """Draws the probability that one of two steps makes a column categorical.

    Both steps take it: a category that the column's effects see, and one that only the table shows.
    In a third of the tasks with categories almost all columns are [our choice].
    """
    if rng.random() >= settings.categorical_share:
        return 0.0
    shown = rng.uniform(0.85, 1) if rng.random() < 1 / 3 else rng.uniform(0, 0.85)
    return float(1 - np.sqrt(1 - shown))


def _graph_task(
    n_rows: int, n_columns: int, n_classes: int, code_share: float, rng: np.random.Generator
) -> tuple[Array, Flags, Array]:
    """A structural causal model with a target among its nodes, hidden nodes and idle columns."""
    n_idle = int(rng.uniform(0, 0.6) * n_columns) if rng.random() < 0.5 else 0
    n_nodes = n_columns - n_idle
    n_nodes += int(rng.integers(0, max(2, n_nodes // 2) + 1))  # hidden ones
    target_at = n_nodes if rng.random() < 0.6 else int(rng.integers(n_nodes + 1))
    drawn: list[Array] = []

    def target(parents: Array | None) -> Array:
        if n_classes:
            labels = draw_classes(parents, n_rows, n_classes, rng)
            drawn.append(labels.astype(np.float64))
            return standardise(rng.normal(size=n_classes)[labels])
        drawn.append(draw_numbers(parents, n_rows, rng))
        return drawn[-1]

    style = GraphStyle.draw(code_share, rng)
    nodes = draw_nodes(n_rows, n_nodes, style, rng, target_at=target_at, target=target)
    idle = Nodes(noise((n_rows, n_idle), rng), [None] * n_idle)
    picked = nodes.take(rng.permutation(n_nodes)[: n_columns - n_idle]).beside(idle)
    x, is_code = _show(picked.take(rng.permutation(n_columns)), code_share, rng)
    return x, is_code, drawn[0]


def _tree_task(
    n_rows: int, n_columns: int, n_classes: int, code_share: float, rng: np.random.Generator
) -> tuple[Array, Flags, Array]:
    """A random tree ensemble of some of the columns as they are shown."""
    style = GraphStyle.draw(code_share, rng)
    x, is_code = _show(draw_nodes(n_rows, n_columns, style, rng), code_share, rng)
    used = rng.permutation(n_columns)[: int(rng.integers(1, n_columns + 1))]
    if n_classes:
        y = draw_classes(x[:, used], n_rows, n_classes, rng, (trees,)).astype(np.float64)
    else:
        y = draw_numbers(x[:, used], n_rows, rng, (trees,))
    return x, is_code, y


def _show(nodes: Nodes, code_share: float, rng: np.random.Generator) -> tuple[Array, Flags]:
    """Turns nodes (N, F) into columns as a table shows them, and marks the categorical ones."""
    x = np.empty_like(nodes.values)
    is_code = np.zeros(x.shape[1], dtype=bool)
    for j, code in enumerate(nodes.codes):
        if code is None and rng.random() < code_share:
            code = cut_codes(nodes.values[:, j], rng)
        is_code[j] = code is not None
        x[:, j] = show_number(nodes.values[:, j], rng) if code is None else code
    return x, is_code


def _classification(
    x: NDArray[np.float32], is_code: Flags, y: Array, n_context: int, rng: np.random.Generator
) -> Episode | None:
    classes = np.unique(y[:n_context])
    known = np.isin(y, classes)  # a class that the context never shows cannot be predicted
    if len(classes) < 2 or not known[n_context:].any():
        return None
    labels = rng.permutation(len(classes))[np.searchsorted(classes, y[known])]
    return _pack(x[known], is_code, labels.astype(np.int64), n_context, len(classes))


def _regression(
    x: NDArray[np.float32], is_code: Flags, y: Array, n_context: int, rng: np.random.Generator
) -> Episode | None:
    y = show_target(y, rng)
    scale = float(y[:n_context].std())
    if scale < 1e-6:
        return None
    numbers = ((y - y[:n_context].mean()) / scale).astype(np.float32)
    return _pack(x, is_code, numbers, n_context, 0)


def _pack(
    x: NDArray[np.float32],
    is_code: Flags,
    y: NDArray[np.int64] | NDArray[np.float32],
    n_context: int,
    n_classes: int,
) -> Episode | None:
    context = x[:n_context]
    low, high = np.fmin.reduce(context), np.fmax.reduce(context)
    if not (low < high).any():  # false for constant and for empty columns
        return None
    origin = torch.full((len(x),), RowOrigin.SYNTHETIC, dtype=torch.int8)
    features, targets = torch.from_numpy(x), torch.from_numpy(y)
    return Episode(
        x_context=features[:n_context],
        y_context=targets[:n_context],
        context_origin=origin[:n_context],
        x_query=features[n_context:],
        y_query=targets[n_context:],
        query_origin=origin[n_context:],
        query_row=torch.arange(len(x) - n_context),
        categorical=torch.from_numpy(is_code),
        n_classes=n_classes,
    )
