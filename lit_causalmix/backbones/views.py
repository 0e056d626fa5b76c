"""Views of one episode that a perfect learner would predict alike, for an ensemble of one model."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from lit_causalmix.episode import Episode


@dataclass(frozen=True)
class View:
    """What a member of an ensemble sees differently.

    Attributes:
        flip_features: Whether the signs of all features are turned round, and with them their order
            and which of two tied values counts as below a quantile.
        turn: Places by which the class indices are rotated; for regression, 1 turns the target's
            sign round.
    """

    flip_features: bool = False
    turn: int = 0

    def apply(self, episode: Episode) -> Episode:
        """The episode as this member sees it; unknown query targets stay as they are."""
        y_context = episode.y_context
        if self.turn:
            y_context = (
                (y_context + self.turn) % episode.n_classes if episode.n_classes else -y_context
            )
        if not self.flip_features:
            return replace(episode, y_context=y_context)
        return replace(
            episode,
            y_context=y_context,
            x_context=-episode.x_context,
            x_query=-episode.x_query,
        )

    def restore(self, output: Tensor, episode: Episode) -> Tensor:
        """Maps a Tab2D output for this view to one for the episode itself.

        Args:
            output: Logits of the classes (Q, K), of the bins (Q, n_bins), or values (Q,).
            episode: The episode that `apply` was given.
        """
        if not self.turn:
            return output
        if episode.n_classes:
            return output.roll(-self.turn, dims=-1)
        return -output if output.ndim == 1 else output.flip(-1)  # bins lie symmetrically


def views(n_views: int, episode: Episode) -> list[View]:
    """At most `n_views` views, all different; the first is the episode as it is [our choice]."""
    n_turns = episode.n_classes or 2
    return list(dict.fromkeys(View(bool(i % 2), i * n_turns // n_views) for i in range(n_views)))
