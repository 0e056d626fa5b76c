"""One context, encoded once for all chunks of query rows that ask it."""

from __future__ import annotations

import torch
from torch import Tensor

from lit_causalmix.backbones import Backbone
from lit_causalmix.backbones.base import EncodedContext
from lit_causalmix.episode import Episode

MOST_BYTES = 2**31
"""An encoded context that takes more is not kept: each chunk reads the context again."""


class ContextMemory:
    """Keeps what a backbone made of the last context, while context and weights are the same.

    Both are compared by content, so that whoever changes weights between two chunks, in whatever
    way, gets what the present ones predict.
    """

    def __init__(self) -> None:
        self._context: Episode | None = None
        self._weights: Tensor | None = None
        self._encoded: EncodedContext | None = None

    def output(self, backbone: Backbone, episode: Episode) -> Tensor:
        """What `backbone(episode)` returns, in evaluation and without gradients.

        Args:
            backbone: In evaluation mode.
            episode: Its context is encoded only if others share it (`context_shared`).
        """
        output: Tensor
        if not episode.context_shared or not 0 < backbone.context_bytes(episode) <= MOST_BYTES:
            output = backbone(episode)
            return output
        weights = fingerprint(backbone)
        if self._encoded is None or not self._is_of(episode, weights):
            self.forget()  # first, so that two contexts are never held at once
            self._encoded = backbone.encode_context(episode)
            self._context, self._weights = episode, weights
        return self._encoded.output(episode)

    def forget(self) -> None:
        """Frees what is kept."""
        self._context = self._weights = self._encoded = None

    def _is_of(self, episode: Episode, weights: Tensor) -> bool:
        kept = self._context
        return (
            kept is not None
            and self._weights is not None
            and torch.equal(self._weights, weights)
            and kept.n_classes == episode.n_classes
            and _same(kept.x_context, episode.x_context)
            and _same(kept.y_context, episode.y_context)
            and _same(kept.categorical, episode.categorical)
        )


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors hold the same values on the same device, gaps included."""
    if a is b:
        return True
    if a.shape != b.shape or a.device != b.device:
        return False
    return bool(((a == b) | (a.isnan() & b.isnan())).all())


@torch.no_grad()
def fingerprint(module: torch.nn.Module) -> Tensor:
    """Sum and norm of each parameter, float32 (2 * P,), by which changed weights are noticed.

    Counters of torch would miss changes through `Tensor.data`. Reading the weights once is little
    beside a forward pass.
    """
    parts = [part for p in module.parameters() for part in (p.sum(), p.norm())]
    return torch.stack([part.float() for part in parts]) if parts else torch.zeros(0)
