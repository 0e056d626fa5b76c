"""What range of tasks the prior draws from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.prior.functions import FAMILIES

_SECOND_SHARES = ("imbalance_share", "irrelevant_share", "value_gap_share")


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
        families: Weights of the families since the second generation: "graph" (a target among the
            nodes of a structural causal model), and "linear", "smooth", "network", "trees" and
            "local" (such a function of some of the columns). Empty takes the first generation's
            mixture (`tree_share`), whose draws stay the same to the bit.
        cardinality: Most levels of a category.
        imbalance_share: Share of classification tasks with rare classes.
        irrelevant_share: Share of tasks in which four columns in five or more are irrelevant.
        value_gap_share: Share of the tasks with missing values whose gaps depend on values.

    The last four take effect with `families` alone.

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
    families: dict[str, float] = field(default_factory=dict)
    cardinality: int = 12
    imbalance_share: float = 0.0
    irrelevant_share: float = 0.0
    value_gap_share: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("context_rows", 8), ("columns", 1)):
            low, high = getattr(self, name)
            if not least <= low <= high:
                raise ConfigurationError(
                    f"prior {name} must be a range [low, high] with {least} <= low <= high, "
                    f"got [{low}, {high}]"
                )
        for name, least in (("query_rows", 1), ("max_classes", 2), ("cardinality", 2)):
            if getattr(self, name) < least:
                raise ConfigurationError(
                    f"prior {name} must be >= {least}, got {getattr(self, name)}"
                )
        shares = ("tree_share", "missing_share", "categorical_share", *_SECOND_SHARES)
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(
                    f"prior {name} must lie in [0, 1], got {getattr(self, name)}"
                )
        self._check_families()
        smallest = (self.context_rows[0] + self.query_rows) * (self.columns[1] + 1)
        if self.max_cells < smallest:
            raise ConfigurationError(
                f"prior max_cells must hold the fewest context rows, the query rows and the most "
                f"columns: at least {smallest}, got {self.max_cells}"
            )

    def _check_families(self) -> None:
        if unknown := sorted(self.families.keys() - FAMILIES.keys()):
            raise ConfigurationError(
                f"prior families are among {', '.join(FAMILIES)}, got {', '.join(unknown)}"
            )
        weights = self.families.values()
        if self.families and not (min(weights) >= 0 and 0 < sum(weights) < math.inf):
            raise ConfigurationError(
                f"prior families need weights >= 0 of which one is above 0, got {self.families}"
            )
        unread = [name for name in _SECOND_SHARES if getattr(self, name) > 0]
        if self.cardinality != PriorSettings.cardinality:
            unread.append("cardinality")
        if unread and not self.families:
            raise ConfigurationError(
                f"prior {', '.join(unread)} take effect with families alone: name them, for "
                "example {graph: 1, trees: 1}"
            )
