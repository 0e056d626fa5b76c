"""What the kept weights are selected by: real validation rows, synthetic ones, both, or nothing."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol, runtime_checkable

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import Score


class Selection(ABC):
    """How `val/loss` is made of the scores per domain, and which weights a fit returns.

    Early stopping, the best weights and the interpolation of weights all follow it, and zero-shot
    is judged by the same rule, as a candidate.

    Attributes:
        title: Which rows count, in words for reports.
        keeps_last: Whether a fit returns its last weights and never stops early.
    """

    title: ClassVar[str] = "validation"
    keeps_last: ClassVar[bool] = False

    @abstractmethod
    def weights(self) -> Mapping[str, float]:
        """Weight of each domain of rows ("real", "synthetic") in `val/loss`; they sum to 1."""

    def loss(self, scores: Mapping[str, Score], metric: str) -> float:
        """The number to minimise.

        Args:
            scores: "domain/metric" → score, of one validation.
            metric: Name of the metric, log-loss or RMSE.

        Returns:
            The weighted mean over the domains; NaN where a score is undefined.

        Raises:
            ConfigurationError: If a domain that counts has no rows.
        """
        for domain in self.weights():
            if f"{domain}/{metric}" not in scores:
                raise ConfigurationError(
                    f"{type(self).__name__} selects by the {domain} validation rows, and there are "
                    f"none: set data.{_ROWS[domain]}, or choose another model.selection"
                )
        terms = [
            weight * scores[f"{domain}/{metric}"].value for domain, weight in self.weights().items()
        ]
        return math.fsum(terms) if all(map(math.isfinite, terms)) else math.nan

    def improves(self, score: float, best: float) -> bool:
        """Whether weights of this score take the place of the best so far; never for NaN."""
        return score < best


_ROWS = {
    "real": "split.val_fraction above 0",
    "synthetic": "val_synthetic_rows above 0",
}


class RealValidation(Selection):
    """Log-loss or RMSE over the real validation rows (the default)."""

    def weights(self) -> Mapping[str, float]:
        return {"real": 1.0}


class SyntheticValidation(Selection):
    """The same over synthetic rows drawn from the generator, `data.val_synthetic_rows` of them.

    The rows are drawn once, apart from those of any episode, so that no two validations differ by
    them. The generator has learned from the training rows alone, so no real validation row takes
    part in the selection; the split stays what it is, for comparability [our choice].

    It is the generator of the training rows, `SCMGenerator` unless told otherwise. One that nearly
    copies training rows (`JitterGenerator`, `TableAugmentGenerator`) makes validation rows that
    the context gives away: their scores tell little.
    """

    title = "synthetic validation"

    def weights(self) -> Mapping[str, float]:
        return {"synthetic": 1.0}


class MixedValidation(Selection):
    """A weighted mean of both: a few real rows steadied by many synthetic ones [our choice].

    Args:
        synthetic_weight: Weight of the synthetic rows' score, strictly between 0 and 1.

    Raises:
        ConfigurationError: If the weight lies outside (0, 1).
    """

    title = "mixed validation"

    def __init__(self, synthetic_weight: float = 0.5) -> None:
        if not 0.0 < synthetic_weight < 1.0:
            raise ConfigurationError(
                f"synthetic_weight must lie in (0, 1), got {synthetic_weight}: for one kind of "
                "rows alone choose RealValidation or SyntheticValidation"
            )
        self.synthetic_weight = synthetic_weight

    def weights(self) -> Mapping[str, float]:
        return {"real": 1.0 - self.synthetic_weight, "synthetic": self.synthetic_weight}


class FixedBudget(Selection):
    """No selection: the fit runs to its end, and the last weights are returned, whatever they are.

    `val/loss` is still logged, over the real validation rows. Zero-shot is scored, but is no
    candidate: the result may be worse.
    """

    keeps_last = True

    def weights(self) -> Mapping[str, float]:
        return {"real": 1.0}

    def improves(self, score: float, best: float) -> bool:
        return True


@runtime_checkable
class Selects(Protocol):
    """A module that says what its weights are selected by."""

    selection: Selection


def selection_of(module: object) -> Selection:
    """The module's rule of selection; the real validation rows where it names none."""
    return module.selection if isinstance(module, Selects) else RealValidation()
