"""One plain sentence on what each measure says. All thresholds are our choice."""

from __future__ import annotations

import math

import numpy as np

from lit_causalmix.metrics import Score
from lit_causalmix.metrics.quality import ClosestRecords, QualityReport
from lit_causalmix.metrics.quality.measures import PREDICTABLE
from lit_causalmix.tables.schema import Schema

_CLOSE, _NEAR = 0.02, 0.07
_KEPT = ((0.9, "Nearly all"), (0.7, "Most"), (0.4, "Some"), (-math.inf, "Little"))
_NOISE = 0.62  # a two-sample test of fewer than 100 rows a side reaches this by chance


def number(value: float) -> str:
    """Three decimals, or a dash where it is undefined."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def on_shapes(schema: Schema, quality: QualityReport) -> str:
    """On the column shapes, with the worst columns."""
    synthetic, training = quality.synthetic, quality.training
    lost = training.shapes - synthetic.shapes
    order = np.argsort(-np.nan_to_num(lost, nan=-1.0), kind="stable")
    off = [j for j in order.tolist() if lost[j] > _NEAR]
    text = _against_training(
        training.shape_score - synthetic.shape_score, "Taken one by one, the columns"
    )
    if not off:
        return f"{text} No single column stands out."
    named = ", ".join(schema.columns[j].name for j in off[:5])
    more = f" and {len(off) - 5} more" if len(off) > 5 else ""
    return f"{text} Clearly off: {named}{more}."


def on_trends(schema: Schema, quality: QualityReport) -> str:
    """On the pair trends, with the pairs that differ by more than training rows do."""
    trends, train_trends = quality.synthetic.trends, quality.training.trends
    text = _against_training(train_trends.score - trends.score, "Pairs of columns")
    change = np.nan_to_num(np.triu(trends.synthetic - trends.real, k=1))
    noise = np.nan_to_num(np.triu(train_trends.synthetic - trends.real, k=1))
    excess = np.abs(change) - np.abs(noise)
    named = []
    for k in np.argsort(-excess, axis=None, kind="stable")[:3].tolist():
        i, j = divmod(k, len(excess))
        if excess[i, j] >= 0.1:
            a, b = schema.columns[i].name, schema.columns[j].name
            named.append(f"{a} and {b} ({change[i, j]:+.2f})")
    if not named:
        return text
    most = "; ".join(named)
    return (
        f"{text} Beyond what training rows differ by, the association changed most between {most}."
    )


def _against_training(gap: float, what: str) -> str:
    if math.isnan(gap):
        return f"{what} could not be compared."
    if gap <= _CLOSE:
        return f"{what} match the held-out rows as well as the training rows themselves do."
    if gap <= _NEAR:
        return f"{what} match the held-out rows a little less than the training rows do."
    return f"{what} match the held-out rows clearly less than the training rows do."


def on_two_sample(quality: QualityReport) -> str:
    """On the classifier two-sample test."""
    auc, train_auc = quality.synthetic.auc, quality.training.auc
    if math.isnan(auc):
        return "There are too few rows to test."
    if auc <= max(0.5, train_auc) + 0.08:
        if train_auc <= _NOISE:
            return "Boosted trees cannot tell synthetic from real rows better than chance allows."
        return (
            "Boosted trees tell synthetic from real rows no better than they tell training from "
            "validation rows, which differ themselves."
        )
    if auc < 0.75:
        return "Boosted trees tell some synthetic rows from real ones."
    if auc < 0.95:
        return "Boosted trees tell most synthetic rows from real ones: something is not modelled."
    return "Boosted trees tell nearly all synthetic rows from real ones: something is plainly off."


def on_records(records: ClosestRecords) -> str:
    """On the distances to the closest record."""
    n = len(records.to_train)
    margin = max(0.1, 3 * 0.5 / math.sqrt(n))
    noise = 3 * math.sqrt((records.held_out_copies + 1 / n) / n) / records.compared
    if records.all_copies > records.copies_by_chance + max(0.02, noise):
        return (
            f"{records.all_copies:.0%} of the synthetic rows equal a training row, while at most "
            f"{records.copies_by_chance:.0%} would equal one of as many unseen rows: they give "
            "training rows away."
        )
    if records.closer_to_train > 0.5 + margin:
        return (
            "Synthetic rows are closer to the training rows than to unseen ones more often than "
            "chance allows: the generator may have memorised some of what it saw."
        )
    return "Synthetic rows are no closer to the training rows than to unseen ones: no memorising."


def on_utility(synthetic: Score, training: Score) -> str:
    """On training on synthetic rows and testing on real ones."""
    if not synthetic.defined or not training.defined:
        return f"Not measured: {synthetic.note or training.note}."
    gap = training.value - synthetic.value
    how = (
        "as well as" if gap <= 0.02 else "nearly as well as" if gap <= 0.1 else "clearly worse than"
    )
    return (
        f"Boosted trees trained on synthetic rows alone predict held-out real rows {how} ones "
        "trained on the training rows."
    )


def on_structure(schema: Schema, quality: QualityReport) -> str:
    """On the utility with every column as the target, with the columns that lost most."""
    synthetic, training = quality.synthetic, quality.training
    if math.isnan(training.skill) or training.skill < PREDICTABLE:
        return "The columns hardly say anything about each other: there is no structure to keep."
    lost = np.nan_to_num(training.skills - synthetic.skills)
    share = synthetic.skill / training.skill
    how = next(word for least, word in _KEPT if share >= least)
    order = np.argsort(-lost, kind="stable")[:3]
    named = [
        f"{schema.columns[training.columns[k]].name} (by {lost[k]:.2f})"
        for k in order.tolist()
        if lost[k] >= 0.1
    ]
    text = f"{how} of what the columns say about each other is kept."
    return f"{text} Predicted worse: {', '.join(named)}." if named else text
