"""Views of a table whose predictions are averaged: what each member of the ensemble sees."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lit_causalmix.backbones.base import EncodedContext
from lit_causalmix.backbones.columns import permuted_codes
from lit_causalmix.episode import Episode


@dataclass(frozen=True)
class View:
    """What a member of an ensemble sees differently.

    Attributes:
        flip_features: Whether the signs of all features are turned round, and with them their order
            and which of two tied values counts as below a quantile.
        codes: Seed of the permutation of the codes of each column of categories, whose order means
            nothing; 0 leaves them as they are.
        turn: Places by which the class indices are rotated; for regression, 1 turns the target's
            sign round.
    """

    flip_features: bool = False
    turn: int = 0
    codes: int = 0

    def apply(self, episode: Episode) -> Episode:
        """The episode as this member sees it; unknown query targets stay as they are."""
        y_context = episode.y_context
        if self.turn:
            y_context = (
                (y_context + self.turn) % episode.n_classes if episode.n_classes else -y_context
            )
        x_context, x_query = episode.x_context, episode.x_query
        if self.codes:
            x_context, x_query = permuted_codes(episode, self.codes)
        if self.flip_features:
            x_context, x_query = -x_context, -x_query
        return replace(episode, y_context=y_context, x_context=x_context, x_query=x_query)

    def restore(self, output: Tensor, episode: Episode) -> Tensor:
        """Maps an output for this view to one for the episode itself.

        Args:
            output: Logits of the classes (Q, K), of the bins (Q, n_bins), or values (Q,).
            episode: The episode that `apply` was given.
        """
        if not self.turn:
            return output
        if episode.n_classes:
            return output.roll(-self.turn, dims=-1)
        return -output if output.ndim == 1 else output.flip(-1)  # bins lie symmetrically


def views(n_views: int, episode: Episode, *, permute_codes: bool = False) -> list[View]:
    """At most `n_views` views, all different; the first is the episode as it is [our choice]."""
    n_turns = episode.n_classes or 2
    nominal = permute_codes and episode.nominal is not None and bool(episode.nominal.any())
    found = (View(bool(i % 2), i * n_turns // n_views, i * nominal) for i in range(n_views))
    return list(dict.fromkeys(found))


@dataclass(frozen=True, eq=False)
class EncodedViews:
    """A context encoded once for each view of it.

    Attributes:
        members: The views, and what they became.
    """

    members: list[tuple[View, EncodedContext]]

    def output(self, episode: Episode) -> Tensor:
        outputs = [view.restore(e.output(view.apply(episode)), episode) for view, e in self.members]
        return torch.stack(outputs).mean(dim=0)
