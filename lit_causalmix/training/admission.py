"""Which synthetic rows a training step takes in: those that learning from helps held-out rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.func import functional_call

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.episode import Episode, RowOrigin
from lit_causalmix.training.gate import Gate, GatedLoss, shares_by_domain

_FALL = 0.01
"""By how much of itself the held-out loss is to fall by the step, to first order [our choice]:
little enough for that order to hold, enough for float32."""


class RowAdmission(Gate):
    """Admits the synthetic rows whose gradient agrees with that of held-out real rows.

    The real query rows of an episode are training rows that its context does not hold. Their loss
    (log-loss, or squared error, which regression is scored by), in the context of the real rows
    alone, has a gradient; a short step against it is tried, and a synthetic row is admitted if its
    own training loss falls by that step, too. To first order that is so if
    and only if a step on the row lowers the loss of the held-out rows (the sign of the product of
    both gradients; influence without second derivatives). Each synthetic row, of the context and
    of the query alike, is judged as a query row under the present weights, by the held-out rows of
    its own episode (those of several episodes together tell less); the episode then goes on without
    those that are not admitted [our construction, after the gate of TAP, arXiv 2605.10315].
    Validation and test rows take no part.

    Weights that have learned what the real rows can teach have no such direction left: then half of
    the rows pass, whoever draws them.

    Where a step has no real row in the context or in the query there is nothing to judge by, and
    all rows pass. A row of a class that the real context does not show is not admitted. A step
    takes about two and a half times as long. In distributed training each process judges by its own
    episodes.
    """

    def __call__(self, backbone: Backbone, episodes: Sequence[Episode]) -> GatedLoss:
        probes = [_Probe.of(episode) for episode in episodes]
        if not any(probe.n_made for probe in probes):
            return GatedLoss(backbone.losses(episodes).mean(), None)
        admitted = [_admitted(backbone, probe) for probe in probes]
        kept = [probe.without(rows) for probe, rows in zip(probes, admitted, strict=True)]
        counts = [
            (episode.domain_id, int(rows.sum()), len(rows))
            for episode, rows in zip(episodes, admitted, strict=True)
        ]
        passed, by_domain = shares_by_domain(counts)
        return GatedLoss(backbone.losses(kept).mean(), passed, by_domain)


@dataclass(frozen=True, eq=False)
class _Probe:
    """An episode that judges the synthetic rows of another one.

    Attributes:
        source: The episode whose rows are judged.
        asked: Its real rows, with the synthetic ones of context and query behind the real queries;
            None where there is nothing to judge by.
        n_real: Real query rows.
        n_made: Synthetic rows, M.
        known: bool (M,), rows whose class the real context shows.
    """

    source: Episode
    asked: Episode | None
    n_real: int
    n_made: int
    known: Tensor

    @classmethod
    def of(cls, episode: Episode) -> _Probe:
        context = episode.context_origin == RowOrigin.SYNTHETIC
        query = episode.query_origin == RowOrigin.SYNTHETIC
        x = torch.cat([episode.x_query[~query], episode.x_context[context], episode.x_query[query]])
        y = torch.cat([episode.y_query[~query], episode.y_context[context], episode.y_query[query]])
        n_real, n_made = int((~query).sum()), int(context.sum() + query.sum())
        known = torch.ones(n_made, dtype=torch.bool, device=x.device)
        if n_real == 0 or n_made == 0 or bool(context.all()):
            return cls(episode, None, n_real, n_made, known)
        y_context = episode.y_context[~context]
        if episode.is_classification:
            known = torch.isin(y[n_real:], y_context)
        asked = replace(
            episode,
            x_context=episode.x_context[~context],
            y_context=y_context,
            context_origin=episode.context_origin[~context],
            x_query=x,
            y_query=y,
            query_origin=torch.zeros(len(y), dtype=torch.int8, device=y.device),
            query_row=torch.arange(len(y), device=y.device),
            y_true=None,
            context_shared=False,
        )
        return cls(episode, asked, n_real, n_made, known)

    def without(self, admitted: Tensor) -> Episode:
        """The episode without the synthetic rows that are not admitted, bool (M,).

        Query rows whose class no row of the context shows any longer go, too, unless all would.
        """
        if bool(admitted.all()):
            return self.source
        episode = self.source
        context = episode.context_origin != RowOrigin.SYNTHETIC
        query = episode.query_origin != RowOrigin.SYNTHETIC
        n_context = int((~context).sum())
        context = context.masked_scatter(~context, admitted[:n_context])
        query = query.masked_scatter(~query, admitted[n_context:])
        y_context = episode.y_context[context]
        if episode.is_classification:
            query &= torch.isin(episode.y_query, y_context)
        if not bool(query.any()):
            return episode
        shorter = replace(
            episode,
            x_context=episode.x_context[context],
            y_context=y_context,
            context_origin=episode.context_origin[context],
        )
        return shorter.take_query(query)


def _admitted(backbone: Backbone, probe: _Probe) -> Tensor:
    """Which synthetic rows an episode admits, bool (M,)."""
    if probe.asked is None:
        return torch.ones_like(probe.known)
    output = backbone(probe.asked)
    stepped = _stepped(backbone, _held_out_loss(backbone, probe, output))
    if not stepped:
        return torch.ones_like(probe.known)
    with torch.no_grad():
        after = functional_call(backbone, stepped, (probe.asked,))
        before = _row_losses(backbone, probe, output.detach())
        return (_row_losses(backbone, probe, after) < before) & probe.known


def _held_out_loss(backbone: Backbone, probe: _Probe, output: Tensor) -> Tensor:
    """The mean loss of the real query rows in the real context: log-loss, or squared error."""
    assert probe.asked is not None
    rows = torch.arange(probe.n_real, device=output.device)
    real = probe.asked.take_query(rows)
    if real.is_classification:
        return backbone.loss(output[rows], real)
    predicted = (backbone.predict(output[rows], real) - real.y_location) / real.y_scale
    if not predicted.requires_grad:  # a backbone whose prediction is not made of tensors alone
        return backbone.loss(output[rows], real)
    return torch.nn.functional.mse_loss(predicted, real.y_query.to(predicted.dtype))


def _row_losses(backbone: Backbone, probe: _Probe, output: Tensor) -> Tensor:
    """The loss of each synthetic row, (M,)."""
    assert probe.asked is not None
    positions = torch.arange(probe.n_real, len(output), device=output.device)
    return torch.stack(
        [backbone.loss(output[row], probe.asked.take_query(row)) for row in positions[:, None]]
    )


def _stepped(backbone: Backbone, loss: Tensor) -> dict[str, Tensor]:
    """The trained weights a short step down a loss; empty where it is level."""
    trained = {name: p for name, p in backbone.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
    gradients = {n: g for n, g in zip(trained, found, strict=True) if g is not None}
    slope = math.fsum(float((g.double() ** 2).sum()) for g in gradients.values())
    if not slope > 0:
        return {}
    length = _FALL * abs(loss.item()) / slope
    return {name: trained[name].detach() - length * g for name, g in gradients.items()}
