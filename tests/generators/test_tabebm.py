from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_causalmix.backbones import Backbone, Nano, Tab2D, TabPFNV1
from lit_causalmix.backbones.tabpfn_v1.network import TabPFNV1Architecture
from lit_causalmix.errors import ConfigurationError, GeneratorError, LimitError
from lit_causalmix.generators.parts.energy import ClassEnergy, Langevin, surrogate_negatives
from lit_causalmix.generators.tabebm import TabEBMGenerator
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

SIZES = TabPFNV1Architecture(n_features=8, dim=16, n_heads=2, n_layers=2, dim_hidden=32)


def smooth_backbone() -> TabPFNV1:
    """A backbone whose predictions are a smooth function of the query rows."""
    return TabPFNV1(weights=None, architecture=SIZES, seed=3)


def energy_of(backbone: Backbone, n: int = 40, n_columns: int = 3) -> ClassEnergy:
    rng = np.random.default_rng(0)
    negatives = surrogate_negatives(n_columns, 5.0, rng)
    frozen = backbone.eval().requires_grad_(False)
    return ClassEnergy.of(frozen, rng.standard_normal((n, n_columns)), negatives, "cpu")


def points(n: int = 6, n_columns: int = 3, seed: int = 1) -> Tensor:
    drawn = np.random.default_rng(seed).standard_normal((n, n_columns))
    return torch.from_numpy(drawn.astype(np.float32))


