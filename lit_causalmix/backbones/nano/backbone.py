"""The embedded foundation model as a backbone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from lit_causalmix.backbones.base import Backbone, EncodedContext, Limits
from lit_causalmix.backbones.columns import (
    EncodedColumns,
    keep_columns,
    kept_columns,
    only_columns,
)
from lit_causalmix.backbones.many_classes import EncodedWords, decoded_logits, n_words
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.backbones.nano.versions import HALVES, LATEST, VERSIONS, Half
from lit_causalmix.backbones.nano.views import EncodedViews, View, views
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_tensors
from lit_causalmix.tables.schema import Schema


class Nano(Backbone):
    """The model that comes with the package: no download, classification and regression.

    It holds a classifier and a regressor, each pre-trained here on random tasks (see the model card
    in `embedded/`), and uses the one that the table needs. What exceeds them:

    - Columns: of more than `read_columns`, each context chooses the ones that its targets tell most
      about, one at a time (`columns`), with a warning.
    - Classes: more than 10 are predicted through error-correcting codes (`many_classes`), in 8
      forward passes, of which a step of training takes 2; pre-training saw at most 10.
    - Rows: more context rows than `max_context_rows` are refused, with the setting that takes a
      stratified subsample.

    Args:
        version: Generation of the weights: 3 and 2 (two `AxialTransformer` each), or 1 (two
            `Tab2D`). Results name the one that they were measured with.
        max_context_rows: Limit on context rows. Memory and time of attention over rows grow with
            its square.
        max_columns: Limit on feature columns of the table.
        read_columns: Most feature columns that one forward pass reads.
        max_classes: Limit on classes.
        n_ensemble: Views of the table whose logits are averaged in evaluation: signs of the
            features, order of the classes, sign of the target (`views`); null takes 1 for version
            3, 2 for version 2 and 4 for version 1. Training uses the table as it is alone.
        permute_codes: Whether further views also permute the codes of categories without an order.
            Version 1 reads codes as numbers otherwise.
        activation_checkpointing: Trade time for memory in training.
        native: Let kernels in C compute attention and norms on a CPU; see `AxialTransformer`.

    Raises:
        ConfigurationError: If there is no such version, `n_ensemble` or `read_columns` is below 1,
            or native kernels cannot be compiled.
    """

    recommended: ClassVar[str | None] = "finetune/nano"

    def __init__(
        self,
        version: Literal[1, 2, 3] = 3,
        max_context_rows: int = 2_048,
        max_columns: int = 2_000,
        read_columns: int = 64,
        max_classes: int = 100,
        n_ensemble: int | None = None,
        activation_checkpointing: bool = False,
        permute_codes: bool = True,
        native: bool = False,
    ) -> None:
        super().__init__()
        if version not in VERSIONS:
            raise ConfigurationError(
                f"version must be one of {', '.join(map(str, VERSIONS))}, got {version!r}"
            )
        self.version = version
        self.read_columns = read_columns
        self.n_ensemble = VERSIONS[version].n_ensemble if n_ensemble is None else n_ensemble
        self.permute_codes = permute_codes
        for name, value in (("n_ensemble", self.n_ensemble), ("read_columns", read_columns)):
            if value < 1:
                raise ConfigurationError(f"{name} must be >= 1, got {value}")
        options = {"activation_checkpointing": activation_checkpointing, "native": native}
        own = VERSIONS[version]
        self.classifier = own.load("classification", **options)
        self.regressor = own.load("regression", **options)
        self._used = ""  # the half's name; the module itself would register a second time
        self._limits = Limits(max_context_rows, max_columns, max_classes, regression=True)

    @classmethod
    def rebuilt(cls, arguments: Mapping[str, Any]) -> Self:
        """As any backbone; what was kept before there were versions is of the first."""
        return cls(**{"version": 1, **arguments})

    @classmethod
    def starting_checksum(cls, arguments: Mapping[str, Any]) -> str | None:
        """Checksum of the two embedded models of a version, whatever the other arguments."""
        own = VERSIONS.get(arguments.get("version", LATEST))
        if own is None:
            return None  # building it refuses
        return of_tensors(
            {
                f"{half}.network.{name}": tensor
                for half, task in HALVES.items()
                for name, tensor in own.tensors(task).items()
            }
        )

    @property
    def differentiable(self) -> bool:
        return True

    @property
    def limits(self) -> Limits:
        return self._limits

    def check(self, schema: Schema, n_context: int, *, n_columns: int | None = None) -> None:
        super().check(schema, n_context, n_columns=n_columns)
        columns = len(schema.features) if n_columns is None else n_columns
        if columns > self.read_columns:
            warnings.warn(
                f"Nano reads {self.read_columns} of the {columns} feature columns, those that tell "
                "most about the target in each context: choose them with data.table.drop, or raise "
                "the backbone's read_columns",
                stacklevel=2,
            )

    def specialise(self, schema: Schema) -> None:
        """Freezes the half that the task does not use, as distributed training insists on."""
        unused = self.regressor if schema.task.is_classification else self.classifier
        unused.requires_grad_(False)
        self._used = "classifier" if schema.task.is_classification else "regressor"

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the half that the table uses, for `AxialTransformer(weights=folder)`.

        Version 1 writes the official format, for `Tab2D(weights=folder)`.

        Raises:
            ConfigurationError: Before a table has told which half that is.
        """
        if not self._used:
            raise ConfigurationError(
                "Nano does not know yet which half to save: call specialise(schema) first, or save "
                "its classifier or regressor"
            )
        half = self.classifier if self._used == "classifier" else self.regressor
        half.save_pretrained(folder)

    def forward(self, episode: Episode) -> Tensor:
        """Predicts the query rows: logits (Q, n_classes), or the regressor's output."""
        episode = keep_columns(episode, self.read_columns)
        most = VERSIONS[self.version].classes
        if episode.n_classes > most:
            return decoded_logits(self._averaged, episode, most, training=self.training)
        return self._averaged(episode)

    def _averaged(self, episode: Episode) -> Tensor:
        """The output of the half that fits, averaged over the views."""
        half = self._half(episode)
        chosen = self._views(1 if self.training else self.n_ensemble, episode)
        outputs = [view.restore(half(view.apply(episode)), episode) for view in chosen]
        return torch.stack(outputs).mean(dim=0)

    def _views(self, n_views: int, episode: Episode) -> list[View]:
        return views(n_views, episode, permute_codes=self.permute_codes)

    def encode_context(self, episode: Episode) -> EncodedContext:
        kept = kept_columns(episode, self.read_columns)
        episode = only_columns(episode, kept)
        most = VERSIONS[self.version].classes
        encoded: EncodedContext
        if episode.n_classes > most:
            encoded = EncodedWords.of(self._encoded_views, episode, most)
        else:
            encoded = self._encoded_views(episode)
        return encoded if kept is None else EncodedColumns(encoded, kept)

    def context_bytes(self, episode: Episode) -> int:
        read = replace(episode, x_context=episode.x_context[:, : self.read_columns])
        n_passes = self.n_ensemble * self._words(episode.n_classes)
        return self._half(episode).context_bytes(read) * n_passes

    def step_bytes(self, shape: StepShape) -> int | None:
        context, words = shape.context(), self._words(shape.n_classes, training=shape.training)
        read = replace(shape, columns=min(shape.columns, self.read_columns))
        read = read.words(words)  # also of one word: tables pass one by one
        return self._half(context).network_bytes(read, self.context_bytes(context))

    def _words(self, n_classes: int, *, training: bool = False) -> int:
        return n_words(n_classes, VERSIONS[self.version].classes, training=training)

    def _encoded_views(self, episode: Episode) -> EncodedViews:
        half = self._half(episode)
        chosen = self._views(self.n_ensemble, episode)
        return EncodedViews([(view, half.encode_context(view.apply(episode))) for view in chosen])

    def loss(self, output: Tensor, episode: Episode) -> Tensor:
        return self._half(episode).loss(output, episode)

    def predict(self, output: Tensor, episode: Episode) -> Tensor:
        return self._half(episode).predict(output, episode)

    def quantiles(self, output: Tensor, episode: Episode, levels: Sequence[float]) -> Tensor:
        return self._half(episode).quantiles(output, episode, levels)

    def arguments(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "max_context_rows": self._limits.context_rows,
            "max_columns": self._limits.columns,
            "read_columns": self.read_columns,
            "max_classes": self._limits.classes,
            "n_ensemble": self.n_ensemble,
            "permute_codes": self.permute_codes,
        }

    def origin(self) -> dict[str, str]:
        name = f"Nano version {self.version}, embedded in lit-causalmix"
        return {"weights": name, "licence": "Apache-2.0"}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        first, second = self.classifier.parameter_groups(), self.regressor.parameter_groups()
        return {name: [*first[name], *second[name]] for name in first}

    def _half(self, episode: Episode) -> Half:
        return self.classifier if episode.is_classification else self.regressor
