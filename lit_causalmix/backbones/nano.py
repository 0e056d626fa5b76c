"""The embedded foundation model: two small pre-trained Tab2D, one per kind of task."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from torch import Tensor, nn

from lit_causalmix.backbones.base import Backbone, Limits
from lit_causalmix.backbones.tab2d import Tab2D
from lit_causalmix.episode import Episode
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
    in `embedded/`), and uses the one that the table needs.

    Args:
        max_context_rows: Limit on context rows.
        max_columns: Limit on feature columns.
        activation_checkpointing: Trade time for memory in training.
    """

    def __init__(
        self,
        max_context_rows: int = 2_048,
        max_columns: int = 150,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()

        def load(task: str) -> Tab2D:
            return Tab2D.from_pretrained(
                embedded_weights(task),
                max_context_rows=max_context_rows,
                max_columns=max_columns,
                activation_checkpointing=activation_checkpointing,
            )

        self.classifier = load("classification")
        self.regressor = load("regression")

    @property
    def limits(self) -> Limits:
        limits = self.classifier.limits
        return Limits(limits.context_rows, limits.columns, limits.classes, regression=True)

    def specialise(self, schema: Schema) -> None:
        """Freezes the half that the task does not use, as distributed training insists on."""
        unused = self.regressor if schema.task.is_classification else self.classifier
        unused.requires_grad_(False)

    def forward(self, episode: Episode) -> Tensor:
        output: Tensor = self._half(episode)(episode)
        return output

    def loss(self, output: Tensor, episode: Episode) -> Tensor:
        return self._half(episode).loss(output, episode)

    def predict(self, output: Tensor, episode: Episode) -> Tensor:
        return self._half(episode).predict(output, episode)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        first, second = self.classifier.parameter_groups(), self.regressor.parameter_groups()
        return {name: [*first[name], *second[name]] for name in first}

    def _half(self, episode: Episode) -> Tab2D:
        return self.classifier if episode.is_classification else self.regressor
