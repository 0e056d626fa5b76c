"""CTGAN: rows from a conditional generative adversarial network."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.columns import check_rows, impute
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.parts import ctgan_network
from lit_causalmix.generators.parts.ctgan_network import CTGANNetwork
from lit_causalmix.generators.parts.saved import SavedGenerator, settings_text
from lit_causalmix.seeding import derived_seed
from lit_causalmix.tables.support import Support
from lit_causalmix.tables.table import Table

STATE = "ctgan"
"""Name of the files that `CTGANGenerator.save` writes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Layout:
    """How the columns of a table stand in CTGAN's, which know no gaps.

    Attributes:
        fixed: float64 (C + 1,), the value of columns that do not vary (NaN where all are missing).
        sources: int64 (W,), the table's column behind each of CTGAN's.
        discrete: bool (W,), whether it holds categories.
        gaps: bool (W,), whether it says where a numerical column is missing.
        n_categories: int64 (C + 1,), categories of each column of the table; 0 for numbers.
    """

    fixed: NDArray[np.float64]
    sources: NDArray[np.int64]
    discrete: NDArray[np.bool_]
    gaps: NDArray[np.bool_]
    n_categories: NDArray[np.int64]

    @classmethod
    def of(cls, train: Table) -> Layout:
        """Chooses the columns of a training table."""
        found: list[tuple[int, bool, bool]] = []
        for j, column in enumerate(train.schema.columns):
            missing = np.isnan(train.values[:, j])
            distinct = len(np.unique(train.values[~missing, j]))
            if column.is_numerical:
                found += [(j, False, False)] * (distinct > 1)
                found += [(j, True, True)] * bool(missing.any() and distinct)
            elif distinct + missing.any() > 1:
                found.append((j, True, False))
        sources, discrete, gaps = np.array(found, dtype=np.int64).T
        return cls(
            fixed=Support.of(train).low,
            sources=sources,
            discrete=discrete.astype(bool),
            gaps=gaps.astype(bool),
            n_categories=np.array([len(c.categories) for c in train.schema.columns]),
        )

    def encode(self, train: Table) -> NDArray[np.float64]:
        """Turns training rows into CTGAN's columns, float64 (n, W), without NaN."""
        columns = train.schema.columns
        encoded = np.empty((len(train), len(self.sources)))
        for w, j in enumerate(self.sources):
            cells = train.values[:, j]
            if self.gaps[w]:
                encoded[:, w] = np.isnan(cells)
            elif self.discrete[w]:
                encoded[:, w] = np.where(np.isnan(cells), self.n_categories[j], cells)
            else:
                encoded[:, w] = impute(cells, columns[j])
        return encoded

    def decode(self, encoded: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turns CTGAN's columns into coded rows, float64 (n, C + 1)."""
        rows = np.tile(self.fixed, (len(encoded), 1))
        for w, j in enumerate(self.sources):  # the gaps of a column come after its values
            cells = encoded[:, w]
            if self.gaps[w]:
                rows[cells == 1, j] = np.nan
            elif self.discrete[w]:
                rows[:, j] = np.where(cells == self.n_categories[j], np.nan, cells)
            else:
                rows[:, j] = cells
        return rows


@dataclass(frozen=True, eq=False)
class CTGANState:
    """Everything that `fit` learns, and that is saved.

    Attributes:
        settings: Of the generator that was fitted, as JSON.
        fingerprint: Of the training table.
        n_steps: Steps that the generator network took.
        layout: How the table's columns stand in the network's.
        network: The fitted network.
        support: Ranges of the table's columns.
    """

    settings: str
    fingerprint: str
    n_steps: int
    layout: Layout
    network: CTGANNetwork
    support: Support


CLASSES = {c.__name__: c for c in (CTGANState, Layout, Support)} | ctgan_network.CLASSES


class CTGANGenerator(SavedGenerator[CTGANState]):
    """CTGAN (Xu et al., NeurIPS 2019, arXiv 1907.00503), fitted by the package `ctgan`.

    The package (`pip install lit-causalmix[ctgan]`; licence BUSL-1.1, needs pandas below 3) is
    needed for fitting alone: the fitted network is taken over as arrays, which are stored without
    any pickle and sampled here, as the package does. Settings and defaults are the package's.

    An epoch takes max(n // batch_size, 1) steps of the generator network, so that 300 epochs are
    300 steps on any table of less than 1,000 rows; `steps` sets their number whatever the size.

    Our choices: a missing category is one more category; a numerical column with gaps is filled
    with its mean and gets a discrete column beside it that says where they are. A column that does
    not vary is left out and put back. Numbers are kept in the training range, and rounded where
    the column holds whole ones. The target is a column like any other.

    Args:
        epochs: Epochs, as the package counts them.
        steps: Steps of the generator network, rounded up to whole epochs, in place of `epochs`.
        batch_size: Rows of a step: even, and a multiple of `pac`.
        embedding_dim: Width of the noise.
        generator_dim: Widths of the generator's hidden layers.
        discriminator_dim: Widths of the discriminator's hidden layers.
        pac: Rows that the discriminator judges together.

    Raises:
        ConfigurationError: If a setting is out of its range.
    """

    libraries = ("numpy", "torch", "ctgan", "rdt")
    state_name = STATE
    state_class = CTGANState
    state_classes = CLASSES

    def __init__(
        self,
        epochs: int = 300,
        steps: int | None = None,
        batch_size: int = 500,
        embedding_dim: int = 128,
        generator_dim: Sequence[int] = (256, 256),
        discriminator_dim: Sequence[int] = (256, 256),
        pac: int = 10,
    ) -> None:
        for name, value in (
            ("epochs", epochs),
            ("steps", 1 if steps is None else steps),
            ("batch_size", batch_size),
            ("embedding_dim", embedding_dim),
            ("generator_dim", min(generator_dim, default=0)),
            ("discriminator_dim", min(discriminator_dim, default=0)),
            ("pac", pac),
        ):
            if value < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {value}")
        if batch_size % 2 or batch_size % pac:
            raise ConfigurationError(
                f"batch_size must be even and a multiple of pac, got {batch_size} and {pac}"
            )
        self.epochs = epochs
        self.steps = steps
        self.batch_size = batch_size
        self.embedding_dim = embedding_dim
        self.generator_dim = tuple(generator_dim)
        self.discriminator_dim = tuple(discriminator_dim)
        self.pac = pac

    def settings(self) -> dict[str, Any]:
        return {
            "epochs": self.epochs,
            "steps": self.steps,
            "batch_size": self.batch_size,
            "embedding_dim": self.embedding_dim,
            "generator_dim": list(self.generator_dim),
            "discriminator_dim": list(self.discriminator_dim),
            "pac": self.pac,
        }

    def length(self, n_rows: int) -> tuple[int, int]:
        """Returns epochs, and the steps that they take on so many training rows."""
        per_epoch = max(n_rows // self.batch_size, 1)
        epochs = self.epochs if self.steps is None else -(-self.steps // per_epoch)
        return epochs, epochs * per_epoch

    def fit(self, train: Table, *, seed: int, progress: bool = True) -> None:
        check_rows(train)
        layout = Layout.of(train)
        epochs, n_steps = self.length(len(train))
        _log.info("CTGAN: %d epochs, %d steps of the generator network", epochs, n_steps)
        model = self._fitted(layout.encode(train), layout.discrete, epochs, seed, progress)
        self._state = CTGANState(
            settings=settings_text(self),
            fingerprint=train.fingerprint(),
            n_steps=n_steps,
            layout=layout,
            network=CTGANNetwork.of(model),
            support=Support.of(train),
        )

    def _fitted(
        self,
        encoded: NDArray[np.float64],
        discrete: NDArray[np.bool_],
        epochs: int,
        seed: int,
        progress: bool,
    ) -> Any:
        try:
            from ctgan import CTGAN
        except ImportError as error:
            raise ConfigurationError(
                "CTGANGenerator needs the package ctgan (licence BUSL-1.1), which is not "
                "installed: pip install 'lit-causalmix[ctgan]'"
            ) from error
        from joblib import parallel_config

        model = CTGAN(
            embedding_dim=self.embedding_dim,
            generator_dim=self.generator_dim,
            discriminator_dim=self.discriminator_dim,
            batch_size=self.batch_size,
            epochs=epochs,
            pac=self.pac,
            enable_gpu=False,
            verbose=progress,
        )
        # It seeds the global generators of numpy and torch, and restores them after the fit.
        model.set_random_state(derived_seed(seed, "ctgan"))
        # From 500 rows on it transforms columns in other processes, which that seed does not reach.
        with parallel_config(backend="sequential"):
            model.fit(encoded, np.flatnonzero(discrete).tolist())
        return model

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        state = self.state
        return state.support.restrict(state.layout.decode(state.network.sample(n, rng)))
