"""Query rows moved against a backbone along the sign of its gradient: FGSM.

Goodfellow et al., "Explaining and harnessing adversarial examples", ICLR 2015, arXiv 1412.6572,
section 4: x + ε · sign(∇ₓ loss). For tables [our choice]: only numerical cells of the query rows
move, the context stays as it is; ε is in training standard deviations of the column, the unit of
`Episode.x_query`; nothing is rounded or clipped to the column's range. Where a backbone reads a
value by its rank, as `Tab2D` does, any step off a repeated value (an integer, say) passes all of
its ties, so that even a small ε can hurt.

Shape legend: Q = query rows, C = columns.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.episode import Episode, RowOrigin
from lit_causalmix.errors import ConfigurationError


def attack_direction(backbone: Backbone, episode: Episode) -> Tensor:
    """Returns which way each query cell raises the backbone's own training loss.

    The backbone is asked in evaluation mode: one that averages several views of the table there is
    attacked as that average. Works under `torch.no_grad` and `torch.inference_mode`, too. A
    backbone whose input is a step function defines its own gradient (`Tab2D`: a central
    difference). It takes the memory of one training step, for each view.

    Args:
        backbone: The model under attack; its weights collect no gradient.
        episode: Labelled query rows.

    Returns:
        float32 (Q, C): −1, 0 or +1; 0 in categorical and in missing cells, and where the loss does
        not change with the cell.

    Raises:
        ConfigurationError: If the backbone's loss has no gradient in `x_query`.
    """
    was_training = backbone.training
    backbone.eval()
    # Tensors made in inference mode cannot be differentiated; copies made outside it can.
    with torch.inference_mode(False), torch.enable_grad():
        attacked = episode.to(episode.x_query.device, copy=True)
        x = attacked.x_query.requires_grad_(True)
        loss = backbone.loss(backbone(attacked), attacked)
        gradient = None
        if loss.requires_grad:
            (gradient,) = torch.autograd.grad(loss, x, allow_unused=True)
    backbone.train(was_training)
    if gradient is None:
        raise ConfigurationError(
            f"{type(backbone).__name__} gives no gradient in x_query, which FGSM follows: choose "
            "another backbone, or leave FGSM out"
        )
    movable = torch.isfinite(attacked.x_query.detach()) & ~attacked.categorical
    return torch.where(movable, gradient.sign(), 0).float()


def perturbed(episode: Episode, direction: Tensor, epsilon: float) -> Episode:
    """Returns the episode with its query rows moved by epsilon and marked as perturbed.

    Args:
        episode: The episode that `direction` belongs to.
        direction: float (Q, C), of `attack_direction`.
        epsilon: Step in training standard deviations, >= 0.
    """
    # Where, not plus: a missing cell stays missing, and an unmoved one keeps its bits.
    moved = torch.where(
        direction == 0, episode.x_query, episode.x_query + epsilon * direction.to(episode.x_query)
    )
    origin = torch.full_like(episode.query_origin, RowOrigin.PERTURBED)
    return replace(episode, x_query=moved, query_origin=origin)


def fgsm(backbone: Backbone, episode: Episode, epsilon: float) -> Episode:
    """The fast gradient sign method on the query rows of an episode, in one step.

    Args:
        backbone: The model under attack.
        episode: Labelled query rows.
        epsilon: Step in training standard deviations, >= 0.

    Raises:
        ConfigurationError: If the backbone's loss has no gradient in `x_query`.
    """
    return perturbed(episode, attack_direction(backbone, episode), epsilon)
