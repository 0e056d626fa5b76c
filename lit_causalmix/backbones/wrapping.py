"""A backbone around a backbone: what it does not change, the inner one answers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lit_causalmix.backbones.base import Backbone, Limits
from lit_causalmix.episode import Episode
from lit_causalmix.tables.schema import Schema


class WrappingBackbone(Backbone):
    """Answers everything but `forward` by the backbone within.

    Args:
        backbone: The backbone within.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    @property
    def limits(self) -> Limits:
        return self.backbone.limits

    @property
    def differentiable(self) -> bool:
        return self.backbone.differentiable

    def loss(self, output: Tensor, episode: Episode) -> Tensor:
        return self.backbone.loss(output, episode)

    def predict(self, output: Tensor, episode: Episode) -> Tensor:
        return self.backbone.predict(output, episode)

    def quantiles(self, output: Tensor, episode: Episode, levels: Sequence[float]) -> Tensor:
        return self.backbone.quantiles(output, episode, levels)

    def origin(self) -> dict[str, str]:
        return self.backbone.origin()

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return self.backbone.parameter_groups()

    def specialise(self, schema: Schema) -> None:
        self.backbone.specialise(schema)
