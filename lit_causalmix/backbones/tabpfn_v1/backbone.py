"""TabPFN v1, a classifier over small tables, with its official weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any, Self

import torch
from torch import Tensor, nn

from lit_causalmix.backbones.base import Backbone, Limits
from lit_causalmix.backbones.folder import origin_of
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.backbones.tabpfn_v1.memory import MEMORY
from lit_causalmix.backbones.tabpfn_v1.network import (
    Keys,
    TabPFNV1Architecture,
    network_from,
    random_network,
)
from lit_causalmix.backbones.tabpfn_v1.preprocessing import preprocess
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, LimitError, WeightsError
from lit_causalmix.seeding import rng
from lit_causalmix.weights import REGISTRY, load

TEMPERATURE = 0.8
"""The published predictions divide the logits by this."""

_STARTING = {"tabpfn-v1": "baf76739181fdad52c18ddea27e5d3d87b01bb70dd3ae37dca4fcbec720582a0"}
"""Checksum of the network by the name of the official weights, which are pinned by their SHA-256
(`weights.registry`): it is known before they are pulled."""


@dataclass(frozen=True)
class Member:
    """One view of a table in an ensemble.

    Attributes:
        class_shift: Added to each class index, modulo the number of classes.
        feature_shift: Places by which the varying columns are rotated to the left.
        power: Whether columns are made more Gaussian first.
    """

    class_shift: int = 0
    feature_shift: int = 0
    power: bool = False

    def restored(self, output: Tensor, n_classes: int) -> Tensor:
        """The network's output (Q, …) as logits of the table's own classes, (Q, n_classes)."""
        shifted = output[:, :n_classes].float() / TEMPERATURE
        return shifted.roll(-self.class_shift, dims=1)


def ensemble_members(n_members: int, n_classes: int, n_columns: int) -> list[Member]:
    """Chooses the members of an ensemble.

    As published, shifts are drawn from all pairs without repetition, and each is used without
    and then with the power transformation. One member alone is the table as it is [our choice,
    as are the draws: the published ones hang on a global generator]. There are at most
    2 * n_classes * n_columns members.
    """
    if n_members == 1:
        return [Member()]
    shifts = list(product(range(n_classes), range(n_columns)))
    order = rng(0, "tabpfn-v1", "ensemble", n_classes, n_columns).permutation(len(shifts))
    chosen = [shifts[i] for i in order]
    return [Member(c, f, power) for c, f in chosen for power in (False, True)][:n_members]


@dataclass(frozen=True, eq=False)
class EncodedTabPFNV1:
    """What TabPFN v1 keeps of a context.

    Attributes:
        backbone: The model, with the weights of then.
        x_context: The rows, which the preprocessing of query rows learns from.
        members: The views, and keys and values of their context rows.
    """

    backbone: TabPFNV1
    x_context: Tensor
    members: list[tuple[Member, list[Keys]]]

    def output(self, episode: Episode) -> Tensor:
        network, width = self.backbone.network, self.backbone.architecture.n_features
        tables = {
            power: preprocess(self.x_context, episode.x_query, width=width, power=power)
            for power in {member.power for member, _ in self.members}
        }
        total = torch.zeros(episode.n_query, episode.n_classes, device=episode.x_query.device)
        for member, keys in self.members:
            x = tables[member.power][len(self.x_context) :].roll(-member.feature_shift, dims=1)
            total = total + member.restored(network.query(x[None], keys)[0], episode.n_classes)
        return total / len(self.members)


class TabPFNV1(Backbone):
    """TabPFN v1 (Hollmann et al., ICLR 2023, arXiv 2207.01848): in-context classification.

    Preprocessing, network and softmax temperature are those of the package tabpfn 0.1.11, whose
    probabilities it reproduces. Training and evaluation see the same single view of the table
    unless `n_ensemble` says otherwise.

    Args:
        weights: Name of pulled weights, or the path of a weight file. None starts from random
            parameters.
        architecture: Sizes of a randomly initialised network; only where weights is None.
        max_context_rows: Context rows that are accepted. The model was pre-trained on up to 1,024
            rows, and attention grows with the square of their number.
        n_ensemble: Views of the table whose logits are averaged in evaluation mode; the published
            default is 3. Training always uses one view.
        activation_checkpointing: Whether to save memory in training at the cost of one more
            forward pass.
        seed: Of the random parameters, where weights is None.

    Raises:
        WeightsError: If the weights have not been pulled, or are not those of TabPFN v1.
        ConfigurationError: If an architecture is given beside weights, or a number is below 1.
    """

    def __init__(
        self,
        weights: str | None = "tabpfn-v1",
        *,
        architecture: TabPFNV1Architecture | None = None,
        max_context_rows: int = 1024,
        n_ensemble: int = 1,
        activation_checkpointing: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if weights is not None and architecture is not None:
            raise ConfigurationError(
                f"the weights {weights!r} bring their own architecture: leave architecture out, "
                "or set weights to null for a randomly initialised network"
            )
        if min(max_context_rows, n_ensemble) < 1:
            raise ConfigurationError(
                "max_context_rows and n_ensemble must be at least 1, "
                f"got {max_context_rows} and {n_ensemble}"
            )
        if weights is None:
            self.architecture = architecture or TabPFNV1Architecture()
            self.network = random_network(self.architecture, seed)
        else:
            loaded = load(weights, expected="tabpfn-v1")
            try:
                self.architecture = TabPFNV1Architecture(**loaded.architecture)
            except TypeError as error:
                raise WeightsError(f"{weights}: not TabPFN v1's architecture: {error}") from error
            self.network = network_from(self.architecture, loaded.tensors)
        self.max_context_rows = max_context_rows
        self.n_ensemble = n_ensemble
        self._weights = weights
        self.activation_checkpointing = activation_checkpointing

    @classmethod
    def starting_checksum(cls, arguments: Mapping[str, Any]) -> str | None:
        """Checksum of the official weights, pulled or not; None for a file or random weights."""
        return _STARTING.get(str(arguments.get("weights", "tabpfn-v1")))

    @property
    def differentiable(self) -> bool:
        return True

    @property
    def limits(self) -> Limits:
        return Limits(
            context_rows=self.max_context_rows,
            columns=self.architecture.n_features,
            classes=self.architecture.n_classes,
            regression=False,
        )

    def forward(self, episode: Episode) -> Tensor:
        """Predicts the query rows.

        Returns:
            Logits at the published temperature, float32 (Q, n_classes). With several views, their
            mean over the views.

        Raises:
            LimitError: If the episode has too many columns or classes, or is a regression.
        """
        self._check_episode(episode)
        return self.predict_members(episode, self._members(episode, self.training))

    def _members(self, episode: Episode, training: bool) -> list[Member]:
        n_members = 1 if training else self.n_ensemble
        return ensemble_members(n_members, episode.n_classes, episode.x_context.shape[1])

    def _check_episode(self, episode: Episode) -> None:
        n_columns, sizes = episode.x_context.shape[1], self.architecture
        if n_columns > sizes.n_features or not 1 <= episode.n_classes <= sizes.n_classes:
            raise LimitError(
                f"TabPFNV1 takes at most {sizes.n_features} columns and 1 to {sizes.n_classes} "
                f"classes, the episode has {n_columns} columns and {episode.n_classes} classes "
                "(0 means regression)"
            )

    def predict_members(self, episode: Episode, members: list[Member]) -> Tensor:
        """Returns the mean logits, float32 (Q, n_classes), of given views of the episode."""
        width, n_classes = self.architecture.n_features, episode.n_classes
        tables = {
            power: preprocess(episode.x_context, episode.x_query, width=width, power=power)
            for power in {member.power for member in members}
        }
        total = torch.zeros(episode.n_query, n_classes, device=episode.x_query.device)
        # One view after the other: memory stays that of one, whatever their number.
        for member in members:
            x = tables[member.power].roll(-member.feature_shift, dims=1)
            y = (episode.y_context + member.class_shift) % n_classes
            logits = self.network(
                x.unsqueeze(0),
                y.unsqueeze(0),
                activation_checkpointing=self.activation_checkpointing and self.training,
            )
            total = total + member.restored(logits[0], n_classes)
        return total / len(members)

    def arguments(self) -> dict[str, Any]:
        return {
            "weights": None,
            "architecture": asdict(self.architecture),
            "max_context_rows": self.max_context_rows,
            "n_ensemble": self.n_ensemble,
        }

    @classmethod
    def rebuilt(cls, arguments: Mapping[str, Any]) -> Self:
        architecture = TabPFNV1Architecture(**arguments["architecture"])
        return cls(**{**arguments, "architecture": architecture})

    def origin(self) -> dict[str, str]:
        source = REGISTRY.get(self._weights or "")
        if source is None:
            return origin_of(self._weights)
        named = f"{source.name}, from the source archive of {source.requirement}"
        return {"weights": named, "licence": source.licence}

    def encode_context(self, episode: Episode) -> EncodedTabPFNV1:
        self._check_episode(episode)
        width, found = self.architecture.n_features, []
        for member in self._members(episode, training=False):
            context = preprocess(
                episode.x_context, episode.x_query[:0], width=width, power=member.power
            )
            x = context.roll(-member.feature_shift, dims=1)
            y = (episode.y_context + member.class_shift) % episode.n_classes
            found.append((member, self.network.encode(x[None], y[None])))
        return EncodedTabPFNV1(self, episode.x_context, found)

    def context_bytes(self, episode: Episode) -> int:
        sizes = self.architecture
        return 8 * self.n_ensemble * sizes.n_layers * sizes.dim * len(episode.x_context)

    def step_bytes(self, shape: StepShape) -> int | None:
        sizes = self.architecture
        if sizes.dim_hidden != 2 * sizes.dim:
            return None  # not measured
        kept = self.context_bytes(shape.context())
        shape = replace(shape, apart=True)
        return MEMORY[shape.precision].at_most(shape, sizes.dim, sizes.n_layers, kept=kept)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Returns the groups "encoder", "layers" and "decoder"."""
        network = self.network
        return {
            "encoder": [*network.x_encoder.parameters(), *network.y_encoder.parameters()],
            "layers": list(network.layers.parameters()),
            "decoder": list(network.decoder.parameters()),
        }
