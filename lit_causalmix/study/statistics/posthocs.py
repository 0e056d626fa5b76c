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
    """Draws a critical-difference diagram; bars join methods that do not differ at alpha."""
    _library().critical_difference_diagram(ranks, pairwise_p, alpha=alpha, ax=axes, **style)


def _library() -> Any:
    try:
        import scikit_posthocs
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "ranks and critical-difference diagrams need scikit-posthocs: "
            "pip install 'lit-causalmix[study]'"
        ) from error
    return scikit_posthocs
