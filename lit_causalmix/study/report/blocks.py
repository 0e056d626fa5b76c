"""The parts of a study that may be compared: one backbone, and one kind of task."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from lit_causalmix.metrics import metric_named, specs
from lit_causalmix.study.report.alignment import aligned
from lit_causalmix.study.report.contents import Study

KINDS = ("classification", "regression")

FEW_TABLES = 6
"""With fewer the signed-rank test cannot reach p < 0.05, whatever the scores."""


@dataclass(frozen=True)
class Setting:
    """How many synthetic rows a method mixes in: share, and multiples of the training rows."""

    ratio: float
    size: float | None

    def __str__(self) -> str:
        if self.ratio == 0:
            return "real rows alone"
        rows = "fresh rows in every step" if self.size is None else f"{self.size:g} × the rows"
        share = "synthetic rows alone" if self.ratio == 1 else f"share {self.ratio:g}"
        return f"{share}, {rows}"


@dataclass(frozen=True, eq=False)
class Block:
    """Finished cells of one backbone on tables of one kind.

    Attributes:
        backbone: Its name.
        kind: One of `KINDS`.
        frame: All cells, with a column `score_name(metric)` for each of `metrics`; cells of real
            rows alone stand for the reference, too, where the study does not name it.
        main: Cells of each method's main setting.
        settings: Method → main setting, in the order of the study.
        method: The method that the verdict is on.
        reference: The method it is compared with.
    """

    backbone: str
    kind: str
    frame: pd.DataFrame
    main: pd.DataFrame
    settings: Mapping[str, Setting]
    method: str
    reference: str

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, the first one decides."""
        return tuple(spec.name for spec in specs(self.kind == KINDS[0]))

    @property
    def metric(self) -> str:
        return self.metrics[0]

    @property
    def score(self) -> str:
        """Column of the score that decides."""
        return score_name(self.metric)

    @cached_property
    def alike(self) -> pd.DataFrame:
        """`main` with the score that decides in percent of one zero-shot for all methods."""
        return self.alike_in(self.metric)

    def alike_in(self, metric: str) -> pd.DataFrame:
        """`main` with the normalised score of a metric so: what is subtracted or ranked."""
        return aligned(self.main, metric, score_name(metric), self.reference)

    def setting_of(self, name: str) -> str:
        """The main setting of a method in words; one that chooses has none of its own."""
        chosen = self.main.loc[self.main["method"] == name, "chosen"]
        return "chooses among its candidates" if chosen.notna().any() else str(self.settings[name])

    @property
    def title(self) -> str:
        return f"{self.backbone}, {self.kind}"

    @property
    def slug(self) -> str:
        """For names of files and anchors."""
        return re.sub(r"\W+", "_", f"{self.backbone}_{self.kind}".lower())

    @property
    def rivals(self) -> list[str]:
        """Methods with synthetic rows, the one of the verdict first."""
        others = [name for name in self.settings if name not in (self.method, self.reference)]
        return [name for name in (self.method, *others) if name in self.settings]


def score_name(metric: str) -> str:
    """Column of a normalised test score, also written on axes."""
    return f"normalised {metric_named(metric).label} [%]"


def blocks(study: Study, method: str, reference: str) -> list[Block]:
    """Parts the finished cells of a study; classification comes first.

    Args:
        study: The cells.
        method: Name of the method that the verdict is on.
        reference: Name of default fine-tuning.
    """
    found = []
    regression = study.frame["task"] == "regression"
    for backbone in dict.fromkeys(study.frame["backbone"]):
        for kind in KINDS:
            cells = study.frame[
                (study.frame["backbone"] == backbone) & (regression == (kind == KINDS[1]))
            ]
            if len(cells):
                found.append(_block(str(backbone), kind, cells, method, reference))
    return found


def _block(backbone: str, kind: str, cells: pd.DataFrame, method: str, reference: str) -> Block:
    scores = {
        score_name(spec.name): cells.get(f"test/real/{spec.name}_normalized", float("nan"))
        for spec in specs(kind == KINDS[0])
    }
    frame = _with_reference(cells.assign(**scores), method, reference).reset_index(drop=True)
    first = [name for name in (reference, method) if name in set(frame["method"])]
    methods = dict.fromkeys([*first, *sorted(set(frame["method"]))])
    settings = {name: main_setting(frame[frame["method"] == name]) for name in methods}
    main = pd.concat([at(frame[frame["method"] == n], s) for n, s in settings.items()])
    return Block(backbone, kind, frame, main.reset_index(drop=True), settings, method, reference)


def _with_reference(cells: pd.DataFrame, method: str, reference: str) -> pd.DataFrame:
    """Takes cells of real rows alone for the reference, where a study does not name it.

    A method with a share of 0 is default fine-tuning; of those trained in different ways the one
    trained like the method is meant.
    """
    if (cells["method"] == reference).any():
        return cells
    alike = cells["training"].isin(cells.loc[cells["method"] == method, "training"])
    none = cells[(cells["ratio"] == 0) & alike].drop_duplicates(["table", "seed"])
    return pd.concat([cells, none.assign(method=reference)])


def main_setting(cells: pd.DataFrame) -> Setting:
    """The setting that stands for a method where a study varies it [our choice].

    The one with the most cells, whatever their scores; among equals fresh rows, then a share close
    to one half. Real rows alone stand for a method only where it has nothing else.
    """
    settings = every_setting(cells)

    def place(setting: Setting) -> tuple[bool, int, bool, float, float]:
        return (
            setting.ratio == 0,
            -len(at(cells, setting)),
            setting.size is not None,
            abs(setting.ratio - 0.5),
            setting.size or 0.0,
        )

    return min(settings, key=place)


def every_setting(cells: pd.DataFrame) -> Sequence[Setting]:
    """The settings among cells, each once."""
    pairs = cells[["ratio", "size"]].drop_duplicates().sort_values(["ratio", "size"])
    return [
        Setting(float(ratio), None if pd.isna(size) else float(size))
        for ratio, size in pairs.itertuples(index=False)
    ]


def at(cells: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """The cells of one setting."""
    size = cells["size"].isna() if setting.size is None else cells["size"] == setting.size
    return cells[(cells["ratio"] == setting.ratio) & size]
