"""Predictions with what is known of their rows: put together, averaged and scored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from lit_causalmix.episode import PADDING_ROW, Episode, RowOrigin
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import MetricSpec, Score
from lit_causalmix.metrics.catalogue import specs
from lit_causalmix.metrics.rowwise import NO_ROWS, Rows


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions for rows; padding rows are left out.

    Attributes:
        predictions: Probabilities float32 (n, K), or float64 (n,) in the target's units.
        target: int64 (n,) classes, or float64 (n,) in the target's units.
        row: int64 (n,), positions in the source, or in the draw for synthetic rows.
        origin: int8 (n,), a `RowOrigin` each.
    """

    predictions: Tensor
    target: Tensor
    row: Tensor
    origin: Tensor

    @classmethod
    def of(cls, pairs: Iterable[tuple[Tensor, Episode]]) -> Predicted:
        """What was predicted for the query rows of episodes, on the CPU."""
        parts = []
        for predictions, episode in pairs:
            kept = episode.query_row != PADDING_ROW
            facts = (predictions, episode.target, episode.query_row, episode.query_origin)
            parts.append(cls(*(fact.detach()[kept].cpu() for fact in facts)))
        return cls.joined(parts)

    def of_origin(self, origin: RowOrigin) -> Predicted:
        """The rows that come from somewhere alone."""
        kept = self.origin == origin
        return Predicted(*(getattr(self, f.name)[kept] for f in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Predicted]) -> Predicted:
        """All rows of several, one behind the other."""
        return cls(
            *(
                torch.cat([getattr(part, name) for part in parts])
                for name in ("predictions", "target", "row", "origin")
            )
        )


def averaged(members: Sequence[Predicted]) -> Predicted:
    """The mean of what several models predict for the same rows, summed in float64.

    Raises:
        ConfigurationError: If the rows are not the same.

    Example:
        >>> rows = torch.arange(2)
        >>> one = Predicted(torch.tensor([1.0, 2.0]), rows, rows, torch.zeros(2))
        >>> averaged([one, replace(one, predictions=torch.tensor([3.0, 2.0]))]).predictions
        tensor([2., 2.])
    """
    first = members[0]
    if any(not torch.equal(member.row, first.row) for member in members):
        raise ConfigurationError("predictions are averaged over the same rows, got different ones")
    mean = torch.stack([member.predictions.double() for member in members]).mean(dim=0)
    return replace(first, predictions=mean.to(first.predictions.dtype))


def row_losses(predicted: Predicted, *, classification: bool) -> Tensor:
    """Log-loss or squared error of each real row, float64 (n,).

    Args:
        predicted: The predictions.
        classification: Whether they are probabilities.

    Example:
        >>> rows = torch.arange(2)
        >>> found = Predicted(torch.tensor([1.0, 2.0]), rows, rows, torch.zeros(2))
        >>> row_losses(found, classification=False)
        tensor([1., 1.], dtype=torch.float64)
    """
    real = predicted.of_origin(RowOrigin.REAL)
    predictions, target = real.predictions.double(), real.target
    if not classification:
        return (predictions - target).square()
    own = predictions.gather(1, target.long().unsqueeze(1)).squeeze(1)
    return -own.clamp_min(torch.finfo(torch.float32).eps).log()


def scored(
    predicted: Predicted,
    *,
    classification: bool,
    labels: Sequence[str] = (),
    further: Sequence[MetricSpec] = (),
) -> dict[str, Score]:
    """Scores predictions by where rows come from, as `metrics.DomainScores` does.

    Args:
        predicted: The predictions.
        classification: Which metrics apply.
        labels: Domains of the table, which its real rows are scored under as well.
        further: Metrics beside those of the package.

    Returns:
        "domain/metric" → score, for the domains that have rows.
    """
    domains = {origin.name.lower(): predicted.origin == origin for origin in RowOrigin}
    domains |= dict.fromkeys(labels, predicted.origin == RowOrigin.REAL)
    chosen = specs(classification, further)
    scores: dict[str, Score] = {}
    for domain, rows in domains.items():
        collected = Rows()
        collected.update(predicted.predictions[rows], predicted.target[rows])
        for spec, score in zip(chosen, collected.scores(chosen), strict=True):
            if score.note != NO_ROWS:
                scores[f"{domain}/{spec.name}"] = score
    return scores
