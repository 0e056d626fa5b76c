"""The one contract of all generators: fit on a training table, sample coded rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.tables.table import Table


class Generator(ABC):
    """Learns from the training split of one table and draws synthetic rows in its columns.

    A subclass takes its settings as plain constructor arguments, is fitted once, and is from then
    on a pure function: `sample` depends on its arguments alone. `save` and `load` use JSON and
    safetensors only; nothing is unpickled.

    Attributes:
        libraries: Distribution names of what it fits with; another version fits anew.
        slow: Whether a draw takes so long that rows are drawn once, before training, and kept.
        progress: Whether a draw that takes long shows a progress bar on stderr.
        parts: Folder in which a fit keeps what other generators can use, too (the edges of a
            table, say); None keeps nothing.

    Example:
        >>> import numpy as np
        >>> from lit_causalmix.generators import JitterGenerator
        >>> from lit_causalmix.tables import SplitSpec, TableSpec, load_splits
        >>> train = load_splits(TableSpec("sklearn:iris"), SplitSpec()).train
        >>> generator = JitterGenerator()
        >>> generator.fit(train, seed=0, progress=False)
        >>> generator.sample(3, np.random.default_rng(0)).shape
        (3, 5)
    """

    slow: ClassVar[bool] = False
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scikit-learn")
    progress: bool = True
    parts: Path | None = None

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Returns, as JSON values, every setting that can change what `fit` learns."""

    def draw_settings(self) -> dict[str, Any]:
        """Returns, as JSON values, the settings that change rows alone: one fit serves them all."""
        return {}

    def classes(self) -> tuple[type, ...]:
        """The classes that a configuration chose: a fit is kept as long as their source is."""
        return (type(self),)

    @abstractmethod
    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        """Learns from the training split.

        Args:
            train: The training split; no other rows are ever seen.
            seed: Source of all randomness of the fit.
            progress: Whether to draw progress bars on stderr.

        Raises:
            GeneratorError: If the table cannot be modelled, with the reason.
        """

    @abstractmethod
    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws a coded matrix, float64 (n, C + 1), in the schema of the training table.

        Categories are valid indices, the target is never NaN.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes the fitted state into an existing empty folder."""

    @abstractmethod
    def load(self, folder: Path, train: Table) -> None:
        """Restores what `save` wrote; afterwards `sample` gives the same bits as before.

        Raises:
            GeneratorError: If the folder does not hold a state of this generator for this table.
        """


@runtime_checkable
class BalancedGenerator(Protocol):
    """What a generator offers beside the contract if it draws classes in equal numbers."""

    def sample_balanced(
        self, n: int, rng: np.random.Generator, *, column: str | None = None
    ) -> NDArray[np.float64]:
        """Draws equally many rows of each class, or of each category of a column."""


@runtime_checkable
class ConditionalGenerator(BalancedGenerator, Protocol):
    """What a generator offers beside the contract if it knows causes: `SCMGenerator` does.

    All rows are coded, float64 (n, C + 1), and a function of the arguments alone.
    """

    def sample_do(
        self, n: int, rng: np.random.Generator, interventions: Mapping[str, float | str]
    ) -> NDArray[np.float64]:
        """Draws rows under interventions: columns held at a value, whatever their causes."""

    def counterfactual(
        self,
        row: NDArray[np.float64],
        do: Mapping[str, float | str],
        *,
        n: int = 256,
        seed: int = 0,
    ) -> NDArray[np.float64]:
        """Draws what one coded row, float64 (C + 1,), would have been under interventions."""

    def sample_where(
        self,
        n: int,
        rng: np.random.Generator,
        conditions: Mapping[str, str | tuple[float, float]],
    ) -> NDArray[np.float64]:
        """Draws rows of a class or subgroup."""
