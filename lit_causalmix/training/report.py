"""What a run tells its user: the table of its scores, as JSON values too, and its curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lit_causalmix.episode import RowOrigin
from lit_causalmix.metrics import MetricSpec, Score, metric_named, specs
from lit_causalmix.pages.drawing import new_figure, png
from lit_causalmix.training.scoreboard import Validation

_ACROSS = 4  # curves side by side
_REAL = RowOrigin.REAL.name.lower()
_PASSED = " rows that passed"


@dataclass(frozen=True)
class ReportRow:
    """One line of the final table.

    Attributes:
        method: How the rows were mixed, for example "SCM mixed 0.5".
        stage: "val" or "test".
        domain: Row origin or table domain.
        metric: Metric name.
        zero_shot: Score of the pre-trained weights.
        fine_tuned: Score of the selected weights.
        normalized: Improvement in percent of the zero-shot score.
    """

    method: str
    stage: str
    domain: str
    metric: str
    zero_shot: Score
    fine_tuned: Score
    normalized: Score

    def to_json(self) -> dict[str, object]:
        """The line as it stands in `report.json`."""
        return {
            "method": self.method,
            "stage": self.stage,
            "domain": self.domain,
            "metric": self.metric,
            "zero_shot": score_to_json(self.zero_shot),
            "fine_tuned": score_to_json(self.fine_tuned),
            "normalized": score_to_json(self.normalized),
        }


def report_rows(
    method: str,
    stage: str,
    zero_shot: Mapping[str, Score],
    fine_tuned: Mapping[str, Score],
    normalized: Mapping[str, Score],
) -> list[ReportRow]:
    """Joins the scores of one stage, keyed "domain/metric", into table rows."""
    undefined = Score(math.nan, "no zero-shot baseline")
    rows = []
    keys = [key.rsplit("/", 1) for key in fine_tuned]
    domains = list(dict.fromkeys(domain for domain, _ in keys))
    metrics = [metric for _, metric in keys]
    own = [metric.name for kind in (True, False) for metric in specs(kind)]
    order = {name: position for position, name in enumerate(dict.fromkeys([*own, *metrics]))}
    for domain, metric in sorted(keys, key=lambda k: (domains.index(k[0]), order[k[1]])):
        key = f"{domain}/{metric}"
        score = fine_tuned[key]
        rows.append(
            ReportRow(
                method,
                stage,
                domain,
                metric,
                zero_shot.get(key, undefined),
                score,
                normalized.get(key, undefined),
            )
        )
    return rows


References = Mapping[str, Mapping[str, Score]]
"""Other models' scores of the same rows, model → "domain/metric" → score."""


