"""The embedded foundation model: two small pre-trained Tab2D, one per kind of task."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lit_causalmix.backbones.base import Backbone, EncodedContext, Limits
from lit_causalmix.backbones.columns import (
    EncodedColumns,
    keep_columns,
    kept_columns,
    only_columns,
    permuted_codes,
)
from lit_causalmix.backbones.folder import WEIGHTS_FILE
from lit_causalmix.backbones.many_classes import EncodedWords, decoded_logits, n_words
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.backbones.tab2d import Tab2D
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_tensors
from lit_causalmix.tables.schema import Schema


def embedded_weights(task: str) -> Path:
    """The folder, in the official format, that the package carries for a task.

    Args:
        task: "classification" or "regression".
    """
    return Path(str(files("lit_causalmix.backbones"))) / "embedded" / f"nano-{task}"


class Nano(Backbone):
    """The model that comes with the package: no download, classification and regression.

    It holds a classifier and a regressor, each pre-trained here on random tasks (see the model card
    in `embedded/`), and uses the one that the table needs. What exceeds them:

    - Columns: of more than `read_columns`, each context chooses the ones that its targets tell most
      about, one at a time (`columns`), with a warning; pre-training saw at most 48 columns.
    - Classes: more than 10 are predicted through error-correcting codes (`many_classes`), in 8
      forward passes, of which a step of training takes 2; pre-training saw at most 10.
    - Rows: more context rows than `max_context_rows` are refused, with the setting that takes a
      stratified subsample; pre-training saw at most 512.

    Args:
        max_context_rows: Limit on context rows. Memory and time of attention over rows grow with
            its square.
        max_columns: Limit on feature columns of the table.
        read_columns: Most feature columns that one forward pass reads.
        max_classes: Limit on classes.
        n_ensemble: Views of the table whose logits (for regression without bins, values) are
            averaged in evaluation: signs of the features, order of the classes, sign of the target
            (`views`). Training uses the table as it is alone.
        permute_codes: Whether further views also permute the codes of categories without an order,
            which otherwise are read as numbers: so that a column declared `categorical` predicts
            otherwise than one declared `numerical`.
        activation_checkpointing: Trade time for memory in training.

    Raises:
        ConfigurationError: If `n_ensemble` or `read_columns` is below 1.
    """

    recommended: ClassVar[str | None] = "finetune/nano"

    def __init__(
        self,
        max_context_rows: int = 2_048,
        max_columns: int = 2_000,
        read_columns: int = 64,
        max_classes: int = 100,
        n_ensemble: int = 4,
        activation_checkpointing: bool = False,
        permute_codes: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (("n_ensemble", n_ensemble), ("read_columns", read_columns)):
            if value < 1:
                raise ConfigurationError(f"{name} must be >= 1, got {value}")
        self.read_columns = read_columns
        self.n_ensemble = n_ensemble
        self.permute_codes = permute_codes

        def load(task: str) -> Tab2D:
            return Tab2D.from_pretrained(
                embedded_weights(task), activation_checkpointing=activation_checkpointing
            )

        self.classifier = load("classification")
        self.regressor = load("regression")
        self._used = ""  # the half's name; the module itself would register a second time
        self._limits = Limits(max_context_rows, max_columns, max_classes, regression=True)

    @classmethod
    def starting_checksum(cls, arguments: Mapping[str, Any]) -> str | None:  # noqa: ARG003
        """Checksum of the two embedded models, whatever the arguments."""
        halves = {"classifier": "classification", "regressor": "regression"}
        return of_tensors(
            {
                f"{half}.network.{name}": tensor
                for half, task in halves.items()
                for name, tensor in load_file(embedded_weights(task) / WEIGHTS_FILE).items()
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
        """Writes the half that the table uses in the official format, for `Tab2D(weights=folder)`.

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
        most = self.classifier.config.dim_output
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
        most = self.classifier.config.dim_output
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
        return n_words(n_classes, self.classifier.config.dim_output, training=training)

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
            "max_context_rows": self._limits.context_rows,
            "max_columns": self._limits.columns,
            "read_columns": self.read_columns,
            "max_classes": self._limits.classes,
            "n_ensemble": self.n_ensemble,
            "permute_codes": self.permute_codes,
        }

    def origin(self) -> dict[str, str]:
        return {"weights": "Nano, embedded in lit-causalmix", "licence": "Apache-2.0"}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        first, second = self.classifier.parameter_groups(), self.regressor.parameter_groups()
        return {name: [*first[name], *second[name]] for name in first}

    def _half(self, episode: Episode) -> Tab2D:
        return self.classifier if episode.is_classification else self.regressor


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
