"""Generators that ask a tabular foundation model, as a rule the one that is being fine-tuned."""

from __future__ import annotations

import copy
from dataclasses import asdict
from itertools import chain
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.backbones.nano import Nano
from lit_causalmix.episode import PADDING_ROW, Episode, RowOrigin
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_parts, tensor_parts
from lit_causalmix.generators.base import Generator
from lit_causalmix.names import public_name

_PLAIN = (bool, int, float, str)


class BackboneGenerator(Generator):
    """A generator whose rows come from a frozen copy of a backbone, in float32.

    Which one: the `backbone` of its settings; else the first one handed over by `use`, which the
    datamodule calls with the module's before anything is restored or trained, so that it holds the
    pre-trained weights, also in a resumed run; else, without a trainer, the embedded `Nano`.

    Args:
        backbone: The backbone; None takes the one that is being fine-tuned.
        device: Where it runs. On "cpu" the same seed gives the same bits.

    Raises:
        ConfigurationError: If there is no such device.
    """

    slow: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scikit-learn", "torch")

    def __init__(self, backbone: Backbone | None, device: str) -> None:
        self.device = device
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:  # torch asserts where it lacks CUDA
            raise ConfigurationError(
                f"device must be one that this machine has, such as 'cpu', got {device!r}: {error}"
            ) from error
        self._backbone = None if backbone is None else self._frozen(backbone)

    @property
    def wants_backbone(self) -> bool:
        """Whether there is none yet, so that `use` would take one."""
        return self._backbone is None

    def use(self, backbone: Backbone) -> None:
        """Takes a copy of the backbone, unless there is one already."""
        if self._backbone is None:
            self._backbone = self._frozen(backbone)

    @property
    def backbone(self) -> Backbone:
        """The frozen copy, in evaluation mode."""
        if self._backbone is None:
            self._backbone = self._frozen(Nano())
        return self._backbone

    def _frozen(self, backbone: Backbone) -> Backbone:
        return copy.deepcopy(backbone).to(self.device).float().eval().requires_grad_(False)

    def classes(self) -> tuple[type, ...]:
        return (type(self), type(self.backbone))

    def backbone_settings(self) -> dict[str, Any]:
        """Returns what of the backbone the rows depend on."""
        return {
            "backbone": public_name(type(self.backbone)),
            "weights": content_hash(self.backbone),
            "limits": asdict(self.backbone.limits),
            "device": self.device,
        }


def in_context(
    x_context: Tensor,
    y_context: Tensor,
    x_query: Tensor,
    *,
    categorical: Tensor,
    n_classes: int,
) -> Episode:
    """Makes an episode to ask a backbone about; the query targets are unknown.

    Args:
        x_context: float32 (R, C).
        y_context: int64 (R,) class, or float32 (R,).
        x_query: float32 (Q, C).
        categorical: bool (C,), columns of category indices.
        n_classes: Number of classes, 0 for regression.
    """
    n_context, n_query, device = len(x_context), len(x_query), x_context.device
    unknown = -1 if n_classes else torch.nan

    def origin(n: int) -> Tensor:
        return torch.full((n,), RowOrigin.SYNTHETIC, dtype=torch.int8, device=device)

    return Episode(
        x_context=x_context,
        y_context=y_context,
        context_origin=origin(n_context),
        x_query=x_query,
        y_query=torch.full((n_query,), unknown, dtype=y_context.dtype, device=device),
        query_origin=origin(n_query),
        query_row=torch.full((n_query,), PADDING_ROW, device=device),
        categorical=categorical,
        n_classes=n_classes,
    )


def content_hash(backbone: Backbone) -> str:
    """SHA-256 over weights and plain attributes of a backbone, which decide what it predicts."""
    weights = (tensor_parts(name, value) for name, value in backbone.state_dict().items())
    return of_parts(chain(plain_settings(backbone), chain.from_iterable(weights)))


def plain_settings(backbone: Backbone) -> list[str]:
    """Name and plain attributes of each module of a backbone, as text: all but the weights."""
    return [f"{name}{_plain_attributes(module)}" for name, module in backbone.named_modules()]


def _plain_attributes(module: nn.Module) -> dict[str, object]:
    return {
        key: value
        for key, value in sorted(vars(module).items())
        if isinstance(value, _PLAIN) and key != "training" and not key.startswith("_")
    }
