"""What all figures share: a canvas without global state, colours, and safe labels."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

REAL, SYNTHETIC, TARGET, EDGE = "#9aa1ab", "#2f6fde", "#c2410c", "#334155"
_DPI = 110

FEW = 25
"""Names that a square picture takes at full size."""


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches, on a canvas of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """Renders a figure; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Names in scripts that the font lacks are drawn as boxes; the page itself has them right.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def labels(names: Sequence[str], length: int = 22) -> list[str]:
    """Names for a picture: on one line, short, different where the names are.

    A long name is cut in its middle; where that makes names equal, each begins where they part.
    """
    whole = [" ".join(name.split()) or "(blank)" for name in names]
    short = [_cut(name, length) for name in whole]
    for clash in sorted({text for text in short if short.count(text) > 1}):
        group = [k for k, text in enumerate(short) if text == clash]
        ends = min(whole[k] for k in group), max(whole[k] for k in group)
        shared = next((k for k, (a, b) in enumerate(zip(*ends, strict=False)) if a != b), 0)
        # Back to the start of the word in which they part.
        start = max(ends[0].rfind(mark, 0, shared) for mark in " _-.") + 1
        for k in group:
            rest = whole[k][start:]
            short[k] = f"…{rest}" if len(rest) < length else f"…{rest[: length - 2]}…"
    return [text.replace("$", r"\$") for text in short]  # a dollar sign would start a formula


def _cut(name: str, length: int) -> str:
    head = (length - 1) * 2 // 3
    return name if len(name) <= length else f"{name[:head]}…{name[head + 1 - length :]}"


def square_side(d: int) -> float:
    """Inches of a heat map of d names."""
    return 3.2 + (0.24 if d <= FEW else 0.17) * d


def heat_map(
    axes: Axes,
    matrix: NDArray[np.float64],
    names: Sequence[str],
    *,
    cmap: str,
    low: float,
    high: float,
    named: bool = True,
) -> AxesImage:
    """Draws a square matrix with its names; the last one is the target. Undefined cells are grey.

    Args:
        axes: Where to draw.
        matrix: float64 (d, d), NaN where undefined.
        names: The d names, as `labels` makes them.
        cmap: Name of a colour map.
        low: Value of its lower end.
        high: Value of its upper end.
        named: Whether there is room for the names.
    """
    image = axes.imshow(matrix, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
    axes.set_facecolor("#e5e7eb")
    axes.tick_params(length=0)
    if not named:
        axes.set_xticks([])
        axes.set_yticks([])
        return image
    d = len(names)
    size = 9 if d <= FEW else 7
    axes.set_xticks(range(d), names, rotation=90, fontsize=size)
    axes.set_yticks(range(d), names, fontsize=size)
    for tick in (axes.get_xticklabels()[-1], axes.get_yticklabels()[-1]):
        tick.set_color(TARGET)
        tick.set_fontweight("bold")
    return image


def write_values(axes: Axes, matrix: NDArray[np.float64], middle: float) -> None:
    """Writes each defined, non-zero value of a small matrix into its cell."""
    for i, j in zip(*np.nonzero(np.nan_to_num(matrix)), strict=True):
        value = matrix[i, j]
        axes.text(
            j,
            i,
            f"{value:.2f}".replace("0.", ".", 1),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if abs(value) > middle else "black",
        )
