"""The axial transformer as a backbone: this package's own architecture of small models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from lit_causalmix.backbones.axial.config import ARCHITECTURE, AxialConfig, read_config
from lit_causalmix.backbones.axial.inputs import standardisation
from lit_causalmix.backbones.axial.memory import step_bytes
from lit_causalmix.backbones.axial.network import AxialNetwork, Keys, initialise
from lit_causalmix.backbones.axial.targets import bin_edges, target_bins
from lit_causalmix.backbones.base import Backbone, EncodedContext, Limits
from lit_causalmix.backbones.batch import Batch, batches, check_classes, in_order
from lit_causalmix.backbones.bins import bin_mean, bin_quantiles
from lit_causalmix.backbones.folder import origin_of, read_weights, write
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.backbones.native import check
from lit_causalmix.episode import Episode
from lit_causalmix.episode_stack import class_counts
from lit_causalmix.errors import ConfigurationError, WeightsError
from lit_causalmix.seeding import derived_seed

_DEFAULT_OUTPUTS = {"classification": 10, "regression": 128}


@dataclass(frozen=True, eq=False)
class EncodedAxial:
    """What an axial transformer keeps of a context.

    Attributes:
        backbone: The model, with the weights of then.
        x_context: The rows, which cells of query rows are told of.
        keys: Keys and values of the context rows, in each layer.
    """

    backbone: AxialTransformer
    x_context: Tensor
    keys: list[Keys]

    def output(self, episode: Episode) -> Tensor:
        output = self.backbone.network.query(
            self.x_context[None].float(),
            episode.x_query[None].float(),
            episode.categorical[None],
            self.keys,
        )[0]
        return output[:, : episode.n_classes] if episode.is_classification else output


class AxialTransformer(Backbone):
    """Attention along columns and rows of cell embeddings, made for small tables and CPUs.

    Beside `Tab2D` (Mitra's), on whose plan it is: categories and gaps are told from numbers and
    columns from each other, values are read by size as well as by rank, attention is narrower than
    the cells, a layer has one MLP, and regression is a distribution over bins of the standardised
    target. Predictions do not depend on the order of context rows; no query row influences another.
    They depend a little on the order of columns and on which code stands for which category.

    The gradient in `x_query` is that of the values and of a smoothed quantile place
    (`tab2d.preprocessing.quantile_features`); none goes through codes of categories.

    Args:
        dim: Width of a cell.
        attention_dim: Width of attention, a multiple of `n_heads`.
        n_heads: Attention heads.
        n_layers: Number of layers.
        mlp_factor: Width of the MLP in units of `dim`.
        n_outputs: Most classes (default 10), or number of bins for regression (default 128).
        task: What the model predicts.
        weights: A folder that `save_pretrained` wrote. The sizes above then come from its
            `config.json`, and the arguments are not read; `task` must agree with it.
        seed: Source of the random weights where `weights` is None.
        activation_checkpointing: Trade time for memory in training.
        native: Let kernels in C compute attention and norms on a CPU, by one thread, which takes
            about half the time; they are compiled on this machine at the first use. Results differ
            from torch's by rounding.
        max_context_rows: Limit on context rows.
        max_columns: Limit on feature columns.

    Raises:
        ConfigurationError: If the sizes do not fit together, or not into native kernels, or there
            is no C compiler for these.
        WeightsError: If the weights are missing, cut, incompatible or for another task.
    """

    def __init__(
        self,
        dim: int = 64,
        attention_dim: int = 64,
        n_heads: int = 2,
        n_layers: int = 4,
        mlp_factor: int = 4,
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
        if weights is None:
            outputs = _DEFAULT_OUTPUTS.get(task, 1) if n_outputs is None else n_outputs
            self.config = AxialConfig(
                dim, attention_dim, n_heads, n_layers, mlp_factor, outputs, task
            )
            if problem := self.config.problem():
                raise ConfigurationError(f"AxialTransformer: {problem}")
        else:
            self.config = read_config(Path(weights).expanduser())
            if self.config.task != task:
                raise WeightsError(
                    f"the weights in {weights} are for {self.config.task}, the task is {task}: "
                    f"set the backbone's task to {self.config.task}, or choose other weights"
                )
        self.max_context_rows = max_context_rows
        self.max_columns = max_columns
        self._weights = weights
        # On the meta device nothing is drawn from torch's global generator.
        with torch.device("meta"):
            self.network = AxialNetwork(self.config)
        self.network.activation_checkpointing = activation_checkpointing
        self.network.native = native
        if native:
            sizes = self.config
            check("AxialTransformer", sizes.dim, sizes.attention_dim, sizes.n_heads)
        expected = self.network.state_dict()
        self.network.to_empty(device="cpu")
        if weights is None:
            initialise(self.network, torch.Generator().manual_seed(derived_seed(seed, "axial")))
        else:
            self.network.load_state_dict(read_weights(Path(weights).expanduser(), expected))

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike[str], **options: Any) -> Self:
        """Loads a model, of whichever task its `config.json` names.

        Args:
            source: A folder that `save_pretrained` wrote.
            **options: Constructor arguments other than sizes, task and weights.

        Raises:
            WeightsError: If the model is missing, cut or incompatible.
        """
        task: Any = read_config(Path(source).expanduser()).task
        return cls(task=task, weights=str(source), **options)

    def save_pretrained(
        self, folder: str | os.PathLike[str], dtype: torch.dtype = torch.float32
    ) -> None:
        """Writes `config.json` and `model.safetensors`; float16 halves the file."""
        settings = {"architecture": ARCHITECTURE, **asdict(self.config)}
        write(folder, settings, self.network.state_dict(), dtype)

    def arguments(self) -> dict[str, Any]:
        limits = {"max_context_rows": self.max_context_rows, "max_columns": self.max_columns}
        return asdict(self.config) | limits

    def origin(self) -> dict[str, str]:
        return origin_of(self._weights)

    @property
    def _classifies(self) -> bool:
        return self.config.task == "classification"

    @property
    def differentiable(self) -> bool:
        return True

    @property
    def limits(self) -> Limits:
        return Limits(
            context_rows=self.max_context_rows,
            columns=self.max_columns,
            classes=self.config.n_outputs if self._classifies else 0,
            regression=not self._classifies,
        )

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Returns "embedding", "layers" and "head"."""
        net = self.network
        return {
            "embedding": [*net.cell.parameters(), *net.target.parameters()],
            "layers": list(net.layers.parameters()),
            "head": [*net.head_norm.parameters(), *net.head.parameters()],
        }

    def forward(self, episode: Episode) -> Tensor:
        """Predicts the query rows: logits of the classes (Q, n_classes) or bins (Q, n_outputs).

        Raises:
            LimitError: If the episode's task or number of classes is not the model's.
        """
        self._check_classes(episode.n_classes)
        output = self._output(batches([episode])[0])[0]
        return output[:, : episode.n_classes] if self._classifies else output

    def encode_context(self, episode: Episode) -> EncodedContext:
        self._check_classes(episode.n_classes)
        return EncodedAxial(
            self,
            episode.x_context,
            self.network.encode(
                episode.x_context[None].float(),
                self._known_target(episode.y_context[None]),
                episode.categorical[None],
            ),
        )

    def context_bytes(self, episode: Episode) -> int:
        rows, columns = episode.x_context.shape
        cells = rows * ((self.config.n_layers - 1) * (columns + 1) + 1)  # the last: targets alone
        return 8 * self.config.attention_dim * cells

    def step_bytes(self, shape: StepShape) -> int | None:
        return self.network_bytes(shape, self.context_bytes(shape.context()))

    def network_bytes(self, shape: StepShape, kept: int) -> int | None:
        """`step_bytes` of the network, where so many bytes of an encoded context are kept."""
        if self.network.native and shape.training:
            return None  # its kernels keep other things
        return step_bytes(self.config, shape, kept)

    def loss(self, output: Tensor, episode: Episode) -> Tensor:
        """Cross-entropy over classes or bins."""
        if self._classifies:
            return super().loss(output, episode)
        mean, deviation = standardisation(episode.y_context.float(), dim=-1)
        bins = target_bins((episode.y_query.float() - mean) / deviation, self.config.n_outputs)
        return nn.functional.cross_entropy(output.float(), bins)

    def losses(self, episodes: Sequence[Episode]) -> Tensor:
        """`loss` of each episode, (B,): one pass for all of equal shape."""
        for n_classes in set(class_counts(episodes)):
            self._check_classes(n_classes)
        groups = batches(episodes)
        return in_order(map(self._batch_losses, groups), groups)

    def _batch_losses(self, batch: Batch) -> Tensor:
        output = self._output(batch).float()
        if self._classifies:
            index = torch.arange(self.config.n_outputs, device=output.device)
            output = output.masked_fill(index >= batch.n_classes, -torch.inf)
            target = batch.rows.y_query
        else:
            mean, deviation = standardisation(batch.rows.y_context.float(), dim=-1)
            target = target_bins((batch.rows.y_query - mean) / deviation, self.config.n_outputs)
        errors = nn.functional.cross_entropy(output.mT, target, reduction="none")
        return (errors * batch.weight).sum(dim=1)

    def predict(self, output: Tensor, episode: Episode) -> Tensor:
        if not self._classifies:
            mean, deviation = standardisation(episode.y_context.float(), dim=-1)
            edges = bin_edges(self.config.n_outputs, output.device)
            output = mean + deviation * bin_mean(output, edges)
        return super().predict(output, episode)

    def quantiles(self, output: Tensor, episode: Episode, levels: Sequence[float]) -> Tensor:
        if self._classifies:
            return super().quantiles(output, episode, levels)
        mean, deviation = standardisation(episode.y_context.float(), dim=-1)
        edges = bin_edges(self.config.n_outputs, output.device)
        found = mean + deviation * bin_quantiles(output, edges, torch.tensor(levels))
        return episode.y_location + episode.y_scale * found.double()

    def _output(self, batch: Batch) -> Tensor:
        rows = batch.rows
        y_context = self._known_target(rows.y_context)
        output: Tensor = self.network(rows.x_context, y_context, rows.x_query, rows.categorical)
        return output

    def _known_target(self, y_context: Tensor) -> Tensor:
        """Context targets (B, R) as the network knows them."""
        if self._classifies:
            return y_context
        mean, deviation = standardisation(y_context.float(), dim=-1)
        return (y_context.float() - mean) / deviation

    def _check_classes(self, n_classes: int) -> None:
        check_classes("AxialTransformer", self.config.task, self.config.n_outputs, n_classes)
