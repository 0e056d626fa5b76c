"""What range of tasks the prior draws from."""

from __future__ import annotations

from dataclasses import dataclass

from lit_causalmix.errors import ConfigurationError


@dataclass(frozen=True)
class PriorSettings:
    """Ranges of random tasks. Every default is our choice.

    Attributes:
        regression: Whether targets are numbers instead of classes.
        context_rows: Fewest and most context rows, drawn log-uniformly.
        query_rows: Query rows of each task; a few less where a class is missing in the context.
        columns: Fewest and most feature columns, drawn log-uniformly.
        max_cells: Most rows x (columns + 1) of a task, which bounds its cost; context rows give
            way, down to the fewest.
        max_classes: Most classes; half of the tasks are binary.
        tree_share: Share of tasks whose target is a random tree ensemble of the observed columns;
            the others are structural causal models. Mitra's mixture is half and half.
        missing_share: Share of tasks with missing values.
        categorical_share: Share of tasks with categorical columns.

    Raises:
        ConfigurationError: For a range that is empty or outside what can be drawn.
    """

    regression: bool = False
    context_rows: tuple[int, int] = (24, 512)
    query_rows: int = 96
    columns: tuple[int, int] = (1, 40)
    max_cells: int = 8_000
    max_classes: int = 10
    tree_share: float = 0.5
    missing_share: float = 0.25
    categorical_share: float = 0.6

    def __post_init__(self) -> None:
        for name, least in (("context_rows", 8), ("columns", 1)):
            low, high = getattr(self, name)
            if not least <= low <= high:
                raise ConfigurationError(
                    f"prior {name} must be a range [low, high] with {least} <= low <= high, "
                    f"got [{low}, {high}]"
                )
        for name, least in (("query_rows", 1), ("max_classes", 2)):
            if getattr(self, name) < least:
                raise ConfigurationError(
                    f"prior {name} must be >= {least}, got {getattr(self, name)}"
                )
        for name in ("tree_share", "missing_share", "categorical_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(
                    f"prior {name} must lie in [0, 1], got {getattr(self, name)}"
                )
        smallest = (self.context_rows[0] + self.query_rows) * (self.columns[1] + 1)
        if self.max_cells < smallest:
            raise ConfigurationError(
                f"prior max_cells must hold the fewest context rows, the query rows and the most "
                f"columns: at least {smallest}, got {self.max_cells}"
            )
