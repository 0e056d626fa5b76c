"""What of the synthetic rows' gradient a training step uses: gates that look at the learner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.episode import Episode, RowOrigin


@dataclass(frozen=True, eq=False)
class GatedLoss:
    """The loss of a step behind a gate.

    Attributes:
        loss: Scalar; its value is the plain loss, its gradient the one that the gate lets pass.
        passed: Share of the synthetic part that passed, 0 to 1: of the squared norm of its
            gradient, or of its rows. None where the step has none that the gate looks at.
        by_domain: `Episode.domain_id` → the same for the episodes of a domain, where a gate tells.
    """

    loss: Tensor
    passed: float | None
    by_domain: Mapping[int, float] = field(default_factory=dict)


class Gate(ABC):
    """Decides what of the synthetic rows a step learns from.

    It is a pure function of weights and episodes, so that a resumed fit has the same bits.
    """

    @abstractmethod
    def __call__(self, backbone: Backbone, episodes: Sequence[Episode]) -> GatedLoss:
        """The gated mean loss of the episodes of one step."""


class GradientProjection(Gate):
    """Uses the synthetic part's gradient as far as it does not oppose the real part's.

    The loss of a step is the mean over real and synthetic query rows; where the gradient of the
    synthetic part points against that of the real one, its component along the latter is taken away
    (gradient surgery; Yu et al., PCGrad, arXiv 2001.06782), of the synthetic part alone [our
    choice: the real rows are what the model is fine-tuned for]. A real query row in a context with
    synthetic rows counts as real. A step takes two backward passes more.

    In distributed training each process projects the gradient of its own episodes.
    """

    def __call__(self, backbone: Backbone, episodes: Sequence[Episode]) -> GatedLoss:
        real, synthetic = split_loss(backbone, episodes)
        if synthetic is None or real is None:
            loss = real if synthetic is None else synthetic
            assert loss is not None  # an episode has a query row
            return _of_step(loss, None if synthetic is None else 1.0, episodes)
        trained = [p for p in backbone.parameters() if p.requires_grad]
        along, against = (_gradient(part, trained) for part in (real, synthetic))
        dot, length, other = _dot(along, against), _dot(along, along), _dot(against, against)
        taken = min(0.0, dot) / length if length > 0 else 0.0
        passed = 1.0 - taken * dot / other if other > 0 else 1.0
        # g_s − taken · g_r beside g_r is what the real part counted 1 − taken times gives.
        return _of_step(real + synthetic - taken * (real - real.detach()), passed, episodes)


def _of_step(loss: Tensor, passed: float | None, episodes: Sequence[Episode]) -> GatedLoss:
    """A share of the step as a whole, which is that of a domain where all episodes are of it."""
    domains = {episode.domain_id for episode in episodes}
    told = {} if passed is None or len(domains) > 1 else dict.fromkeys(domains, passed)
    return GatedLoss(loss, passed, told)


def shares_by_domain(
    counts: Iterable[tuple[int, int, int]],
) -> tuple[float | None, dict[int, float]]:
    """The share of rows that passed, in all and by domain.

    Args:
        counts: Of each episode its domain, the rows that passed, and all that were judged.

    Example:
        >>> shares_by_domain([(0, 1, 4), (1, 3, 4), (0, 3, 4), (2, 0, 0)])
        (0.5833333333333334, {0: 0.5, 1: 0.75})
    """
    sums: dict[int, tuple[int, int]] = {}
    for domain, passed, judged in counts:
        before = sums.get(domain, (0, 0))
        sums[domain] = (before[0] + passed, before[1] + judged)
    shares = {domain: passed / judged for domain, (passed, judged) in sums.items() if judged}
    passed, judged = (sum(column) for column in zip(*sums.values(), strict=True))
    return passed / judged if judged else None, shares


def split_loss(
    backbone: Backbone, episodes: Sequence[Episode]
) -> tuple[Tensor | None, Tensor | None]:
    """The parts of the mean loss that real and synthetic query rows have, whose sum it is.

    Args:
        backbone: Predicts.
        episodes: B episodes, each with the weight 1 / B; a query row has the weight of its episode
            divided by the number of its query rows.

    Returns:
        Scalars with gradient; None where no row of that kind stands in a query.
    """
    parts: dict[RowOrigin, list[Tensor]] = {RowOrigin.REAL: [], RowOrigin.SYNTHETIC: []}
    for episode in episodes:
        output = backbone(episode)
        made = episode.query_origin == RowOrigin.SYNTHETIC
        for origin, rows in ((RowOrigin.REAL, ~made), (RowOrigin.SYNTHETIC, made)):
            if rows.any():
                share = rows.sum() / (episode.n_query * len(episodes))
                loss = backbone.loss(output[rows], episode.take_query(rows))
                parts[origin].append(share * loss)
    real, synthetic = (torch.stack(found).sum() if found else None for found in parts.values())
    return real, synthetic


def _gradient(loss: Tensor, trained: Sequence[Tensor]) -> list[Tensor | None]:
    return list(torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True))


def _dot(a: Sequence[Tensor | None], b: Sequence[Tensor | None]) -> float:
    pairs = zip(a, b, strict=True)
    return sum(
        float((x.double() * y.double()).sum()) for x, y in pairs if x is not None and y is not None
    )
