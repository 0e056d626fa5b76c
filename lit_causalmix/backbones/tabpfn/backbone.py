"""TabPFN v2 and later as a backbone: the package's architecture, preprocessing and bars."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from lit_causalmix.backbones.axial.inputs import standardisation
from lit_causalmix.backbones.base import Backbone, EncodedContext, Limits
from lit_causalmix.backbones.extras import needed
from lit_causalmix.backbones.folder import WEIGHTS_FILE, origin_of
from lit_causalmix.backbones.memory import MOST_BYTES, StepShape
from lit_causalmix.backbones.present import numbered, spread
from lit_causalmix.backbones.tabpfn.checkpoint import (
    V2,
    Checkpoint,
    TabPFNSizes,
    blank,
    build,
    find,
    random_checkpoint,
    write,
)
from lit_causalmix.backbones.tabpfn.encoded import EncodedTabPFN
from lit_causalmix.backbones.tabpfn.member import Member, fit_member
from lit_causalmix.backbones.tabpfn.memory import step_bytes
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, LimitError
from lit_causalmix.weights.licences import announce


class TabPFN(Backbone):
    """TabPFN v2 (Hollmann et al., Nature 2025) and later, from the package `tabpfn`.

    Network, preprocessing, softmax temperature and the distribution over bars are the package's;
    predictions are those of `TabPFNRegressor` and `TabPFNClassifier` with one estimator, and
    training sees that same view. Preprocessing is learned from the context rows of each episode and
    has no gradient, so none reaches `x_query`: adversarial evaluation is refused. A context's
    target is standardised by its own mean and deviation. Predictions depend on the order of
    columns, which the package shuffles. A class that the context does not show gets a millionth.

    Weights are never fetched silently, nor is anything asked for: a name has to be pulled before, a
    hub id is fetched because it was given. Their licence is printed before they are used first.

    Args:
        weights: Name of pulled weights, a file in an official format, a folder that
            `save_pretrained` wrote, or a hub id "owner/repository/file". None starts from a random
            TabPFN v2.
        task: What the model predicts.
        accept_license: Whether you accept a licence for non-commercial use (weights after v2).
        sizes: Sizes of a randomly initialised network; only where weights is None.
        max_context_rows: Limit on context rows; None takes that of the weights (v2: 10,000).
        max_columns: Limit on feature columns; None takes that of the weights (v2: 500).
        activation_checkpointing: Trade time for memory in training.
        seed: Of the random parameters, where weights is None.

    Raises:
        ConfigurationError: If the package is missing, or sizes are given beside weights.
        WeightsError: If the weights are missing, cut, incompatible, for another task, or under a
            licence that is not accepted.
    """

    borders: Tensor | None

    def __init__(
        self,
        weights: str | None = "tabpfn-v2-regressor",
        task: Literal["classification", "regression"] = "regression",
        accept_license: bool = False,
        sizes: TabPFNSizes | None = None,
        max_context_rows: int | None = None,
        max_columns: int | None = None,
        activation_checkpointing: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        needed("tabpfn", extra="tabpfn")
        regression = task == "regression"
        if weights is None:
            checkpoint = random_checkpoint(sizes or TabPFNSizes(), regression=regression, seed=seed)
        else:
            if sizes is not None:
                raise ConfigurationError(
                    f"the weights {weights!r} bring their own sizes: leave sizes out, or set "
                    "weights to null for a randomly initialised network"
                )
            checkpoint = find(weights)
            announce(f"TabPFN weights {weights}", checkpoint.licence, accepted=accept_license)
        self.task = task
        self.activation_checkpointing = activation_checkpointing
        self._weights = weights
        self._take(checkpoint, max_context_rows, max_columns)

    def _take(
        self, checkpoint: Checkpoint, max_context_rows: int | None, max_columns: int | None
    ) -> None:
        """Builds the network of a checkpoint; limits that are None are its own."""
        regression = self.task == "regression"
        self.checkpoint = Checkpoint(
            checkpoint.architecture, checkpoint.config, {}, checkpoint.inference
        )
        self.network, borders, self.inference_config = build(checkpoint, regression=regression)
        self.register_buffer("borders", borders)
        own = self.inference_config
        self._limits = Limits(
            context_rows=max_context_rows or own.MAX_NUMBER_OF_SAMPLES,
            columns=max_columns or own.MAX_NUMBER_OF_FEATURES,
            classes=0 if regression else own.MAX_NUMBER_OF_CLASSES,
            regression=regression,
        )

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes `model.safetensors` in the official format, for `tabpfn` and `weights`."""
        tensors = dict(self.network.state_dict())
        if self.borders is not None and not any(n.endswith("regression_borders") for n in tensors):
            tensors["criterion.borders"] = self.borders
            # The package counts losses per bar while it trains, and wants to load the counts.
            tensors["criterion.losses_per_bucket"] = torch.zeros_like(self.borders[1:])
        whole = Checkpoint(self.checkpoint.architecture, self.checkpoint.config, tensors)
        write(Path(folder) / WEIGHTS_FILE, whole, self.inference_config)

    def arguments(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "max_context_rows": self._limits.context_rows,
            "max_columns": self._limits.columns,
            "checkpoint": {
                "architecture": self.checkpoint.architecture,
                "config": self.checkpoint.config,
                "inference": self.checkpoint.inference,
            },
        }

    @classmethod
    def rebuilt(cls, arguments: Mapping[str, Any]) -> Self:
        task, kept = arguments["task"], Checkpoint(**arguments["checkpoint"], tensors={})
        limits = (arguments["max_context_rows"], arguments["max_columns"])
        backbone = cls(None, task, sizes=TabPFNSizes(dim=8, n_heads=1, n_layers=1, n_buckets=2))
        backbone._take(blank(kept, regression=task == "regression"), *limits)
        return backbone

    def origin(self) -> dict[str, str]:
        known = origin_of(self._weights)
        return known if self._weights is None else known | {"licence": str(self.checkpoint.licence)}

    @property
    def limits(self) -> Limits:
        return self._limits

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Returns "embedding", "layers" and "head"."""
        groups: dict[str, list[nn.Parameter]] = {"embedding": [], "layers": [], "head": []}
        for name, child in self.network.named_children():
            in_head = any(part in name for part in ("output", "decoder", "heads"))
            kind = "head" if in_head else "layers" if name.endswith("blocks") else "embedding"
            groups[kind] += child.parameters()
        return groups

    def forward(self, episode: Episode) -> Tensor:
        """Predicts the query rows.

        Returns:
            Logits at the package's temperature: of the classes (Q, n_classes), or of the bars of a
            context's own standardised target (Q, n_buckets); float32.

        Raises:
            LimitError: If the episode's task or number of classes is not the model's.
        """
        self._check_episode(episode)
        member, present = self._member(episode)
        x, categorical = member.rows(episode.x_query)
        output = self.run(x, member.y, categorical, episode)
        return self.finished(output, member, present, episode)

    def encode_context(self, episode: Episode) -> EncodedContext:
        """What the package's estimators keep with `fit_mode="fit_with_cache"`."""
        if not self._caches:
            return super().encode_context(episode)
        self._check_episode(episode)
        member, present = self._member(episode)
        x, categorical = member.rows(episode.x_context[:1])  # the package takes no table of 0 rows
        context = x[: len(member.y)]
        _, cache = self.run(context, member.y, categorical, episode, return_kv_cache=True)
        return EncodedTabPFN(self, member, present, cache)

    def context_bytes(self, episode: Episode) -> int:
        """A bound: every version keeps at most this for each of its layers."""
        if not self._caches:
            return 0
        config, (rows, columns) = self.checkpoint.config, episode.x_context.shape
        width = int(config.get("emsize", config.get("embed_dim", 192)))
        return 8 * int(config.get("nlayers", 24)) * width * rows * (2 * columns + 2)

    def step_bytes(self, shape: StepShape) -> int | None:
        if self.checkpoint.architecture != V2:
            return None
        keeps = shape.encoded and self.context_bytes(shape.context()) <= MOST_BYTES
        return step_bytes(self.checkpoint.config, replace(shape, encoded=keeps, apart=True))

    @property
    def _caches(self) -> bool:
        return "return_kv_cache" in inspect.signature(self.network.forward).parameters

    def run(
        self, x: Tensor, y: Tensor | None, categorical: list[int], episode: Episode, **cache: Any
    ) -> Any:
        """The package's network over rows (N, P) behind preprocessing."""
        options = needed("tabpfn.architectures.interface", extra="tabpfn").PerformanceOptions(
            force_recompute_layer=self.activation_checkpointing and torch.is_grad_enabled()
        )
        return self.network(
            x[:, None],
            y,
            only_return_standard_out=True,
            categorical_inds=[categorical],
            performance_options=options,
            task_type="multiclass" if episode.is_classification else "regression",
            **cache,
        )

    def finished(self, output: Tensor, member: Member, present: Tensor, episode: Episode) -> Tensor:
        """Turns the network's output, (Q, 1, …), into that of `forward`."""
        logits: Tensor = output[:, 0].float() / self.inference_config.SOFTMAX_TEMPERATURE
        if not episode.is_classification:
            return logits
        if member.class_order is not None:
            logits = logits[:, member.class_order]
        return spread(logits[:, : len(present)], present, episode.n_classes)

    def loss(self, output: Tensor, episode: Episode) -> Tensor:
        """Cross-entropy, or the negative logarithm of the density that the bars give the target.

        The density is that of the context's standardised target, as in the package's fine-tuning.
        """
        if episode.is_classification:
            return super().loss(output, episode)
        mean, deviation = standardisation(episode.y_context.float(), dim=0)
        target = (episode.y_query.float() - mean) / deviation
        loss: Tensor = self._bars()(output.float(), target).mean()
        return loss

    def predict(self, output: Tensor, episode: Episode) -> Tensor:
        if not episode.is_classification:
            mean, deviation = standardisation(episode.y_context.float(), dim=0)
            output = mean + deviation * self._bars().mean(output.float())
        return super().predict(output, episode)

    def quantiles(self, output: Tensor, episode: Episode, levels: Sequence[float]) -> Tensor:
        if self.borders is None:
            return super().quantiles(output, episode, levels)
        mean, deviation = standardisation(episode.y_context.float(), dim=0)
        bars = self._bars()
        found = torch.stack([bars.icdf(output.float(), level) for level in levels], dim=1)
        return episode.y_location + episode.y_scale * (mean + deviation * found).double()

    def _bars(self) -> Any:
        # Made anew: the package's class counts its losses in a buffer.
        module = needed("tabpfn.architectures.shared.bar_distribution", extra="tabpfn")
        return module.FullSupportBarDistribution(self.borders)

    def _member(self, episode: Episode) -> tuple[Member, Tensor]:
        """The package's view of a context, and the classes that it shows."""
        y, present = episode.y_context, episode.y_context[:0]
        if episode.is_classification:
            present, y = numbered(y)
        else:
            mean, deviation = standardisation(y.float(), dim=0)
            y = (y.float() - mean) / deviation
        member = fit_member(
            episode.x_context,
            y,
            episode.categorical,
            self.inference_config,
            n_classes=len(present),
        )
        return member, present

    def _check_episode(self, episode: Episode) -> None:
        most = self.limits.classes or 0
        if episode.is_classification != (self.task == "classification"):
            raise LimitError(
                f"this TabPFN is for {self.task}, the episode for the other task: set the "
                "backbone's task, and its weights"
            )
        if episode.n_classes > most:
            raise LimitError(
                f"this TabPFN takes at most {most} classes, the episode has {episode.n_classes}"
            )
