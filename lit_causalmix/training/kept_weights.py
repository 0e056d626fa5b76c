"""Weights that are kept beside the ones in training, and how a change of one bit is noticed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_json, of_tensors

Weights = dict[str, Tensor]

_SCOREBOARD, _CHECKSUMS, _SELECTED = "scoreboard", "checksums", "selected_state_dict"


def copied(module: nn.Module) -> Weights:
    """A copy of a module's weights on the CPU, which later training steps do not touch."""
    return {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}


def seal(
    checkpoint: dict[str, Any], scoreboard: dict[str, Any], selected: Weights | None = None
) -> None:
    """Puts the scoreboard, the selected weights and checksums into a checkpoint.

    The selected weights go into complete checkpoints alone, those that a fit can go on from, and
    only where they are not the checkpoint's own weights. So a fit that goes on needs no second
    file, wherever its folder was moved to.

    Args:
        checkpoint: As Lightning hands it to `on_save_checkpoint`.
        scoreboard: Plain values.
        selected: The selected weights, None where nothing selects.
    """
    own = of_tensors(checkpoint["state_dict"])
    complete = "optimizer_states" in checkpoint
    if complete and selected is not None and scoreboard["selected"]["digest"] != own:
        checkpoint[_SELECTED] = selected
    checkpoint[_SCOREBOARD] = scoreboard
    checkpoint[_CHECKSUMS] = {"state_dict": own, "scoreboard": of_json(scoreboard)}


def check_seal(checkpoint: Mapping[str, Any]) -> None:
    """Refuses a checkpoint of which a bit is not what it was when it was saved.

    Checked are the weights, the selected weights and the scores; a checkpoint without checksums
    passes.

    Raises:
        ConfigurationError: With the damaged part.
    """
    if _SCOREBOARD not in checkpoint and _CHECKSUMS not in checkpoint:
        return
    try:
        damaged = _damaged(checkpoint)
    except (KeyError, TypeError, AttributeError, ValueError):  # a flipped bit in a name, say
        damaged = ["contents"]
    if damaged:
        raise ConfigurationError(
            f"the checkpoint is damaged: its {' and '.join(damaged)} are not those that were "
            "saved (checksums differ); take another checkpoint of the run"
        )


def _damaged(checkpoint: Mapping[str, Any]) -> list[str]:
    scoreboard, checksums = checkpoint[_SCOREBOARD], checkpoint[_CHECKSUMS]
    damaged = []
    if of_tensors(checkpoint["state_dict"]) != checksums["state_dict"]:
        damaged.append("weights")
    if of_json(scoreboard) != checksums["scoreboard"]:
        damaged.append("scores")
    elif (
        _SELECTED in checkpoint
        and of_tensors(checkpoint[_SELECTED]) != scoreboard["selected"]["digest"]
    ):
        damaged.append("selected weights")
    return damaged


def unsealed(checkpoint: Mapping[str, Any]) -> tuple[dict[str, Any] | None, Weights | None]:
    """The scoreboard's values and the selected weights of a checkpoint, None where it has none."""
    scoreboard = checkpoint.get(_SCOREBOARD)
    if scoreboard is None or scoreboard["selected"] is None:
        return scoreboard, None
    state = checkpoint.get(_SELECTED)
    if state is None and scoreboard["selected"]["digest"] == checkpoint[_CHECKSUMS]["state_dict"]:
        state = checkpoint["state_dict"]
    return scoreboard, state and {name: value.cpu().clone() for name, value in state.items()}
