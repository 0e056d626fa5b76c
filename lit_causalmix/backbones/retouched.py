"""A frozen backbone behind a small, bounded correction of its inputs.

Shape legend: N = rows, C = feature columns, r = rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from lit_causalmix.backbones.base import Backbone, EncodedContext
from lit_causalmix.backbones.description import described, rebuilt
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.backbones.wrapping import WrappingBackbone
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.seeding import derived_seed
from lit_causalmix.tables.schema import Schema

LEVEL = 3.0
"""Where standardised values level off before the cross network multiplies them."""


class Correction(nn.Module):
    """bound · tanh(A B x_L + b), where x_L is a cross network's view of a row.

    The cross layers are those of DCN-V2 in their low-rank form (Wang et al., arXiv 2008.13535):
    x_{l+1} = x_0 ⊙ (U_l V_l x_l + b_l) + x_l. A and b start at zero, so that the correction does,
    and a first step already has a gradient in them.

    Args:
        n_columns: C.
        rank: r, at most C is used.
        n_layers: Cross layers; 0 leaves a linear map below the tanh.
        bound: Largest correction, in standard deviations of the column.
        seed: Source of B, U and V.
    """

    def __init__(self, n_columns: int, rank: int, n_layers: int, bound: float, seed: int) -> None:
        super().__init__()
        self.bound = bound
        rank = min(rank, n_columns)
        generator = torch.Generator().manual_seed(derived_seed(seed, "retouche"))

        def drawn(*shape: int) -> nn.Parameter:
            scale = max(shape[-1], 1) ** -0.5
            return nn.Parameter(scale * torch.randn(*shape, generator=generator))

        self.down = drawn(n_layers, rank, n_columns)
        self.up = drawn(n_layers, n_columns, rank)
        self.bias = nn.Parameter(torch.zeros(n_layers, n_columns))
        self.last_down = drawn(rank, n_columns)
        self.last_up = nn.Parameter(torch.zeros(n_columns, rank))
        self.last_bias = nn.Parameter(torch.zeros(n_columns))

    def forward(self, x: Tensor) -> Tensor:
        """Maps rows (N, C), finite and in standard deviations, to what is added to them."""
        first = LEVEL * torch.tanh(x / LEVEL)
        crossed = first
        for down, up, bias in zip(self.down, self.up, self.bias, strict=True):
            crossed = first * (crossed @ down.T @ up.T + bias) + crossed
        return self.bound * torch.tanh(crossed @ self.last_down.T @ self.last_up.T + self.last_bias)


class Retouched(WrappingBackbone):
    """A frozen backbone that reads corrected rows (see `training.Retouche`).

    Context and query rows go through the same correction. Cells of categories and gaps are neither
    changed nor read by it. At first nothing is changed, to the bit.

    Args:
        backbone: It is frozen.
        rank: Of the correction (`Correction`).
        n_layers: Its cross layers.
        bound: Its largest size, in training standard deviations of a column.
        seed: Source of its random part.
        n_columns: Encoded feature columns of the table; 0 until `fit_columns` tells.
    """

    def __init__(
        self,
        backbone: Backbone,
        rank: int = 8,
        n_layers: int = 2,
        bound: float = 0.5,
        seed: int = 0,
        n_columns: int = 0,
    ) -> None:
        super().__init__(backbone)
        backbone.requires_grad_(False)
        self.rank, self.n_layers, self.bound, self.seed = rank, n_layers, bound, seed
        self.n_columns = 0
        self.correction = Correction(0, rank, n_layers, bound, seed)
        if n_columns:
            self.fit_columns(n_columns)

    def fit_columns(self, n_columns: int) -> bool:
        """Makes the correction of a table's columns; False where it is there already.

        Raises:
            ConfigurationError: If it was made for another number of columns.
        """
        if self.n_columns == n_columns:
            return False
        if self.n_columns:
            raise ConfigurationError(
                f"a Retouche corrects the columns of one table: this one has {self.n_columns}, "
                f"another came with {n_columns}; make a new task for it"
            )
        device = self.correction.last_bias.device
        made = Correction(n_columns, self.rank, self.n_layers, self.bound, self.seed)
        self.correction, self.n_columns = made.to(device), n_columns
        return True

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Returns "retouche" and the groups of the backbone, which are frozen."""
        return {"retouche": list(self.correction.parameters()), **super().parameter_groups()}

    def touched(self, x: Tensor, categorical: Tensor) -> Tensor:
        """The corrected rows (N, C); cells of categories and gaps keep their bits.

        Raises:
            ConfigurationError: If the rows have other columns than the correction.
        """
        if x.shape[1] != self.n_columns:
            raise ConfigurationError(
                f"this Retouche was made for {self.n_columns} columns, the rows have {x.shape[1]}: "
                "it corrects one table, which the datamodule tells it before training"
            )
        number = torch.isfinite(x) & ~categorical
        moved = x + self.correction(torch.where(number, x, 0.0)).to(x.dtype)
        return torch.where(number, moved, x)

    def retouch(self, episode: Episode) -> Episode:
        """The episode with corrected context and query rows."""
        return replace(
            self.retouch_query(episode),
            x_context=self.touched(episode.x_context, episode.categorical),
        )

    def retouch_query(self, episode: Episode) -> Episode:
        """The episode with corrected query rows."""
        return replace(episode, x_query=self.touched(episode.x_query, episode.categorical))

    def forward(self, episode: Episode) -> Tensor:
        output: Tensor = self.backbone(self.retouch(episode))
        return output

    def losses(self, episodes: Sequence[Episode]) -> Tensor:
        return self.backbone.losses([self.retouch(episode) for episode in episodes])

    def encode_context(self, episode: Episode) -> EncodedContext:
        return EncodedRetouched(self, self.backbone.encode_context(self.retouch(episode)))

    def context_bytes(self, episode: Episode) -> int:
        return self.backbone.context_bytes(episode)

    def step_bytes(self, shape: StepShape) -> int | None:
        # A frozen backbone keeps less for the backward pass than one in training: not measured.
        return None if shape.training else self.backbone.step_bytes(shape)

    def check(self, schema: Schema, n_context: int, *, n_columns: int | None = None) -> None:
        self.backbone.check(schema, n_context, n_columns=n_columns)

    def arguments(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("rank", "n_layers", "bound", "n_columns")}
        return {"backbone": described(self.backbone), **own}

    @classmethod
    def rebuilt(cls, arguments: Mapping[str, Any]) -> Self:
        return cls(**{**arguments, "backbone": rebuilt(arguments["backbone"])})


@dataclass(frozen=True, eq=False)
class EncodedRetouched:
    """A context that was encoded behind the correction.

    Attributes:
        retouched: The model, with the weights of then.
        encoded: What the backbone within keeps.
    """

    retouched: Retouched
    encoded: EncodedContext

    def output(self, episode: Episode) -> Tensor:
        return self.encoded.output(self.retouched.retouch_query(episode))
