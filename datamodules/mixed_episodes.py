"""How large the training episodes of one table are, before any is made."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.datamodules.one_table import TableDataModule
from lit_causalmix.datamodules.preflight import context_limit
from lit_causalmix.datamodules.stream import check_real_rows
from lit_causalmix.training.mixing import (
    MixtureCounts,
    Mode,
    Placement,
    episode_sizes,
    mixture_counts,
    sizes_within,
)


class MixedEpisodes(TableDataModule):
    """Sizes of episodes of real rows mixed with synthetic ones.

    Attributes:
        synthetic_ratio: Share of synthetic rows where they may stand.
        synthetic_size: Synthetic rows in all, as a multiple of the training rows.
        synthetic_in: Where synthetic rows may stand.
        synthetic_mode: Whether they take the place of real rows or come on top.
        episode_rows: Context and query rows of a training episode; None takes all training rows.
        query_fraction: Share of an episode's rows that are query rows.
    """

    synthetic_ratio: float
    synthetic_size: float | None
    synthetic_in: Placement
    synthetic_mode: Mode
    episode_rows: int | None
    query_fraction: float

    @property
    @abstractmethod
    def trains_on_synthetic_rows(self) -> bool:
        """Whether training episodes hold synthetic rows."""

    _foreseen: tuple[float, float] | None = None

    def foresee_ratios(self, ratios: tuple[float, float] | None) -> None:
        self._foreseen = ratios

    @property
    def _wanted(self) -> tuple[float, float]:
        """The lowest and the highest share of synthetic rows that is asked for."""
        return self._foreseen or (self.synthetic_ratio, self.synthetic_ratio)

    @property
    def _ratios(self) -> tuple[float, float]:
        """The same of what there is: 0 where there are no synthetic rows."""
        return self._wanted if self.trains_on_synthetic_rows else (0.0, 0.0)

    def _largest(self) -> MixtureCounts:
        """Of an episode of the highest share, which no other has more rows than."""
        how = (self.synthetic_in, self.synthetic_mode)
        return mixture_counts(*self.training_sizes(), self._ratios[1], *how)

    def check_rows(self) -> None:
        """Refuses, before a generator is fitted, what the training stream would.

        Raises:
            ConfigurationError: If the training split is too small for an episode.
        """
        super().check_rows()
        if self._command() == "fit":
            sizes, how = self.training_sizes(), (self.synthetic_in, self.synthetic_mode)
            check_real_rows(len(self.splits.train), *sizes, self._ratios[0], *how)

    @property
    def episode_context(self) -> int:
        scored = self.nearest_context() or len(self.context_table("val"))
        return max(self._largest().context, scored)

    def largest_steps(self) -> Iterator[StepShape]:
        if self._command() == "fit":
            counts = self._largest()
            yield self.step_shape("a training step", counts.context, counts.query, training=True)
        yield from super().largest_steps()

    def training_sizes(self) -> tuple[int, int]:
        """Context and query rows of a training episode, with "add" the real ones."""
        sizes = episode_sizes(
            self.episode_rows or len(self.splits.train),
            query_fraction=self.query_fraction,
            max_query_rows=self.max_query_rows,
            n_classes=self.encoder.n_classes,
        )
        limit = context_limit(self.trainer)
        if self.episode_rows is not None or limit is None:
            return sizes
        added = self.synthetic_mode == "add" and self.synthetic_in != "query"
        share = self._wanted[1] if added and self.synthetic_size != 0 else 0.0
        real = limit * (1 - share) if share < 1 else limit
        return sizes_within(int(real), sizes, query_fraction=self.query_fraction)
