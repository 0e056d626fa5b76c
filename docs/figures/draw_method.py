"""Draws `method.svg`, the way from a table to a score, from a real run of the quick start.

Run it in the repository's root after `lit-causalmix fit --config quickstart`:

    python docs/figures/draw_method.py --run runs/quickstart/version_0
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.episode import Episode
from lit_causalmix.generators import SCMGenerator
from lit_causalmix.generators.parts.cache import fit_or_load
from lit_causalmix.tables import SplitSpec, Table, TableSpec

BLUE, ORANGE, GREY, INK = "#2864a8", "#d9701e", "#b9bec6", "#20242b"
STYLE = {
    "svg.fonttype": "none",  # text stays text: small, and searchable
    "svg.hashsalt": "lit-causalmix",
    "font.family": "sans-serif",
    "font.size": 8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
SHOWN = ("duration_in_month", "credit_amount")
EPISODES = 5
POINTS = 150


def draw_split(axes: Axes, sizes: dict[str, int]) -> None:
    """The parts of the table, as bars one beside the other."""
    start = 0
    for (name, size), colour in zip(sizes.items(), (BLUE, "#6b95c4", "#8b929c"), strict=True):
        axes.barh(0, size, left=start, color=colour, height=0.5)
        centre = start + size / 2
        axes.text(centre, 0, f"{size}", ha="center", va="center", color="white", fontsize=9)
        axes.text(centre, 0.33, name, ha="center", va="bottom", fontsize=7.5)
        start += size
    axes.set(yticks=[], ylim=(-0.9, 0.9), xlabel="rows of German credit that are used")
    axes.spines["left"].set_visible(False)


def draw_votes(axes: Axes, matrix: np.ndarray[Any, Any]) -> None:
    """The probability of each directed edge."""
    image = axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1, interpolation="none")
    axes.set(xticks=[], yticks=[], xlabel="effect", ylabel="cause")
    axes.figure.colorbar(image, ax=axes, shrink=0.8, ticks=[0, 0.5, 1]).outline.set_visible(False)


def draw_graph(axes: Axes, graph: np.ndarray[Any, Any], target: int) -> None:
    """One of the sampled graphs, on a circle; what points at the target stands out."""
    count = len(graph)
    angle = np.pi / 2 - 2 * np.pi * np.arange(count) / count
    places = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for cause, effect in np.argwhere(graph):
        colour = ORANGE if target in (cause, effect) else GREY
        arrow = {"arrowstyle": "-|>", "color": colour, "shrinkA": 4, "shrinkB": 4, "lw": 0.8}
        axes.annotate("", places[effect], places[cause], arrowprops=arrow)
    others = np.arange(count) != target
    axes.scatter(*places[others].T, s=28, color=BLUE, zorder=3)
    axes.scatter(*places[target], s=52, color=ORANGE, zorder=3)
    axes.annotate("target", places[target], (0, 6), textcoords="offset points", ha="center")
    axes.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.35), aspect="equal")
    axes.axis("off")


def draw_rows(axes: Axes, real: Table, drawn: np.ndarray[Any, Any]) -> None:
    """Real and synthetic rows in two of the columns."""
    names = [column.name for column in real.schema.columns]
    x, y = (names.index(name) for name in SHOWN)
    options = {"s": 7, "alpha": 0.6, "linewidths": 0}
    for values, colour, label in ((real.values, BLUE, "real"), (drawn, ORANGE, "synthetic")):
        few = values[:POINTS]
        axes.scatter(few[:, x], few[:, y], color=colour, label=label, **options)
    axes.set(yscale="log", xlabel="duration in months", ylabel="amount of the credit")
    axes.legend(frameon=False, loc="lower right", handletextpad=0.1)


def draw_episodes(axes: Axes, episodes: list[Episode]) -> None:
    """Where the rows of the first episodes come from, context and query."""
    origins = [np.concatenate([e.context_origin, e.query_origin]) for e in episodes]
    axes.imshow(
        np.stack(origins), cmap=ListedColormap([BLUE, ORANGE]), aspect="auto", interpolation="none"
    )
    context = len(episodes[0].context_origin)
    axes.axvline(context - 0.5, color="white", lw=3)
    for step in range(1, len(episodes)):
        axes.axhline(step - 0.5, color="white", lw=3)
    axes.set_yticks(range(len(episodes)), [f"step {i + 1}" for i in range(len(episodes))])
    places = [context / 2, (context + len(origins[0])) / 2]
    axes.set_xticks(places, [f"{context} context rows", f"{len(origins[0]) - context} query"])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw_scores(axes: Axes, report: dict[str, Any]) -> None:
    """The validation loss of each candidate, zero-shot first, and which one was selected."""
    history = report["history"]
    steps = [point["step"] for point in history]
    losses = [point["log_loss"] for point in history]
    axes.plot(steps, losses, color=BLUE, marker="o", markersize=3, lw=1.2)
    axes.axhline(losses[0], color=GREY, ls="--", lw=1)
    axes.text(steps[-1], losses[0], "zero-shot", ha="right", va="bottom")
    best = steps.index(report["best_step"])
    axes.scatter(steps[best], losses[best], s=70, facecolors="none", edgecolors=ORANGE, lw=1.5)
    axes.annotate(
        "selected", (steps[best], losses[best]), (-10, -2), textcoords="offset points", ha="right"
    )
    axes.set(xlabel="step", ylabel="log-loss, 150 validation rows")


def draw(run: Path) -> Figure:
    """Draws the six pictures; the fitted generator comes from the cache of the run."""
    data = CausalMixDataModule(TableSpec("german_credit"), SplitSpec(max_train_rows=300))
    data.prepare_data()
    data.setup()
    scm = SCMGenerator()
    fit_or_load(scm, data.splits.train, seed=0, root=data.cache_dir, progress=False)
    names = [column.name for column in data.splits.train.schema.columns]
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    sizes = {
        "training": len(data.splits.train),
        "validation": len(data.splits.val),
        "test": len(data.splits.test),
    }

    figure, grid = plt.subplots(2, 3, figsize=(9.6, 5.6), layout="constrained")
    (split, votes, graph), (rows, episodes, scores) = grid
    draw_split(split, sizes)
    draw_votes(votes, scm.edge_probabilities.matrix)
    draw_graph(graph, scm.dags[0], names.index(data.splits.train.schema.target.name))
    draw_rows(rows, data.splits.train, scm.sample(POINTS, np.random.default_rng(0)))
    draw_episodes(episodes, [data.train_stream.episode(0, i) for i in range(EPISODES)])
    draw_scores(scores, report)
    titles = (
        "1  split first",
        "2  vote for edges",
        "3  draw graphs, fit models",
        "4  sample rows",
        "5  mix them into every step",
        "6  select by real rows",
    )
    for axes, title in zip(grid.flat, titles, strict=True):
        axes.set_title(title, loc="left", fontweight="bold", fontsize=9.5)
    return figure


def main() -> None:
    """Writes the picture beside this file."""
    parser = argparse.ArgumentParser(description="Draw method.svg from a run of the quick start.")
    parser.add_argument("--run", type=Path, required=True, help="RUN, with its report.json")
    with mpl.rc_context(STYLE):
        figure = draw(parser.parse_args().run)
        out = Path(__file__).with_name("method.svg")
        figure.savefig(out, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()
