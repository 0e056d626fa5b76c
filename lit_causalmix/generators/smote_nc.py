"""SMOTE-NC: rows between a training row and one of its neighbours of the same class."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_causalmix.causal.columns import impute
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.generators.parts.binning import quantile_bins
from lit_causalmix.generators.parts.refitted import RefittedGenerator
from lit_causalmix.quiet import single_thread
from lit_causalmix.tables.scaling import location_scale
from lit_causalmix.tables.support import Support
from lit_causalmix.tables.table import Table


@dataclass(frozen=True, eq=False)
class NeighbourRows:
    """Training rows as SMOTE-NC takes them.

    Attributes:
        values: Coded training rows, float64 (m, C + 1).
        cells: float64 (m, D), what is interpolated: features, filled and numbers standardised; a
            regression target last.
        location: float64 (D,), of the standardised columns; 0 for categories.
        scale: float64 (D,), likewise; 1 for categories.
        nominal: bool (D,), columns of categories.
        classes: int64 (m,), class of each row, or bin of its target.
        support: Ranges of the columns.
    """

    values: NDArray[np.float64]
    cells: NDArray[np.float64]
    location: NDArray[np.float64]
    scale: NDArray[np.float64]
    nominal: NDArray[np.bool_]
    classes: NDArray[np.int64]
    support: Support


class SMOTENCGenerator(RefittedGenerator[NeighbourRows]):
    """Draws rows between training rows and their neighbours of the same class, by SMOTE-NC.

    SMOTE-NC (Chawla et al., JAIR 2002, section 6.1) is imbalanced-learn's (`pip install
    lit-causalmix[smote]`, MIT licence): numbers lie on the line to one of the nearest neighbours
    of the same class, categories are the most frequent among the neighbours; where all columns are
    numbers it is SMOTE, where none is SMOTE-N. Our choices: all classes get rows, each in its share
    of the training rows; numbers are standardised before distances are taken; a class with fewer
    rows takes fewer neighbours, and a single row is repeated; a regression target is interpolated
    like a feature among rows whose target lies in the same of `n_bins` quantile bins; gaps are
    filled by mean or mode before, and each row is given those of a random training row of its
    class.

    Args:
        n_neighbours: Nearest neighbours to choose among.
        n_bins: Bins of a regression target.

    Raises:
        ConfigurationError: If a setting is out of its range, or imbalanced-learn is missing.
    """

    libraries = ("numpy", "scikit-learn", "imbalanced-learn")

    def __init__(self, n_neighbours: int = 5, n_bins: int = 10) -> None:
        super().__init__()
        for name, value, least in (("n_neighbours", n_neighbours, 1), ("n_bins", n_bins, 2)):
            if value < least:
                raise ConfigurationError(f"{name} must be at least {least}, got {value}")
        self.n_neighbours = n_neighbours
        self.n_bins = n_bins

    def settings(self) -> dict[str, Any]:
        return {"n_neighbours": self.n_neighbours, "n_bins": self.n_bins}

    def learn(self, train: Table, *, seed: int, progress: bool) -> NeighbourRows:
        classify = train.schema.task.is_classification
        columns = train.schema.features if classify else train.schema.columns
        filled = np.column_stack([impute(train.values[:, j], c) for j, c in enumerate(columns)])
        nominal = np.array([not c.is_numerical for c in columns])
        location, scale = location_scale(filled)
        location, scale = np.where(nominal, 0.0, location), np.where(nominal, 1.0, scale)
        target = train.target
        return NeighbourRows(
            values=train.values,
            cells=(filled - location) / scale,
            location=location,
            scale=scale,
            nominal=nominal,
            classes=target.astype(np.int64) if classify else quantile_bins(target, self.n_bins),
            support=Support.of(train),
        )

    def draw(self, learned: NeighbourRows, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        rows = np.empty((n, learned.values.shape[1]))
        labels, counts = np.unique(learned.classes, return_counts=True)
        wanted = rng.choice(learned.classes, size=n)
        neighbours = np.minimum(self.n_neighbours, counts - 1)
        for k in np.unique(neighbours).tolist():
            sizes = {c: int((wanted == c).sum()) for c in labels[neighbours == k].tolist()}
            made, found = _between(learned, sizes, k, rng)
            for label in sizes:
                place, own = (
                    np.flatnonzero(wanted == label),
                    learned.values[learned.classes == label],
                )
                cells = made[found == label] * learned.scale + learned.location
                rows[place, -1] = label  # a class; a regression target is among the cells
                rows[place, : cells.shape[1]] = cells
                gaps = np.isnan(own)[rng.integers(len(own), size=len(place))]
                rows[place] = np.where(gaps, np.nan, rows[place])
        return learned.support.restrict(rows)


def _between(
    learned: NeighbourRows, sizes: dict[int, int], k: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draws so many rows of each class among k neighbours, float64 (n, D), and their classes."""
    cells, classes = learned.cells, learned.classes
    if k == 0:  # rows that are alone
        found = np.repeat([*sizes], [*sizes.values()])
        return cells[[np.flatnonzero(classes == label)[0] for label in found]], found
    # imbalanced-learn tops classes up to a size.
    sizes = {label: size + int((classes == label).sum()) for label, size in sizes.items()}
    sampler = _sampler(
        learned.nominal,
        sampling_strategy=sizes,
        k_neighbors=k,
        random_state=int(rng.integers(2**31)),
    )
    with single_thread(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "After over-sampling, the number of samples")
        topped, labels = sampler.fit_resample(cells, classes)
    start = len(cells)
    return np.asarray(topped[start:], dtype=np.float64), np.asarray(labels[start:], dtype=np.int64)


def _sampler(nominal: NDArray[np.bool_], **settings: Any) -> Any:
    """The form of SMOTE for these columns."""
    try:
        from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
    except ImportError as error:
        raise ConfigurationError(
            "SMOTENCGenerator needs the package imbalanced-learn, which is not installed: "
            "pip install 'lit-causalmix[smote]'"
        ) from error
    if nominal.all():
        return SMOTEN(**settings)
    return (
        SMOTENC(np.flatnonzero(nominal).tolist(), **settings)
        if nominal.any()
        else SMOTE(**settings)
    )
