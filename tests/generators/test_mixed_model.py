import hashlib
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.mixture import BayesianGaussianMixture

from lit_causalmix.causal.columns import impute
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators import MixedModelGenerator
from lit_causalmix.generators.mixed_model import Pair
from lit_causalmix.generators.parts.mixture import (
    MAX_FULL_COLUMNS,
    GaussianMixture,
    LatentColumns,
    fit_mixture,
)
from lit_causalmix.generators.parts.teachers import TEACHERS
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table


def fitted(table: Table, *, seed: int = 0, **settings: Any) -> MixedModelGenerator:
    generator = MixedModelGenerator(**settings)
    generator.fit(table, seed=seed, progress=False)
    return generator


def complete(table: Table) -> NDArray[np.float64]:
    columns = table.schema.features
    return np.column_stack([impute(table.features[:, j], c) for j, c in enumerate(columns)])


# -- teachers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEACHERS)
@pytest.mark.parametrize("classify", [True, False])
def test_a_teacher_learns_without_the_global_generator(name: str, classify: bool) -> None:
    rng = np.random.default_rng(0)
    features, target = rng.normal(size=(30, 2)), rng.integers(2, size=30)
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr] # noqa: NPY002
    TEACHERS[name](rng, classify, 1).fit(features, target)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index] # noqa: NPY002


# -- features ------------------------------------------------------------------------------------


def test_latent_values_lead_back_to_the_cells(mixed: Table) -> None:
    features = complete(mixed)
    latent = LatentColumns.of(features, mixed.schema.features)
    for seed in range(5):
        values = latent.encode(features, np.random.default_rng(seed))
        assert np.isfinite(values).all()
        assert latent.decode(values) == pytest.approx(features, rel=1e-9)


def test_normal_latent_values_have_the_shares_of_the_categories() -> None:
    shares = np.array([0.005, 0.0, 0.7, 0.295, 0.0])
    codes = np.repeat(np.arange(5.0), (shares * 1000).astype(int))[:, None]
    column = Column("c", ColumnKind.CATEGORICAL, ("a", "b", "c", "d", "e"))
    latent = LatentColumns.of(codes, [column])
    extremes = np.array([[-40.0], [40.0]])
    normal = np.concatenate([extremes, np.random.default_rng(0).standard_normal((200_000, 1))])
    found = latent.decode(normal)[:, 0]
    assert np.bincount(found.astype(int), minlength=5) / len(found) == pytest.approx(
        shares, abs=0.004
    )
    assert set(found) == {0.0, 2.0, 3.0}
    encoded = latent.encode(codes, np.random.default_rng(0))[:, 0]
    assert encoded.mean() == pytest.approx(0, abs=0.05)
    assert encoded.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_rows_of_a_mixture_have_its_moments(kind: str) -> None:
    rng = np.random.default_rng(0)
    base = rng.standard_normal((400, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.3], [0, 0, 2]])
    data = base + 6 * (rng.random((400, 1)) < 0.3)
    model = BayesianGaussianMixture(n_components=2, covariance_type=kind, random_state=0)
    model.fit(data)
    mixture = GaussianMixture.of(model)
    full = {
        "full": lambda c: c,
        "tied": lambda c: np.stack([c, c]),
        "diag": lambda c: np.stack([np.diag(v) for v in c]),
        "spherical": lambda c: np.stack([v * np.eye(3) for v in c]),
    }[kind](model.covariances_)
    mean = model.weights_ @ model.means_
    apart = model.means_ - mean
    covariance = np.einsum("k,kij->ij", model.weights_, full + apart[:, :, None] * apart[:, None])
    rows = mixture.sample(200_000, np.random.default_rng(1))
    assert rows.mean(axis=0) == pytest.approx(mean, abs=0.05)
    assert np.cov(rows.T) == pytest.approx(covariance, abs=0.02 * np.abs(covariance).max())


