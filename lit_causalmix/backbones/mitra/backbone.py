"""Mitra v1 and v2 under their own names: official weights, published limits."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from torch import Tensor

from lit_causalmix.backbones.base import Backbone, EncodedContext, Limits
from lit_causalmix.backbones.many_classes import EncodedWords, decoded_logits, n_words
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.backbones.mitra.reduction import (
    MOST_COLUMNS,
    MOST_ROWS,
    MOST_ROWS_BINARY,
    EncodedReduction,
    Reduction,
    read_rows,
)
from lit_causalmix.backbones.tab2d import Tab2D
from lit_causalmix.episode import Episode
from lit_causalmix.files.digests import of_module
from lit_causalmix.tables.schema import Schema
from lit_causalmix.weights.hub import HUB
from lit_causalmix.weights.licences import announce


class Mitra(Tab2D):
    """Mitra v1 (arXiv 2510.21204; 72 M parameters, Apache-2.0): `Tab2D` at its official size.

    More than 10 classes are predicted through error-correcting codes (`many_classes`), in 8 forward
    passes [our choice; AutoGluon refuses them].

    Args:
        weights: Name of pulled weights ("mitra-classifier", "mitra-regressor"), a folder in the
            official format, or a hub id. None starts from random weights of the sizes below.
        task: What the model predicts.
        dim: Width of the embedding, where weights is None.
        n_layers: Number of layers, where weights is None.
        n_heads: Attention heads, where weights is None.
        seed: Source of the random weights.
        activation_checkpointing: Trade time for memory in training.
        native: Compute the layers by kernels in C on a CPU, as `Tab2D`.
        max_context_rows: Limit on context rows; 10,000 is AutoGluon's.
        max_columns: Limit on feature columns; 500 is AutoGluon's.
        max_classes: Limit on classes.

    Raises:
        WeightsError: If the weights are missing, cut, incompatible or for another task.
    """

    recommended: ClassVar[str | None] = "finetune/mitra"

    n_bins = 1

    def __init__(
        self,
        weights: str | None = "mitra-classifier",
        task: Literal["classification", "regression"] = "classification",
        dim: int = 512,
        n_layers: int = 12,
        n_heads: int = 4,
        seed: int = 0,
        activation_checkpointing: bool = False,
        native: bool = False,
        max_context_rows: int = 10_000,
        max_columns: int = 500,
        max_classes: int = 100,
    ) -> None:
        super().__init__(
            dim=dim,
            n_layers=n_layers,
            n_heads=n_heads,
            n_outputs=10 if task == "classification" else self.n_bins,
            task=task,
            weights=weights,
            seed=seed,
            activation_checkpointing=activation_checkpointing,
            native=native,
            max_context_rows=max_context_rows,
            max_columns=max_columns,
        )
        self.max_classes = max_classes
        if weights in HUB:
            announce(f"Mitra weights {weights}", HUB[weights].licence, accepted=True)

    @classmethod
    def starting_checksum(cls, arguments: Mapping[str, Any]) -> str | None:
        """Checksum of the random weights, drawn once more; None for those of a folder or hub."""
        drawn = "weights" in arguments and arguments["weights"] is None
        return of_module(cls(**arguments)) if drawn else None

    @property
    def limits(self) -> Limits:
        own = super().limits
        return replace(own, classes=max(own.classes, self.max_classes) if own.classes else 0)

    def arguments(self) -> dict[str, Any]:
        found = super().arguments() | {"weights": None, "max_classes": self.max_classes}
        return {name: found[name] for name in found if name != "n_outputs"}

    def origin(self) -> dict[str, str]:
        source = HUB.get(self._weights or "")
        known = super().origin()
        if source is None:
            return known
        named = f"{source.name}, from the hub repository {source.repository}"
        return known | {"weights": named, "licence": str(source.licence)}

    def forward(self, episode: Episode) -> Tensor:
        most = self._symbols(episode)
        if most:
            return decoded_logits(super().forward, episode, most, training=self.training)
        return super().forward(episode)

    def losses(self, episodes: Sequence[Episode]) -> Tensor:
        if any(self._symbols(episode) for episode in episodes):
            return Backbone.losses(self, episodes)
        return super().losses(episodes)

    def encode_context(self, episode: Episode) -> EncodedContext:
        most = self._symbols(episode)
        if most:
            return EncodedWords.of(super().encode_context, episode, most)
        return super().encode_context(episode)

    def context_bytes(self, episode: Episode) -> int:
        words = n_words(episode.n_classes, self.config.dim_output)
        return super().context_bytes(episode) * words

    def step_bytes(self, shape: StepShape) -> int | None:
        words = n_words(shape.n_classes, self.config.dim_output, training=shape.training)
        kept = self.context_bytes(shape.context())
        return self.network_bytes(shape.words(words) if words > 1 else shape, kept)

    def _symbols(self, episode: Episode) -> int:
        """Classes of the model where the episode has more; 0 where it has not."""
        return self.config.dim_output if episode.n_classes > self.config.dim_output else 0


class MitraV2(Mitra):
    """Mitra v2 (arXiv 2609.04540; 75.7 M parameters, Apache-2.0): larger tables, 1,000 bins.

    As in its package (mitra-finetune 0.3.0), a context of more than 32,768 rows is drawn from, with
    two classes 16,384 in equal numbers, and more than 256 columns are reduced: in classification to
    those that tell most about the target where most columns are continuous, in regression to
    principal components, both learned from the context (`reduction`). A regression is a
    distribution over 1,000 bins from -.5 to 1.5 of the context targets' range, of which the mean is
    predicted. More than 10 classes go through codes [our choice; the package builds a hierarchy].

    Args:
        weights: Name of pulled weights ("mitra-v2-classifier", "mitra-v2-regressor"), a folder in
            the official format, or a hub id. None starts from random weights of the sizes below.
        task: What the model predicts.
        dim: Width of the embedding, where weights is None.
        n_layers: Number of layers, where weights is None.
        n_heads: Attention heads, where weights is None.
        seed: Source of the random weights.
        activation_checkpointing: Trade time for memory in training.
        native: Compute the layers by kernels in C on a CPU, as `Tab2D`.
        max_columns: Limit on feature columns of the table [our choice].
        max_classes: Limit on classes.
        read_columns: Most columns that the model reads.

    Raises:
        WeightsError: If the weights are missing, cut, incompatible or for another task.
    """

    recommended: ClassVar[str | None] = "finetune/mitra-v2"

    n_bins = 1_000

    def __init__(
        self,
        weights: str | None = "mitra-v2-classifier",
        task: Literal["classification", "regression"] = "classification",
        dim: int = 512,
        n_layers: int = 12,
        n_heads: int = 4,
        seed: int = 0,
        activation_checkpointing: bool = False,
        native: bool = False,
        max_columns: int = 10_000,
        max_classes: int = 100,
        read_columns: int = MOST_COLUMNS,
    ) -> None:
        super().__init__(
            weights=weights,
            task=task,
            dim=dim,
            n_layers=n_layers,
            n_heads=n_heads,
            seed=seed,
            activation_checkpointing=activation_checkpointing,
            native=native,
            max_columns=max_columns,
            max_classes=max_classes,
        )
        self.read_columns = read_columns

    @property
    def limits(self) -> Limits:
        return replace(super().limits, context_rows=None)

    def arguments(self) -> dict[str, Any]:
        found = super().arguments() | {"read_columns": self.read_columns}
        return {name: found[name] for name in found if name != "max_context_rows"}

    def check(self, schema: Schema, n_context: int, *, n_columns: int | None = None) -> None:
        super().check(schema, n_context, n_columns=n_columns)
        columns = len(schema.features) if n_columns is None else n_columns
        most = MOST_ROWS_BINARY if schema.n_classes == 2 else MOST_ROWS
        for what, found, read in (
            ("context rows", n_context, most),
            ("feature columns", columns, self.read_columns),
        ):
            if found > read:
                warnings.warn(
                    f"MitraV2 reads at most {read} {what}, there are {found}: see its docstring "
                    "for how they are chosen",
                    stacklevel=2,
                )

    def forward(self, episode: Episode) -> Tensor:
        return super().forward(Reduction.of(episode, self.read_columns)(episode))

    def losses(self, episodes: Sequence[Episode]) -> Tensor:
        return super().losses([Reduction.of(e, self.read_columns)(e) for e in episodes])

    def encode_context(self, episode: Episode) -> EncodedContext:
        reduction = Reduction.of(episode, self.read_columns)
        return EncodedReduction(super().encode_context(reduction(episode)), reduction)

    def loss(self, output: Tensor, episode: Episode) -> Tensor:
        return super().loss(output, read_rows(episode))

    def predict(self, output: Tensor, episode: Episode) -> Tensor:
        return super().predict(output, read_rows(episode))

    def quantiles(self, output: Tensor, episode: Episode, levels: Sequence[float]) -> Tensor:
        return super().quantiles(output, read_rows(episode), levels)

    def step_bytes(self, shape: StepShape) -> int | None:
        if shape.n_classes and shape.columns > self.read_columns:
            return None  # how many of them are read hangs on their values
        most = MOST_ROWS_BINARY if shape.n_classes == 2 else MOST_ROWS
        rows, columns = min(shape.context_rows, most), min(shape.columns, self.read_columns)
        return super().step_bytes(replace(shape, context_rows=rows, columns=columns))

    def context_bytes(self, episode: Episode) -> int:
        rows, columns = episode.x_context.shape
        rows, columns = min(rows, MOST_ROWS), min(columns, self.read_columns)
        return super().context_bytes(replace(episode, x_context=episode.x_context[:rows, :columns]))
