"""Whether more synthetic rows help: score against their number and against their share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages import drawing
from lit_causalmix.pages.content import Part, Picture, Table
from lit_causalmix.study.report.blocks import Block, Setting, every_setting
from lit_causalmix.study.report.parts import PartOf, csv, notes
from lit_causalmix.study.report.words import estimate, p_value
from lit_causalmix.study.statistics import Verdict, scaling_curve, slope_effects, verdict
from lit_causalmix.study.statistics.figures import scaling_figure, verdict_figure
from lit_causalmix.study.statistics.scaling import Amount

AMOUNTS: Mapping[Amount, str] = {
    "size": "More synthetic rows",
    "ratio": "A larger share of synthetic rows",
}
"""What is varied → heading."""

_FEWEST = 2  # amounts of synthetic rows, beside none


def varied(block: Block, amount: Amount) -> tuple[pd.DataFrame, dict[str, str]]:
    """The cells along one axis, of the methods that are varied along it.

    The other axis stays where a method has most amounts along this one [our choice]. Where a method
    has no cell of its own without synthetic rows, that of another stands there, if it is trained in
    the same way: it is the same fit.

    Returns:
        The cells, and method → what is held fixed; both may be empty.
    """
    parts, fixed = [], {}
    for name in block.settings:
        cells = block.frame[block.frame["method"] == name]
        lines: dict[object, list[Setting]] = {}
        for setting in every_setting(cells):
            if setting.ratio > 0:
                lines.setdefault(_other(setting, amount), []).append(setting)
        best = max(lines.values(), key=len, default=[])
        if len(best) < _FEWEST:
            continue
        other = _other(best[0], amount)
        line = cells[[_lies(setting, amount, other) for setting in _settings(cells)]]
        parts.append(pd.concat([line, _without(block, line)], ignore_index=True))
        fixed[name] = (
            f"share {other:g}"
            if amount == "size"
            else "fresh rows"
            if other is None
            else f"{other:g} × the training rows"
        )
    return (pd.concat(parts, ignore_index=True) if parts else block.frame.head(0)), fixed


def _settings(cells: pd.DataFrame) -> list[Setting]:
    return [
        Setting(float(ratio), None if pd.isna(size) else float(size))
        for ratio, size in zip(cells["ratio"], cells["size"], strict=True)
    ]


def _other(setting: Setting, amount: Amount) -> float | None:
    return setting.ratio if amount == "size" else setting.size


def _lies(setting: Setting, amount: Amount, other: float | None) -> bool:
    return setting.ratio == 0 or _other(setting, amount) == other


def _without(block: Block, line: pd.DataFrame) -> pd.DataFrame:
    """Other methods' cells without synthetic rows, where a line has none."""
    where = ["table", "seed", "training"]
    none = block.frame[block.frame["ratio"] == 0].drop_duplicates(where)
    own = line[line["ratio"] == 0]
    known = set(zip(own["table"], own["seed"], strict=True))
    pairs = zip(none["table"], none["seed"], strict=True)
    none = none.loc[[pair not in known for pair in pairs]]
    return none.merge(line[where].drop_duplicates(), on=where).assign(method=line["method"].iloc[0])


def slope_verdict(block: Block, method: str, amount: Amount) -> Verdict:
    """Whether a method's score moves with the amount, and whether it does in every domain.

    Raises:
        ConfigurationError: If the method is not varied; see `slope_effects` and `verdict`.
    """
    cells, fixed = varied(block, amount)
    if method not in fixed:
        raise ConfigurationError(f"{method} has fewer than {_FEWEST} values of the {amount}")
    return verdict(slope_effects(cells[cells["method"] == method], block.score, amount))


def scaling_part(amount: Amount) -> PartOf:
    """The part of the page on one axis."""
    return partial(_part, amount=amount)


def _part(block: Block, amount: Amount) -> Part:
    cells, fixed = varied(block, amount)
    if not fixed:
        raise ConfigurationError(f"no method has two or more values of the synthetic {amount}")
    told: list[tuple[str, str]] = []
    drawn: list[str] = []
    for name in fixed:
        try:
            scaling_curve(cells[cells["method"] == name], block.score, amount)
            drawn.append(name)
        except ConfigurationError as error:
            told.append((name, str(error)))
    if not drawn:
        raise ConfigurationError("; ".join(dict(told).values()))
    curve = scaling_curve(cells[cells["method"].isin(drawn)], block.score, amount)
    name = f"{block.slug}_by_{amount}"
    slopes, pictures = [], []
    for method in drawn:
        try:
            found = slope_verdict(block, method, amount)
        except ConfigurationError as error:
            told.append((method, str(error)))
            continue
        p = p_value(found.heterogeneity_p)
        slopes.append((method, estimate(found.overall), p, found.word))
        told += [(method, note) for note in found.notes]
        if method == block.method:
            title = f"Slopes of {method} by domain"
            caption = f"{title} (number of tables); wide intervals are cut. Right of 0: more is "
            png = drawing.png(verdict_figure(found))
            pictures.append(Picture(f"{name}_slopes", png, title, f"{caption}better."))
    held = "; ".join(f"{method}: {fixed[method]}" for method in drawn)
    unit = "doubling of all rows" if amount == "size" else "step from share 0 to share 1"
    head = ("method", f"mean slope per {unit}", "p, domains differ", "verdict")
    curves = Picture(
        name,
        drawing.png(scaling_figure(curve)),
        f"{block.score} against the synthetic {amount}",
        "Mean over tables with Student's 95 % interval; above each "
        "panel the domain and its number of tables. The intervals of two points share their "
        f"tables: the slopes below compare within each table. Held fixed: {held}.",
    )
    return Part(
        [
            curves,
            Table(head, slopes, numbers=(1, 2)),
            *pictures,
            *notes([*told, *(_parted(note) for note in curve.notes)]),
        ],
        files=csv(name, curve.frame),
    )


def _parted(note: str) -> tuple[str, str]:
    """A note that begins with the curve it is about, in two."""
    name, _, text = note.partition(": ")
    return name, text