def test_wide_tables_get_diagonal_covariances() -> None:
    wide = np.random.default_rng(0).standard_normal((30, MAX_FULL_COLUMNS + 1))
    mixture = fit_mixture(wide, np.random.default_rng(0), seed=0)
    assert mixture.factors.shape == mixture.means.shape


def test_columns_that_copy_each_other_make_a_mixture() -> None:
    for seed in range(6):  # scikit-learn alone refuses one of them
        column = np.random.default_rng(seed).integers(0, 6, 200).astype(float)
        mixture = fit_mixture(
            np.stack([column] * 3, axis=1), np.random.default_rng(seed), seed=seed
        )
        assert np.isfinite(mixture.sample(50, np.random.default_rng(0))).all()


def test_few_and_equal_rows_make_a_mixture_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(8):
            rows = np.repeat(np.eye(2), 6, axis=0)
            mixture = fit_mixture(rows, np.random.default_rng(seed), seed=seed)
            assert np.isfinite(mixture.sample(50, np.random.default_rng(0))).all()


# -- targets -------------------------------------------------------------------------------------


def said(
    generator: MixedModelGenerator, pair: Pair, features: NDArray[np.float64]
) -> NDArray[np.float64]:
    found: NDArray[np.float64] = pair.teacher.predict(
        generator.learned.latent.standardised(features)
    )
    return found


@pytest.mark.parametrize("kind", list(TEACHERS))
def test_class_labels_are_the_teachers_predictions(mixed: Table, kind: str) -> None:
    generator = fitted(mixed, n_models=2, teachers=[kind])
    for pair in generator.learned.pairs:
        assert pair.kind == kind
        rows = generator.learned.complete(pair, 400, np.random.default_rng(0))
        assert (rows[:, -1] == said(generator, pair, rows[:, :-1])).all()
        assert (said(generator, pair, complete(mixed)) == mixed.target).mean() > 0.7


@pytest.mark.parametrize("kind", list(TEACHERS))
def test_regression_targets_are_the_teachers_predictions_within_the_training_range(
    mixed_regression: Table, kind: str
) -> None:
    generator = fitted(mixed_regression, n_models=2, teachers=[kind])
    low, high = mixed_regression.target.min(), mixed_regression.target.max()
    for pair in generator.learned.pairs:
        rows = generator.learned.complete(pair, 400, np.random.default_rng(0))
        mean, deviation = mixed_regression.target.mean(), mixed_regression.target.std()
        expected = mean + deviation * said(generator, pair, rows[:, :-1])
        assert rows[:, -1] == pytest.approx(np.clip(expected, low, high))
        learned = said(generator, pair, complete(mixed_regression))
        assert np.corrcoef(learned, mixed_regression.target)[0, 1] > 0.7


def test_what_is_drawn_is_what_the_pairs_label(mixed: Table) -> None:
    full = mixed.take(np.flatnonzero(~np.isnan(mixed.values[:, 1])))
    generator = fitted(full, n_models=3, rows_per_model=20)
    rows = generator.sample(300, np.random.default_rng(0))
    features = np.nan_to_num(rows[:, :-1])  # one column is empty, and zero to the teachers
    agreed = np.array(
        [said(generator, pair, features) == rows[:, -1] for pair in generator.learned.pairs]
    )
    assert agreed.any(axis=0).all()
    assert agreed.mean(axis=1).max() < 1  # more than one pair was asked


def test_gaps_come_as_in_training_rows(mixed: Table) -> None:
    rows = fitted(mixed, n_models=2).sample(5000, np.random.default_rng(0))
    rates = np.isnan(rows).mean(axis=0)
    assert rates == pytest.approx(np.isnan(mixed.values).mean(axis=0), abs=0.02)


def test_values_stay_within_the_training_range(mixed_regression: Table) -> None:
    rows = fitted(mixed_regression, n_models=3).sample(3000, np.random.default_rng(0))
    real = mixed_regression.values
    known = ~np.isnan(real).all(axis=0)
    assert (np.nanmin(rows[:, known], axis=0) >= np.nanmin(real[:, known], axis=0)).all()
    assert (np.nanmax(rows[:, known], axis=0) <= np.nanmax(real[:, known], axis=0)).all()