def blobs(n: int = 80) -> Table:
    """Two Gaussian classes, six deviations apart."""
    rng = np.random.default_rng(0)
    label = np.repeat([0.0, 1.0], n // 2)
    x = rng.standard_normal((n, 2)) + 6 * label[:, None] * [1, -1]
    columns = (Column("a", ColumnKind.NUMERICAL), Column("b", ColumnKind.NUMERICAL))
    target = Column("y", ColumnKind.CATEGORICAL, ("left", "right"))
    return Table(
        "blobs",
        "test",
        Schema(columns, target, TaskType.BINARY),
        np.column_stack([x, label]),
        np.arange(n),
    )


def test_negatives_are_distinct_corners_and_their_opposites() -> None:
    corners = surrogate_negatives(7, 5.0, np.random.default_rng(0))
    assert corners.shape == (4, 7)
    assert (np.abs(corners) == 5).all()
    assert len(np.unique(corners, axis=0)) == 4
    assert (corners[0] == -corners[1]).all()
    assert (corners[2] == -corners[3]).all()
    assert len(np.unique(surrogate_negatives(2, 5.0, np.random.default_rng(0)), axis=0)) == 4
    assert surrogate_negatives(1, 5.0, np.random.default_rng(0)).shape == (2, 1)


def test_the_energy_is_that_of_the_paper() -> None:
    energy, x = energy_of(smooth_backbone()), points()
    from lit_causalmix.generators.parts.backbone import in_context

    logits = energy.backbone(
        in_context(
            energy.x_context,
            energy.y_context,
            x,
            categorical=torch.zeros(3, dtype=torch.bool),
            n_classes=2,
        )
    )
    assert energy.y_context.bincount().tolist() == [40, 4]
    torch.testing.assert_close(energy(x), -(logits[:, 0].exp() + logits[:, 1].exp()).log())


def test_the_gradient_equals_finite_differences() -> None:
    energy, x, step = energy_of(smooth_backbone()), points(), 2e-2
    numeric = torch.zeros_like(x)
    for column in range(x.shape[1]):
        offset = torch.zeros(x.shape[1])
        offset[column] = step
        numeric[:, column] = (energy(x + offset) - energy(x - offset)) / (2 * step)
    assert numeric.abs().max() > 0.01
    torch.testing.assert_close(energy.gradient(x), numeric, rtol=2e-2, atol=2e-4)


def test_the_gradient_of_a_stepwise_backbone_follows_its_finite_differences() -> None:
    """Tab2D is a step function of its query rows: differences span the width of its gradient."""
    energy, x = energy_of(Nano(1)), points(40)
    width = 0.1 * energy.x_context.std(dim=0, correction=0)
    numeric = torch.stack(
        [
            (energy(x + width * axis) - energy(x - width * axis)) / (2 * width @ axis)
            for axis in torch.eye(x.shape[1])
        ],
        dim=1,
    )
    exact = energy.gradient(x)
    alike = torch.nn.functional.cosine_similarity(exact.flatten(), numeric.flatten(), dim=0)
    assert alike > 0.9


@pytest.mark.parametrize("make", [smooth_backbone, Nano])
def test_the_energy_of_a_chain_does_not_depend_on_the_others(make: type[Backbone]) -> None:
    energy, x = energy_of(make()), points()
    alone = torch.cat([energy(row[None]) for row in x])
    torch.testing.assert_close(energy(x), alone, rtol=1e-5, atol=1e-5)
    alone = torch.cat([energy.gradient(row[None]) for row in x])
    torch.testing.assert_close(energy.gradient(x), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [smooth_backbone, Nano])
def test_without_noise_the_energy_falls(make: type[Backbone]) -> None:
    energy, start = energy_of(make()), 1.5 * points(20).numpy().astype(np.float64)
    descent = Langevin(n_steps=20, step_size=0.1, noise=0.0, start_noise=0.0)
    end = descent.run(energy, start, np.random.default_rng(0))
    before, after = (energy(torch.from_numpy(p.astype(np.float32))) for p in (start, end))
    assert after.mean() < before.mean()
    assert (after <= before + 1e-3).float().mean() > 0.8


def test_without_gradient_chains_are_random_walks() -> None:
    walk = Langevin(n_steps=50, step_size=0.0, noise=0.1, start_noise=0.2)
    start = np.zeros((400, 3))
    moved = walk.run(energy_of(smooth_backbone()), start, np.random.default_rng(0))
    assert np.var(moved) == pytest.approx(50 * 0.1**2 + 0.2**2, rel=0.1)


@pytest.mark.parametrize(("version", "off"), [(1, 0.8), (2, 1.2)])
def test_rows_stay_near_their_class_and_spread_as_it_does(
    version: Literal[1, 2], off: float
) -> None:
    train = blobs()
    generator = TabEBMGenerator(Nano(version), n_steps=40)
    generator.progress = False
    generator.fit(train, seed=0)
    rows = generator.sample(120, np.random.default_rng(0))
    for label in (0, 1):
        real = train.values[train.target == label, :2]
        drawn = rows[rows[:, -1] == label, :2]
        assert 0.35 < len(drawn) / 120 < 0.65
        own = np.linalg.norm(drawn - real.mean(axis=0), axis=1)
        other = np.linalg.norm(drawn - [[6, -6], [0, 0]][label], axis=1)
        assert (own < other).mean() > 0.98
        assert np.abs(drawn.mean(axis=0) - real.mean(axis=0)).max() < off
        assert (drawn.std(axis=0) > 0.3 * real.std(axis=0)).all()
    assert not np.isin(rows[:, 0], train.values[:, 0]).any()


@pytest.mark.parametrize("task", ["mixed", "mixed_regression"])
def test_rows_are_valid_and_come_back_after_save(
    task: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    train: Table = request.getfixturevalue(task)
    generator = TabEBMGenerator(Nano(), n_steps=2, max_context_rows=30)
    generator.progress = False
    generator.fit(train, seed=0)
    rows = generator.sample(60, np.random.default_rng(0))
    for j, column in enumerate(train.schema.columns):
        known = rows[~np.isnan(rows[:, j]), j]
        if column.integer or not column.is_numerical:
            assert (known == np.rint(known)).all()
        if not column.is_numerical:
            assert np.isin(known, np.arange(len(column.categories))).all()
    assert not np.isnan(rows[:, -1]).any()
    assert np.isnan(rows[:, 1]).any()  # income has gaps
    assert np.isnan(rows[:, 8]).all()
    generator.save(tmp_path)
    loaded = TabEBMGenerator(Nano(), n_steps=2, max_context_rows=30)
    loaded.progress = False
    loaded.load(tmp_path, train)
    again = loaded.sample(60, np.random.default_rng(0))
    assert np.array_equal(rows, again, equal_nan=True)


def test_a_regression_target_moves_with_the_rows(mixed_regression: Table) -> None:
    generator = TabEBMGenerator(n_steps=2, max_context_rows=30, target_bins=3)
    generator.fit(mixed_regression, seed=0)
    assert len(generator.state.contexts) == 3
    rows = generator.sample(50, np.random.default_rng(0))
    assert not np.isin(rows[:, -1], mixed_regression.target).all()


def test_it_reads_one_view_of_the_table(mixed: Table) -> None:
    one, four = (TabEBMGenerator(Nano(n_ensemble=n)) for n in (1, 4))
    energies = []
    for generator in (one, four):
        generator.fit(mixed, seed=0)
        energies.append(generator.energy(0)(points(5, 8)))
        assert not any(part.training for part in generator.backbone.children())
    assert torch.equal(*energies)


def test_other_settings_and_other_weights_are_refused(mixed: Table, tmp_path: Path) -> None:
    generator = TabEBMGenerator(Nano(), n_steps=2)
    generator.fit(mixed, seed=0)
    generator.save(tmp_path)
    with pytest.raises(GeneratorError, match="other settings"):
        TabEBMGenerator(Nano(), n_steps=3).load(tmp_path, mixed)
    with pytest.raises(GeneratorError, match="other settings"):
        TabEBMGenerator(smooth_backbone(), n_steps=2).load(tmp_path, mixed)
    with pytest.raises(GeneratorError, match="not fitted"):
        TabEBMGenerator().sample(3, np.random.default_rng(0))


def test_a_backbone_that_cannot_do_it_is_refused(mixed: Table) -> None:
    regressor = Tab2D(dim=8, n_layers=1, n_heads=2, task="regression")
    with pytest.raises(LimitError, match="needs a classifier, and Tab2D is none"):
        TabEBMGenerator(regressor).fit(mixed, seed=0)
    narrow = Tab2D(dim=8, n_layers=1, n_heads=2, max_columns=3)
    with pytest.raises(LimitError, match=r"at most 3 columns, the energy has 8"):
        TabEBMGenerator(narrow).fit(mixed, seed=0)


@pytest.mark.parametrize(
    ("setting", "value"), [("n_steps", 0), ("noise", -0.1), ("max_chains", 0), ("distance", -5)]
)
def test_settings_out_of_range_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=f"{setting} must be at least"):
        TabEBMGenerator(**{setting: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [9999.0, 99999.0, 1e12])
def test_a_code_for_a_gap_stays_and_leaves_the_other_cells_alone(code: float) -> None:
    rng = np.random.default_rng(5)
    age = np.round(rng.uniform(18, 80, 120))
    label = (age > 50).astype(float)
    age[:2] = code
    schema = Schema(
        (Column("age", ColumnKind.NUMERICAL, integer=True), Column("x", ColumnKind.NUMERICAL)),
        Column("y", ColumnKind.CATEGORICAL, ("young", "old")),
        TaskType.BINARY,
    )
    values = np.column_stack([age, rng.normal(size=120), label])
    train = Table("ages", "test", schema, values, np.arange(120))
    generator = TabEBMGenerator(Nano(), n_steps=40)
    generator.progress = False
    generator.fit(train, seed=0)
    assert generator.state.location[0] == age[2:].mean()
    rows = generator.sample(200, np.random.default_rng(0))
    coded = rows[:, 0] == code
    assert 0 < coded.mean() < 0.05
    known = rows[~coded]
    assert (known[:, 0] >= 18).all()
    assert (known[:, 0] <= 80).all()
    assert len(np.unique(known[:, 0])) > 15
    assert ((known[:, 0] > 50) == (known[:, 2] == 1)).mean() > 0.85


def test_a_rare_category_of_a_high_code_is_no_such_number() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(2, size=80).astype(float)
    codes[0] = 200
    names = tuple(map(str, range(201)))
    schema = Schema(
        (Column("k", ColumnKind.CATEGORICAL, names), Column("x", ColumnKind.NUMERICAL)),
        Column("y", ColumnKind.NUMERICAL),
        TaskType.REGRESSION,
    )
    values = np.column_stack([codes, rng.normal(size=(80, 2))])
    generator = TabEBMGenerator(Nano())
    generator.fit(Table("t", "test", schema, values, np.arange(80)), seed=0)
    assert generator.state.support.high[0] == 200
    assert generator.state.location[0] == pytest.approx(codes.mean())
