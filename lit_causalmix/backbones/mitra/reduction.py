"""Tables larger than Mitra v2 reads: context rows and columns that stand for all of them.

The rules are those of its fine-tuning package (mitra-finetune 0.3.0, arXiv 2609.04540). Everything
is learned from the context alone.

Shape legend: R = context rows, Q = query rows, F = columns, K = columns that are read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lit_causalmix.backbones.base import EncodedContext
from lit_causalmix.backbones.columns import kept_columns, only_columns
from lit_causalmix.backbones.tab2d.preprocessing import context_mean, filled
from lit_causalmix.episode import Episode
from lit_causalmix.seeding import rng

MOST_ROWS_BINARY, MOST_ROWS = 16_384, 32_768
"""Context rows that a prediction reads, with two classes and otherwise."""

MOST_COLUMNS = 256

_CONTINUOUS_SHARE = 0.5
_SMALLEST = 1e-6


def support_rows(y_context: Tensor, n_classes: int) -> Tensor | None:
    """Context rows that are read where there are too many: int64, ascending; None means all.

    Two classes are drawn in equal numbers, as far as there are rows; other targets uniformly. The
    draw depends on the number of rows alone [our choice; the package draws anew at random].

    Args:
        y_context: int64 (R,) classes, or numbers.
        n_classes: Number of classes; 0 for regression.
    """
    n_rows = len(y_context)
    most = MOST_ROWS_BINARY if n_classes == 2 else MOST_ROWS
    if n_rows <= most:
        return None
    order = rng(0, "mitra-v2", "support", n_rows).permutation(n_rows)
    if n_classes == 2:
        labels = y_context.cpu().numpy()[order]
        groups = [order[labels == label] for label in (0, 1)]
        fewer, more = sorted(groups, key=len)
        fewer = fewer[: most // 2]
        order = np.concatenate([fewer, more])
    return torch.as_tensor(np.sort(order[:most]), device=y_context.device)


def read_rows(episode: Episode) -> Episode:
    """The episode with the context rows that are read."""
    return _only_rows(episode, support_rows(episode.y_context, episode.n_classes))


def continuous_share(x_context: Tensor) -> float:
    """Share of the columns that hold more than two values: float (R, F), gaps aside."""
    ordered = x_context.sort(dim=0).values
    steps = (ordered[1:] > ordered[:-1]).sum(dim=0)  # no comparison with a gap is true
    return float((steps > 1).float().mean())


@dataclass(frozen=True, eq=False)
class Projection:
    """The principal components of a context's standardised columns.

    Attributes:
        mean: float32 (1, F), also what fills gaps.
        deviation: float32 (1, F); 1 in constant columns.
        components: float32 (F, K). The largest entry of each is positive.
    """

    mean: Tensor
    deviation: Tensor
    components: Tensor

    @classmethod
    def of(cls, x_context: Tensor, most: int) -> Projection:
        """Learns at most `most` components; those without any variance are left out [our choice].

        Args:
            x_context: float (R, F), NaN where missing.
            most: K at most.
        """
        mean = context_mean(x_context)
        x = filled(x_context, mean).detach()
        deviation = x.std(dim=0, keepdim=True, correction=0)
        deviation = torch.where(deviation > _SMALLEST, deviation, 1.0)
        # Without a gradient: that of directions of equal variance, such as none, is not finite.
        _, sizes, directions = torch.linalg.svd(
            ((x - mean.detach()) / deviation).double(), full_matrices=False
        )
        kept = directions[:most][sizes[:most] > _SMALLEST * sizes[0]]
        largest = kept.gather(1, kept.abs().argmax(dim=1, keepdim=True))
        return cls(mean, deviation, (kept * largest.sign()).T.float())

    def __call__(self, x: Tensor) -> Tensor:
        """Maps rows (…, F) to components (…, K), differentiably."""
        return ((filled(x, self.mean) - self.mean) / self.deviation) @ self.components


@dataclass(frozen=True, eq=False)
class Reduction:
    """What a context reads of itself.

    Attributes:
        rows: int64, the context rows; None means all.
        columns: int64, the columns; None means all.
        projection: Takes their place in regression.
    """

    rows: Tensor | None
    columns: Tensor | None
    projection: Projection | None

    @classmethod
    def of(cls, episode: Episode, most_columns: int) -> Reduction:
        """Chooses rows, and of more than `most_columns` columns those that are read.

        Classification takes the columns that tell most about the target, one at a time, where most
        columns are continuous, and all of them otherwise; regression takes principal components.
        """
        rows = support_rows(episode.y_context, episode.n_classes)
        chosen = _only_rows(episode, rows)
        if episode.x_context.shape[1] <= most_columns:
            return cls(rows, None, None)
        if not episode.is_classification:
            return cls(rows, None, Projection.of(chosen.x_context, most_columns))
        if continuous_share(chosen.x_context) < _CONTINUOUS_SHARE:
            return cls(rows, None, None)
        return cls(rows, kept_columns(chosen, most_columns), None)

    def __call__(self, episode: Episode) -> Episode:
        """The episode as the model reads it; its context has to be the one that was learned."""
        episode = only_columns(_only_rows(episode, self.rows), self.columns)
        if self.projection is None:
            return episode
        x = self.projection(episode.x_context)
        numbers = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
        query = self.projection(episode.x_query)
        return replace(episode, x_context=x, x_query=query, categorical=numbers, nominal=None)


@dataclass(frozen=True, eq=False)
class EncodedReduction:
    """A context of which a part was encoded.

    Attributes:
        encoded: What it became.
        reduction: Which part that is.
    """

    encoded: EncodedContext
    reduction: Reduction

    def output(self, episode: Episode) -> Tensor:
        return self.encoded.output(self.reduction(episode))


def _only_rows(episode: Episode, rows: Tensor | None) -> Episode:
    if rows is None:
        return episode
    return replace(
        episode,
        x_context=episode.x_context[rows],
        y_context=episode.y_context[rows],
        context_origin=episode.context_origin[rows],
    )
