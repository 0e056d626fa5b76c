"""What all scores of a fit rest on, kept in checkpoints: its starting weights and its selection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.described import described_object, in_words
from lit_causalmix.training.selection import Selection

KEY = "begun_with"
_WEIGHTS, _SELECTION = "weights", "selection"
_ELSE = "take the settings that the fit was begun with, which stand in the config.yaml of its run"


def begun_with(weights: str | None, selection: Selection) -> dict[str, Any]:
    """As plain values.

    Args:
        weights: SHA-256 of the backbone's weights before training; None where nothing is known.
        selection: What selects.

    Example:
        >>> from lit_causalmix.training.selection import CautiousValidation
        >>> begun_with(None, CautiousValidation(min_gain=2.0))["selection"]["settings"]
        {'min_gain': '2.0'}
    """
    return {_WEIGHTS: weights, _SELECTION: described_object(selection, vars(selection))}


def check_selection(content: Mapping[str, Any], selection: Selection) -> None:
    """Refuses to go on with another selection: its losses are numbers of another kind.

    Args:
        content: The checkpoint; one of an earlier version, which does not say, passes.
        selection: That of the present fit.

    Raises:
        ConfigurationError: With both.
    """
    own = described_object(selection, vars(selection))
    stored = content.get(KEY, {}).get(_SELECTION, own)
    if stored != own:
        raise ConfigurationError(
            f"the checkpoint belongs to another fit: its weights were selected by "
            f"{in_words(stored)}, model.selection is {in_words(own)}; {_ELSE}"
        )


def begun_from(content: Mapping[str, Any]) -> str | None:
    """SHA-256 of the weights that the fit of a checkpoint began with; None where it is not said."""
    found: str | None = content.get(KEY, {}).get(_WEIGHTS)
    return found


def check_start(content: Mapping[str, Any], weights: str | None) -> None:
    """Refuses to call other weights the zero-shot of a checkpoint's fit.

    Args:
        content: The checkpoint; one of an earlier version, which does not say, passes.
        weights: SHA-256 of those of the present backbone; None where they are not known.

    Raises:
        ConfigurationError: With the beginning of both.
    """
    stored = begun_from(content)
    if None not in (stored, weights) and stored != weights:
        raise ConfigurationError(
            "the checkpoint belongs to another fit, which began with other weights of the backbone "
            f"(SHA-256 {str(stored)[:12]}…, here {str(weights)[:12]}…), so that zero-shot would be "
            f"another one (model.backbone: its version, weights or seed); {_ELSE}"
        )
