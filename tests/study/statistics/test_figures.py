"""Every label must be on the canvas and readable, few methods or many."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from lit_causalmix.pages.drawing import png
from lit_causalmix.study.statistics import (
    Bootstrap,
    paired_effects,
    rank_methods,
    scaling_curve,
    summarise,
    verdict,
)
from lit_causalmix.study.statistics.figures import (
    critical_difference_figure,
    scaling_figure,
    verdict_figure,
    win_loss_figure,
)

SCORE = "test/real/roc_auc_normalized"


def texts(figure: Figure) -> list[str]:
    """What is written, all of it on the canvas and nothing over another."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    drawn = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    beyond = {  # matplotlib keeps labels of ticks outside an axis, and does not draw them
        id(tick)
        for axes in figure.axes
        for tick in axes.get_xticklabels()
        if not axes.get_xlim()[0] <= tick.get_position()[0] <= axes.get_xlim()[1]
    }
    seen = [text for text in drawn if id(text) not in beyond]
    boxes = [text.get_window_extent(renderer).padded(-1) for text in seen]
    for text, box in zip(seen, boxes, strict=True):
        across = figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        along = figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
        assert across and along, f"{text.get_text()!r} leaves the canvas"  # noqa: PT018
    for (a, one), (b, other) in combinations(zip(seen, boxes, strict=True), 2):
        assert not one.overlaps(other), f"{a.get_text()!r} overlaps {b.get_text()!r}"
    return [text.get_text() for text in seen]


@pytest.mark.parametrize("post_hoc", ["nemenyi", "wilcoxon-holm"])
@pytest.mark.parametrize("n_methods", [2, 3, 12])
def test_critical_difference_diagram(study: Any, n_methods: int, post_hoc: Any) -> None:
    methods = {f"method with a long name {i}": 0.1 * i for i in range(n_methods)}
    ranking = rank_methods(study(methods), SCORE, post_hoc=post_hoc)
    written = "\n".join(texts(critical_difference_figure(ranking)))
    for name, rank in ranking.ranks.items():
        assert f"{name} ({rank:.2f})" in written or f"({rank:.2f}) {name}" in written
    assert "over 16 tables" in written
    assert ("Friedman" in written) == (n_methods > 2)


def test_equal_methods_make_a_diagram_too(study: Any) -> None:
    records = study({"a": 0.0, "b": 0.0, "c": 0.0}, noise=0.0)
    assert "p = 1" in "".join(texts(critical_difference_figure(rank_methods(records, SCORE))))


def test_a_bar_of_the_diagram_runs_from_its_best_method_to_its_worst(study: Any) -> None:
    """Through a set of names it ran to and fro, in another order in every process."""
    methods = dict.fromkeys([f"method {k}" for k in "abcdefghi"], 0.0)
    ranking = rank_methods(study(methods | {"worst": -9.0}, noise=0.5), SCORE)
    figure = critical_difference_figure(ranking)
    lines = [line for line in figure.axes[0].lines if line.get_linewidth() == 3]
    assert max(len(line.get_xdata()) for line in lines) >= 5  # type: ignore[arg-type]
    for line in lines:
        assert (np.diff(line.get_xdata()) >= 0).all()
    written = "\n".join(texts(figure))
    assert f"worst ({ranking.ranks['worst']:.2f})" in written or ") worst" in written


def test_the_same_result_gives_the_same_bytes(study: Any) -> None:
    result = verdict(paired_effects(study({"scm": 0.5, "default": 0.0}), SCORE, "scm", "default"))
    assert png(verdict_figure(result)) == png(verdict_figure(result))


def test_win_and_loss_per_table(study: Any) -> None:
    domains = {"finance": 30, "a domain with quite a long name": 20}
    records = study({"scm": 0.02, "default": 0.0}, domains=domains)
    summary = summarise(paired_effects(records, SCORE, "scm", "default"), Bootstrap(200))
    written = texts(win_loss_figure(summary))
    assert f"{summary.wins} better, 0 equal, {summary.losses} worse" in "\n".join(written)
    assert len([t for t in written if "_" in t]) == 50


def test_verdict_figure_says_the_word(study: Any) -> None:
    records = study({"scm": 0.5, "default": 0.0})
    result = verdict(paired_effects(records, SCORE, "scm", "default"), margin=0.1)
    written = texts(verdict_figure(result))
    assert {"all tables (16)", "finance (8)", "medicine (8)"} <= set(written)
    assert any(text.startswith("consistent; domains differ with p") for text in written)


@pytest.mark.parametrize("n_domains", [1, 2, 5])
def test_scaling_curves(study: Any, n_domains: int) -> None:
    domains = {f"domain {i}": 3 for i in range(n_domains)}
    parts = [
        study({"scm": 0.1 * k, "jitter": 0.0}, domains=domains).assign(size=size)
        for k, size in enumerate((0.0, 0.5, 1.0, 2.0, 5.0, 10.0, np.nan))
    ]
    records = pd.concat(parts, ignore_index=True)
    curve = scaling_curve(records, SCORE, "size")
    written = texts(scaling_figure(curve))
    assert written.count("fresh") == (n_domains + 1 if n_domains > 1 else 1)
    assert {"scm", "jitter", SCORE} <= set(written)


def test_a_method_keeps_its_colour_where_a_domain_lacks_another(study: Any) -> None:
    records = pd.concat([study({"a": 0.1, "b": 0.2}).assign(size=size) for size in (1.0, 2.0)])
    lacks = (records["method"] == "a") & (records["domain"] == "finance")
    figure = scaling_figure(scaling_curve(records[~lacks], SCORE, "size"))
    colours: dict[str, set[Any]] = {"a": set(), "b": set()}
    for axes in figure.axes:
        for line in axes.get_lines():
            if line.get_label() in colours:
                colours[str(line.get_label())].add(line.get_color())
    assert [len(found) for found in colours.values()] == [1, 1]
    assert colours["a"] != colours["b"]


def test_an_interval_of_two_tables_does_not_dwarf_the_others(study: Any) -> None:
    records = study({"a": 0.0, "b": 0.2}, domains={"large": 12, "small": 2}, noise=0.3)
    found = verdict(paired_effects(records, SCORE, "b", "a"))
    (axes,) = verdict_figure(found).axes
    low, high = axes.get_xlim()
    assert low < found.overall.low < found.overall.high < high
    assert low < found.domains["mean"].min() < found.domains["mean"].max() < high
    assert high - low < found.domains["high"].max() - found.domains["low"].min()