def test_dependence_between_features_is_learned(mixed: Table) -> None:
    rows = fitted(mixed).sample(3000, np.random.default_rng(0))
    at = {c.name: rows[:, j] for j, c in enumerate(mixed.schema.columns)}
    age, years = at["age"], at["years"]
    assert np.corrcoef(age, years)[0, 1] > 0.8
    known = ~np.isnan(at["income"])
    assert np.corrcoef(age[known], at["income"][known])[0, 1] > 0.7


def coin(share: float, n: int = 200) -> Table:
    """A target that the only feature says nothing of."""
    feature = Column("f", ColumnKind.CATEGORICAL, ("a", "b"))
    target = Column("y", ColumnKind.CATEGORICAL, ("no", "yes"))
    values = np.zeros((n, 2))
    values[: n // 2, 0] = 1
    values[:: round(1 / share), 1] = 1
    return Table("coin", "test", Schema((feature,), target, TaskType.BINARY), values, np.arange(n))


def test_pairs_that_show_one_class_are_rejected(mixed: Table) -> None:
    with pytest.raises(GeneratorError, match="20 random teachers said the same of all 256"):
        fitted(coin(0.1), n_models=1, teachers=["tree", "svm"])
    learned = fitted(mixed, n_models=4).learned
    for pair in learned.pairs:
        rows = learned.complete(pair, 256, np.random.default_rng(0))
        assert len(np.unique(rows[:, -1])) == 2


def test_values_of_any_size_are_no_trouble() -> None:
    number = ColumnKind.NUMERICAL
    schema = Schema(
        (Column("huge", number), Column("tiny", number)), Column("y", number), TaskType.REGRESSION
    )
    cells = np.random.default_rng(0).standard_normal((100, 3))
    values = cells * np.array([1e200, 1e-200, 1e250])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generator = fitted(Table("sizes", "test", schema, values, np.arange(100)))
        rows = generator.sample(500, np.random.default_rng(0))
    assert (np.abs(rows).max(axis=0) <= np.abs(values).max(axis=0)).all()
    assert (np.ptp(rows, axis=0) > 0).all()


# -- reproducibility -----------------------------------------------------------------------------

_ELSEWHERE = """
import hashlib, sys
from pathlib import Path
import numpy as np
from lit_causalmix.generators import MixedModelGenerator
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits

train = load_splits(TableSpec(sys.argv[1], target="target"), SplitSpec()).train
generator = MixedModelGenerator()
generator.load(Path(sys.argv[2]), train)
print(hashlib.sha256(generator.sample(100, np.random.default_rng(4)).tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_another_process_with_more_threads_gets_the_same_bits(
    make_frame: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    source, state = tmp_path / "table.csv", tmp_path / "state"
    make_frame().to_csv(source, index=False)
    state.mkdir()
    generator = fitted(load_splits(TableSpec(str(source), target="target"), SplitSpec()).train)
    generator.save(state)
    here = hashlib.sha256(generator.sample(100, np.random.default_rng(4)).tobytes()).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, str(source), str(state)],
        env=os.environ | {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.strip()
    assert there == here


def test_a_state_that_gives_other_rows_here_is_refused(
    mixed: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted(mixed, n_models=1).save(tmp_path)
    monkeypatch.setattr(
        "lit_causalmix.generators.parts.mixture.MAX_COMPONENTS", 3
    )  # another version
    with pytest.raises(GeneratorError, match="gives other rows here"):
        MixedModelGenerator(n_models=1).load(tmp_path, mixed)


@pytest.mark.parametrize(
    "wrong",
    [{"n_models": 0}, {"rows_per_model": 0}, {"teachers": ["oracle"]}, {"teachers": []}],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        MixedModelGenerator(**wrong)