def score_cells(
    rows: Sequence[ReportRow], references: References | None = None
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Titles and cells of the table of scores.

    Each score stands once: where the rows of a table's domain have the scores of all real rows, as
    with a single table, they are left out.

    Args:
        rows: Of one stage.
        references: A column each.
    """
    references = references or {}
    head = ("domain", "metric", "zero-shot", "fine-tuned", "normalised", *references)
    return head, [
        (
            row.domain,
            _with_direction(row.metric),
            brief(row.zero_shot.value),
            brief(row.fine_tuned.value),
            f"{row.normalized.value:+.2f} %" if row.normalized.defined else "undefined",
            *(_of_reference(scores, row) for scores in references.values()),
        )
        for row in each_once(rows)
    ]


def score_notes(rows: Sequence[ReportRow]) -> list[str]:
    """Why scores of the table are undefined, a line each."""
    return sorted(
        {
            f"{r.stage}/{r.domain}/{r.metric}: {s.note}"
            for r in each_once(rows)
            for s in (r.fine_tuned, r.normalized)
            if s.note
        }
    )


def format_table(rows: Sequence[ReportRow], references: References | None = None) -> str:
    """`score_cells` in aligned columns, with `score_notes` below."""
    head, found = score_cells(rows, references)
    cells = [head, *found]
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    lines = [_align(line, widths) for line in cells]
    lines.insert(1, "─" * len(lines[0]))
    return "\n".join([*lines, *score_notes(rows)])


def each_once(rows: Sequence[ReportRow]) -> list[ReportRow]:
    """The rows without the domains that repeat the scores of the real rows, all of them."""
    of: dict[str, dict[str, tuple[Score, Score]]] = {}
    for row in rows:
        of.setdefault(row.domain, {})[row.metric] = (row.zero_shot, row.fine_tuned)
    repeated = {name for name, scores in of.items() if name != _REAL and _same(scores, of)}
    return [row for row in rows if row.domain not in repeated]


def _same(
    scores: Mapping[str, tuple[Score, Score]], of: Mapping[str, Mapping[str, tuple[Score, Score]]]
) -> bool:
    return repr(scores) == repr(of.get(_REAL))  # two undefined scores are the same


def _of_reference(scores: Mapping[str, Score], row: ReportRow) -> str:
    score = scores.get(f"{row.domain}/{row.metric}")
    return "" if score is None else brief(score.value)


def _with_direction(metric: str) -> str:
    """The metric with an arrow that points to the better side; a share has none."""
    if metric.endswith(_PASSED):
        return metric
    return f"{metric} {'↑' if metric_named(metric).sign > 0 else '↓'}"


def _align(line: Sequence[str], widths: Sequence[int]) -> str:
    text = [c.ljust(w) for c, w in zip(line[:2], widths[:2], strict=True)]
    numbers = [c.rjust(w) for c, w in zip(line[2:], widths[2:], strict=True)]
    return "  ".join([*text, *numbers])


def brief(value: float) -> str:
    """A score in four decimals, or in powers of ten where these would show nothing or too much."""
    if math.isnan(value):
        return "undefined"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e9 else f"{value:.4g}"


def score_to_json(score: Score) -> dict[str, object]:
    """A score as JSON values: the number, null where it is none or infinite, and the note."""
    if math.isinf(score.value):
        return {"value": None, "note": score.note or f"{score.value}: beyond the range of float64"}
    return {"value": score.value if score.defined else None, "note": score.note}


def curve_points(
    history: Sequence[Validation], metrics: Sequence[MetricSpec]
) -> list[dict[str, float]]:
    """The scores of the real validation rows along a fit, as `curves` takes them.

    Behind them stands what a gate let pass before each validation, by domain. A metric that was not
    scored then, as in a checkpoint of before it was asked for, is NaN.

    Args:
        history: The validations.
        metrics: Which scores.
    """
    domains = dict.fromkeys(domain for entry in history for domain in entry.passed)
    unknown = Score(math.nan)
    return [
        {"step": entry.step}
        | {m.name: entry.scores.get(f"{_REAL}/{m.name}", unknown).value for m in metrics}
        | {f"{domain}{_PASSED}": entry.passed.get(domain, math.nan) for domain in domains}
        for entry in history
    ]


def curves(history: Sequence[Mapping[str, float]], best_step: int, title: str) -> bytes:
    """Draws each metric of the real validation rows over the training steps, as a PNG.

    Args:
        history: One mapping per validation, "step" and metric names → values; the first is
            zero-shot at step 0. A share that passed has no zero-shot.
        best_step: Marked by a vertical line.
        title: Above the picture.
    """
    names = [name for name in history[0] if name != "step"]
    across = math.ceil(len(names) / math.ceil(len(names) / _ACROSS))
    down = math.ceil(len(names) / across)
    figure = new_figure(3.4 * across, 2.9 * down + 0.3)
    for position, name in enumerate(names, start=1):
        axes = figure.add_subplot(down, across, position)
        points = [(h["step"], h[name]) for h in history if math.isfinite(h.get(name, math.nan))]
        if points:
            steps, values = zip(*points, strict=True)
            axes.plot(steps, values, marker="o", markersize=3, label="validation")
            if not name.endswith(_PASSED):
                axes.axhline(values[0], color="grey", linestyle=":", label="zero-shot")
        axes.axvline(best_step, color="tab:green", linewidth=1, label="selected")
        axes.set_xlabel("training step")
        axes.set_title(_with_direction(name))
    figure.axes[0].legend(fontsize="small")
    figure.suptitle(title, parse_math=False)  # a name may hold dollar signs
    return png(figure)
