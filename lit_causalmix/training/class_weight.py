"""The weight of each class in the training loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.names import meant
from lit_causalmix.tables.schema import Schema

BALANCED = "balanced"


class ClassWeight:
    """How much the query rows of a class count in the loss of a training episode.

    The loss is the weighted mean over the query rows, Σ wᵢ lᵢ / Σ wᵢ, whatever the backbone's loss
    of a row is. "balanced" gives each class that the query rows of an episode show the same total
    weight, so that it asks nothing of the table, and nothing more of episodes whose rows are
    balanced already [our choice; scikit-learn weights by the whole table]. It is a pure function of
    weights and episodes.

    Args:
        given: "balanced", or the weight of each label, above 0; a label that is left out has 1.

    Raises:
        ConfigurationError: For another word, no label, or a weight that is not above 0.

    Example:
        >>> ClassWeight("balanced").of_rows(torch.tensor([0, 0, 0, 1]), 2).tolist()
        [0.3333333432674408, 0.3333333432674408, 0.3333333432674408, 1.0]
    """

    def __init__(self, given: str | Mapping[str, float]) -> None:
        if isinstance(given, str):
            if given != BALANCED:
                raise ConfigurationError(
                    f"class_weight is balanced, or a weight for each label, got {given!r}"
                )
            self._by_label: dict[str, float] | None = None
        else:
            self._by_label = {str(label): float(weight) for label, weight in given.items()}
            bad = {k: w for k, w in self._by_label.items() if not 0 < w < math.inf}
            if bad or not self._by_label:
                raise ConfigurationError(f"class_weight has weights above 0, got {bad or 'none'}")
        self._by_class: dict[int, Tensor] = {}

    def check(self, schema: Schema, table_id: int = 0) -> None:
        """Learns which class a label of a table is.

        Args:
            schema: Of the table.
            table_id: That of its episodes.

        Raises:
            ConfigurationError: For a regression, or a label that the target does not have.
        """
        if not schema.task.is_classification:
            raise ConfigurationError(
                f"class_weight weights classes, and the target {schema.target.name!r} is a number "
                "(regression): leave class_weight out"
            )
        if self._by_label is None:
            return
        labels = schema.target.categories
        for label in self._by_label:
            if label not in labels:
                raise ConfigurationError(
                    f"class_weight names no class of {schema.target.name!r}: {label!r}"
                    f"{meant(label, labels)}; there are {', '.join(labels[:10])}"
                )
        weights = [self._by_label.get(label, 1.0) for label in labels]
        self._by_class[table_id] = torch.tensor(weights)

    def of_rows(self, classes: Tensor, n_classes: int, table_id: int = 0) -> Tensor:
        """The weight of each query row of a table, float32 (Q,), given its class, int64 (Q,).

        Raises:
            ConfigurationError: If weights by label have not been told the labels of the table.
        """
        if self._by_label is None:
            return (1.0 / torch.bincount(classes, minlength=n_classes))[classes]
        if table_id not in self._by_class:
            raise ConfigurationError(
                "class_weight by label needs the labels of a table: set it to balanced"
            )
        return self._by_class[table_id].to(classes.device)[classes]

    def losses(self, backbone: Backbone, episodes: Sequence[Episode]) -> Tensor:
        """The weighted loss of each episode, (B,), in place of `Backbone.losses`."""
        return torch.stack([self._loss(backbone, episode) for episode in episodes])

    def _loss(self, backbone: Backbone, episode: Episode) -> Tensor:
        if not episode.is_classification:
            raise ConfigurationError("class_weight weights classes, and an episode is a regression")
        output = backbone(episode)
        weights = self.of_rows(episode.y_query, episode.n_classes, episode.table_id)
        parts = []
        for label in set(episode.y_query.tolist()):  # a backbone gives the mean loss of rows alone
            rows = episode.y_query == label
            loss = backbone.loss(output[rows], episode.take_query(rows))
            parts.append(weights[rows].sum() * loss)
        return torch.stack(parts).sum() / weights.sum()
