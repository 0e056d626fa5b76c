"""Tab2D, the architecture of Mitra, as a backbone: any size, classification or regression."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from lit_causalmix.backbones.base import Backbone, EncodedContext, Limits
from lit_causalmix.backbones.batch import Batch, check_classes, in_order
from lit_causalmix.backbones.bins import bin_mean, bin_quantiles
from lit_causalmix.backbones.folder import origin_of, read_weights, write
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.backbones.native import check
from lit_causalmix.backbones.tab2d.batch import stacks
from lit_causalmix.backbones.tab2d.encoded import EncodedTab2D
from lit_causalmix.backbones.tab2d.files import Tab2DConfig, locate, read_config
from lit_causalmix.backbones.tab2d.memory import MEMORY
from lit_causalmix.backbones.tab2d.network import Tab2DNetwork, initialise
from lit_causalmix.backbones.tab2d.preprocessing import (
    bin_edges,
    context_mean,
    filled,
    impute_and_drop_constant,
    target_bins,
    target_range,
    varying,
)
from lit_causalmix.episode import Episode
from lit_causalmix.episode_stack import class_counts
from lit_causalmix.errors import ConfigurationError, WeightsError
from lit_causalmix.files.digests import of_module
from lit_causalmix.seeding import derived_seed

_DEFAULT_OUTPUTS = {"classification": 10, "regression": 1}  # Mitra v1


class Tab2D(Backbone):
    """Attention over rows and over columns of cell embeddings (Mitra, arXiv 2510.21204).

    Inside `forward`, as in the official code: gaps take the context mean, columns constant in the
    context are left out, each column becomes its context quantile's place, standardised; regression
    targets are scaled to [0, 1] by the context's minimum and maximum. The official code also flips
    the sign of random columns and regression targets; this class does not.

    Predictions do not depend on the order of context rows or of columns, and no query row
    influences another. The gradient in `x_query` follows `preprocessing.quantile_features`.

    Args:
        dim: Width of the embedding, a multiple of `n_heads` (Mitra: 512).
        n_layers: Number of layers (Mitra: 12).
        n_heads: Attention heads (Mitra: 4).
        n_outputs: Most classes (default 10, as Mitra); for regression 1 (default; squared error,
            Mitra v1) or the number of bins (Mitra v2: 1000; cross-entropy, mean of the bins).
        task: What the model predicts.
        weights: A folder in the official format, or a hub id. The four sizes above then come from
            its `config.json`, and the arguments are not read; `task` must agree with it.
        seed: Source of the random weights where `weights` is None.
        activation_checkpointing: Trade time for memory in training.
        native: Compute the layers on a CPU by kernels in C, compiled where they run; one thread.
        max_context_rows: Limit on context rows; 10,000 is AutoGluon's bound for Mitra.
        max_columns: Limit on feature columns; 500 is AutoGluon's bound for Mitra.

    Raises:
        ConfigurationError: If the sizes do not fit together, or native kernels cannot be had.
        WeightsError: If the weights are missing, cut, incompatible or for another task.
    """

    def __init__(
        self,
        dim: int = 64,
        n_layers: int = 3,
        n_heads: int = 4,
        n_outputs: int | None = None,
        task: Literal["classification", "regression"] = "classification",
        weights: str | None = None,
        seed: int = 0,
        activation_checkpointing: bool = False,
        native: bool = False,
        max_context_rows: int = 10_000,
        max_columns: int = 500,
    ) -> None:
        super().__init__()
        folder = None if weights is None else locate(weights)
        if folder is None:
            outputs = _DEFAULT_OUTPUTS.get(task, 1) if n_outputs is None else n_outputs
            self.config = Tab2DConfig(dim, outputs, n_layers, n_heads, task.upper())
            if problem := self.config.problem():
                raise ConfigurationError(f"Tab2D: {problem}")
        else:
            self.config = read_config(folder)
            if self.config.task != task.upper():
                raise WeightsError(
                    f"the weights in {folder} are for {self.config.task.lower()}, the task is "
                    f"{task}: set the backbone's task to {self.config.task.lower()}, or choose "
                    "other weights"
                )
        self.max_context_rows = max_context_rows
        self.max_columns = max_columns
        self._weights = weights
        own = self.config
        # On the meta device nothing is drawn from torch's global generator.
        with torch.device("meta"):
            self.network = Tab2DNetwork(
                own.dim, own.dim_output, own.n_layers, own.n_heads, classification=self._classifies
            )
        self.network.activation_checkpointing = activation_checkpointing
        self.network.native = native
        if native:
            check("Tab2D", own.dim, own.dim, own.n_heads)
        expected = self.network.state_dict()
        self.network.to_empty(device="cpu")
        if folder is None:
            initialise(self.network, torch.Generator().manual_seed(derived_seed(seed, "tab2d")))
        else:
            self.network.load_state_dict(read_weights(folder, expected))

    @classmethod
    def starting_checksum(cls, arguments: Mapping[str, Any]) -> str | None:
        """Checksum of the random weights, drawn once more; None for those of a folder or hub."""
        return None if arguments.get("weights") else of_module(cls(**arguments))

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike[str], **options: Any) -> Self:
        """Loads a model, of whichever task its `config.json` names.

        Args:
            source: A folder (no network access), or a hub id such as "autogluon/mitra-classifier".
            **options: Constructor arguments other than sizes, task and weights.

        Raises:
            WeightsError: If the model is missing, cut or incompatible.
        """
        folder = locate(source)
        task: Any = read_config(folder).task.lower()
        return cls(task=task, weights=str(folder), **options)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes the official `config.json` and `model.safetensors` (float32)."""
        write(folder, vars(self.config), self.network.state_dict())

    def arguments(self) -> dict[str, Any]:
        return {
            "dim": self.config.dim,
            "n_layers": self.config.n_layers,
            "n_heads": self.config.n_heads,
            "n_outputs": self.config.dim_output,
            "task": self.config.task.lower(),
            "max_context_rows": self.max_context_rows,
            "max_columns": self.max_columns,
        }

    def origin(self) -> dict[str, str]:
        return origin_of(self._weights)

    @property
    def _classifies(self) -> bool:
        return self.config.task == "CLASSIFICATION"

    @property
    def differentiable(self) -> bool:
        return True

    @property
    def limits(self) -> Limits:
        return Limits(
            context_rows=self.max_context_rows,
            columns=self.max_columns,
            classes=self.config.dim_output if self._classifies else 0,
            regression=not self._classifies,
        )

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Returns "embedding", "layers" and "head"."""
        net = self.network
        return {
            "embedding": [*net.x_embedding.parameters(), *net.y_embedding.parameters()],
            "layers": list(net.layers.parameters()),
            "head": [*net.final_layer_norm.parameters(), *net.final_layer.parameters()],
        }

    def forward(self, episode: Episode) -> Tensor:
        """Predicts the query rows.

        Returns:
            Classification: logits (Q, n_classes). Regression: (Q,) in standardised target units,
            or with bins their logits (Q, n_outputs).

        Raises:
            LimitError: If the episode's task or number of classes is not the model's.
        """
        self._check_classes(episode.n_classes)
        x_context, x_query = impute_and_drop_constant(episode.x_context, episode.x_query)
        y_context = self._known_target(episode.y_context)
        output: Tensor = self.network(x_context[None], y_context[None], x_query[None])[0]
        return self.finished(output, episode)

    def finished(self, output: Tensor, episode: Episode) -> Tensor:
        """Turns the network's output for one table, (Q, dim_output), into that of `forward`."""
        if self._classifies:
            return output[:, : episode.n_classes]
        if self.config.dim_output == 1:
            low, span = target_range(episode.y_context)
            return low + span * output[:, 0].float()
        return output

    def encode_context(self, episode: Episode) -> EncodedContext:
        self._check_classes(episode.n_classes)
        mean = context_mean(episode.x_context)
        x_context = filled(episode.x_context, mean)
        varies = varying(x_context)
        y_context = self._known_target(episode.y_context)
        encoded = self.network.encode(x_context[None, :, varies], y_context[None])
        return EncodedTab2D(self, mean, varies, encoded)

    def context_bytes(self, episode: Episode) -> int:
        rows, columns = episode.x_context.shape
        return 8 * self.config.n_layers * self.config.dim * rows * (columns + 1)

    def step_bytes(self, shape: StepShape) -> int | None:
        return self.network_bytes(shape, self.context_bytes(shape.context()))

    def network_bytes(self, shape: StepShape, kept: int) -> int:
        """`step_bytes` of the network, where so many bytes of an encoded context are kept."""
        sizes = (self.config.dim, self.config.n_layers, shape.columns + 1)
        return MEMORY[shape.precision].at_most(shape, *sizes, kept=kept)

    def loss(self, output: Tensor, episode: Episode) -> Tensor:
        """Training loss: cross-entropy over classes or bins, or squared error.

        The error is in standardised units, where all tables weigh alike; the official code has it
        in units of the context's range [our choice, the same up to a factor per table].
        """
        if self._classifies or self.config.dim_output == 1:
            return super().loss(output, episode)
        y_query = self._scaled_target(episode.y_query, *target_range(episode.y_context))
        return nn.functional.cross_entropy(output.float(), y_query)

    def losses(self, episodes: Sequence[Episode]) -> Tensor:
        """`loss` of each episode, (B,): one pass for all of equal shape."""
        for n_classes in set(class_counts(episodes)):
            self._check_classes(n_classes)
        groups = stacks(episodes)
        return in_order(map(self._batch_losses, groups), groups)

    def _batch_losses(self, batch: Batch) -> Tensor:
        rows = batch.rows
        y_context = self._known_target(rows.y_context)
        output: Tensor = self.network(rows.x_context, y_context, rows.x_query).float()
        low, span = target_range(rows.y_context)
        if self.config.dim_output == 1:
            errors = (low + span * output[..., 0] - rows.y_query).square()
        elif self._classifies:
            index = torch.arange(self.config.dim_output, device=output.device)
            output = output.masked_fill(index >= batch.n_classes, -torch.inf)
            errors = nn.functional.cross_entropy(output.mT, rows.y_query, reduction="none")
        else:
            bins = self._scaled_target(rows.y_query, low, span)
            errors = nn.functional.cross_entropy(output.mT, bins, reduction="none")
        return (errors * batch.weight).sum(dim=1)

    def predict(self, output: Tensor, episode: Episode) -> Tensor:
        if not self._classifies and self.config.dim_output > 1:
            low, span = target_range(episode.y_context)
            edges = bin_edges(self.config.dim_output, output.device)
            output = low + span * bin_mean(output, edges)
        return super().predict(output, episode)

    def quantiles(self, output: Tensor, episode: Episode, levels: Sequence[float]) -> Tensor:
        if self._classifies or self.config.dim_output == 1:
            return super().quantiles(output, episode, levels)
        low, span = target_range(episode.y_context)
        edges = bin_edges(self.config.dim_output, output.device)
        found = low + span * bin_quantiles(output, edges, torch.tensor(levels))
        return episode.y_location + episode.y_scale * found.double()

    def _known_target(self, y_context: Tensor) -> Tensor:
        """Returns context targets (..., R) as the network knows them: classes, [0, 1] or bins."""
        if self._classifies:
            return y_context
        return self._scaled_target(y_context, *target_range(y_context))

    def _scaled_target(self, y: Tensor, low: Tensor, span: Tensor) -> Tensor:
        """Returns regression targets in units of the context's range, or their bin."""
        scaled = (y.float() - low) / span
        n_bins = self.config.dim_output
        return scaled if n_bins == 1 else target_bins(scaled, n_bins)

    def _check_classes(self, n_classes: int) -> None:
        check_classes("Tab2D", self.config.task.lower(), self.config.dim_output, n_classes)
