"""Tests of all pairs of methods, from libraries; scikit-posthocs is optional."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from lit_causalmix.errors import ConfigurationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def nemenyi(table_ranks: pd.DataFrame) -> pd.DataFrame:
    """Nemenyi's test of all pairs after Friedman's.

    Args:
        table_ranks: Ranks (or scores) of the methods (columns) on the tables (rows), none missing.

    Returns:
        p of each pair, symmetric, 1 on the diagonal.
    """
    frame = _library().posthoc_nemenyi_friedman(table_ranks.to_numpy())
    return pd.DataFrame(frame.to_numpy(), index=table_ranks.columns, columns=table_ranks.columns)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment of p values, kept in their order."""
    from statsmodels.stats.multitest import multipletests

    return [float(value) for value in multipletests(p, method="holm")[1]]


def draw_critical_differences(
    axes: Axes, ranks: pd.Series[float], pairwise_p: pd.DataFrame, alpha: float, **style: Any
) -> None:
    """Draws a critical-difference diagram; bars join methods that do not differ at alpha.

    The library draws a bar through a set of names, whose order differs between processes; a set of
    places in the ranking is always in order, so the same ranks give the same picture.

    Args:
        axes: Where to draw.
        ranks: Average rank of each method.
        pairwise_p: p of each pair of methods.
        alpha: Level of the tests.
        **style: More arguments of the library's function, but for the format of labels.
    """
    places = dict(zip(ranks.index, range(len(ranks)), strict=True))
    drawn = _library().critical_difference_diagram(
        ranks.rename(places),
        pairwise_p.rename(index=places, columns=places),
        alpha=alpha,
        ax=axes,
        label_fmt_left="{label}",
        label_fmt_right="{label}",
        **style,
    )
    for text in drawn["labels"]:
        place = int(text.get_text())
        name, rank = ranks.index[place], f"({ranks.iloc[place]:.2f})"
        text.set_text(f"{name} {rank} " if text.get_ha() == "right" else f" {rank} {name}")


def _library() -> Any:
    try:
        import scikit_posthocs
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "ranks and critical-difference diagrams need scikit-posthocs: "
            "pip install 'lit-causalmix[study]'"
        ) from error
    return scikit_posthocs
