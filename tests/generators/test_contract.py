"""What every generator of the package promises, whatever it learns."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from lit_causalmix import generators
from lit_causalmix.causal.search.discovery import DiscoverySettings
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.errors import GeneratorError
from lit_causalmix.generators import (
    ARFGenerator,
    CTGANGenerator,
    DagTFMGenerator,
    Generator,
    IndependentColumnsGenerator,
    JitterGenerator,
    MixedModelGenerator,
    RelabelledGenerator,
    SCMGenerator,
    SMOTENCGenerator,
    TabEBMGenerator,
    TableAugmentGenerator,
)
from lit_causalmix.tables import TableSpec
from lit_causalmix.tables.coding import decode
from lit_causalmix.tables.schema import Schema, TaskType
from lit_causalmix.tables.table import Table


@dataclass(frozen=True)
class Method:
    """A generator with settings that make it quick, and others that change what it draws."""

    kind: type[Generator]
    quick: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    needs: str = ""

    def make(self, **settings: Any) -> Generator:
        if self.needs:
            pytest.importorskip(self.needs)
        return self.kind(**self.quick | settings)


METHODS = (
    Method(
        SCMGenerator,
        {"n_dags": 2, "n_resamples": 1, "alphas": (0.05,), "mechanism": "linear"},
        {"n_dags": 3},
    ),
    Method(TableAugmentGenerator, other={"min_fraction": 0.6}),
    Method(MixedModelGenerator, {"n_models": 3}, {"teachers": ["tree"]}),
    Method(JitterGenerator, other={"bandwidth": 0.2}),
    Method(IndependentColumnsGenerator),
    Method(SMOTENCGenerator, other={"n_neighbours": 3}, needs="imblearn"),
    Method(ARFGenerator, {"n_trees": 5}, {"min_leaf_rows": 9}),
    Method(
        CTGANGenerator,
        {"epochs": 2, "batch_size": 40, "generator_dim": [16], "discriminator_dim": [16]},
        {"epochs": 3},
        needs="ctgan",
    ),
    Method(
        DagTFMGenerator,
        {"n_dags": 2, "discovery": DiscoverySettings(("pc",), n_resamples=1, alphas=(0.05,))},
        {"n_dags": 3},
    ),
    Method(
        RelabelledGenerator,
        {"generator": IndependentColumnsGenerator()},
        {"max_context_rows": 40},
    ),
    Method(TabEBMGenerator, {"n_steps": 2, "max_context_rows": 30}, {"n_steps": 3}),
)
"""A new generator is one entry here."""

_fitted: dict[tuple[type[Generator], str], Generator] = {}


@pytest.fixture(params=METHODS, ids=lambda m: m.kind.__name__)
def method(request: pytest.FixtureRequest) -> Method:
    found: Method = request.param
    return found


@pytest.fixture(params=["binary", "multiclass", "regression"])
def table(request: pytest.FixtureRequest, mixed: Table, mixed_regression: Table) -> Table:
    """Numbers, categories, gaps, and columns that are constant, equal or empty."""
    return {
        "binary": mixed,
        "multiclass": graded(mixed),
        "regression": mixed_regression,
    }[request.param]


def graded(table: Table) -> Table:
    """The same table with its last feature, of three grades, as the target."""
    *features, grade = table.schema.features
    schema = Schema(tuple(features), grade, TaskType.MULTICLASS)
    return replace(table, name="graded", schema=schema, values=table.values[:, :-1])


def fitted(method: Method, table: Table) -> Generator:
    """Fits once per generator and table."""
    key = method.kind, table.fingerprint()
    if key not in _fitted:
        _fitted[key] = method.make()
        _fitted[key].fit(table, seed=3, progress=False)
    return _fitted[key]


def bits(generator: Generator, n: int = 40, seed: int = 1) -> bytes:
    return generator.sample(n, np.random.default_rng(seed)).tobytes()


def test_every_generator_of_the_package_is_tested() -> None:
    exported = {getattr(generators, name) for name in generators.__all__}
    concrete = {kind for kind in exported if not inspect.isabstract(kind)}
    assert concrete == {method.kind for method in METHODS}
    assert all(issubclass(kind, Generator) for kind in concrete)


def test_rows_are_valid(method: Method, table: Table) -> None:
    rows = fitted(method, table).sample(60, np.random.default_rng(0))
    assert rows.shape == (60, len(table.schema.columns))
    assert rows.dtype == np.float64
    assert not np.isinf(rows).any()
    assert not np.isnan(rows[:, -1]).any()
    for j, column in enumerate(table.schema.columns):
        known = rows[~np.isnan(rows[:, j]), j]
        if not column.is_numerical:
            assert set(known) <= set(range(len(column.categories)))
        elif column.integer:
            assert (known == np.rint(known)).all()
    assert len(decode(table.schema, rows)) == 60
    assert len(np.unique(rows[:, -1])) > 1


def test_no_rows(method: Method, mixed: Table) -> None:
    assert fitted(method, mixed).sample(0, np.random.default_rng(0)).shape == (0, 11)


def test_same_seed_same_bits(method: Method, table: Table) -> None:
    again = method.make()
    numpy_state = np.random.get_state()[1].copy()  # type: ignore[index,union-attr] # noqa: NPY002
    torch_state = torch.random.get_rng_state()
    again.fit(table, seed=3, progress=False)
    assert (np.random.get_state()[1] == numpy_state).all()  # type: ignore[index] # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert bits(again) == bits(fitted(method, table))
    assert bits(again, seed=2) != bits(again)


def test_sample_is_pure(method: Method, mixed: Table) -> None:
    generator, values = fitted(method, mixed), mixed.values.copy()
    numpy_state = np.random.get_state()[1].copy()  # type: ignore[index,union-attr] # noqa: NPY002
    torch_state = torch.random.get_rng_state()
    first = bits(generator)
    generator.sample(7, np.random.default_rng(9))[:] = -1  # the caller may write into the rows
    assert bits(generator) == first
    assert np.array_equal(mixed.values, values, equal_nan=True)
    assert (np.random.get_state()[1] == numpy_state).all()  # type: ignore[index] # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), torch_state)


def test_saved_and_loaded_gives_the_same_bits(method: Method, table: Table, tmp_path: Path) -> None:
    generator = fitted(method, table)
    generator.save(tmp_path)
    assert {p.suffix for p in tmp_path.iterdir()} <= {".json", ".safetensors"}
    loaded = method.make()
    loaded.load(tmp_path, table)
    assert bits(loaded) == bits(generator)


def test_the_state_of_another_table_is_refused(
    method: Method, mixed: Table, tmp_path: Path
) -> None:
    fitted(method, mixed).save(tmp_path)
    with pytest.raises(GeneratorError, match="other rows"):
        method.make().load(tmp_path, mixed.take(np.arange(100)))


def test_the_state_of_other_settings_is_refused(
    method: Method, mixed: Table, tmp_path: Path
) -> None:
    if not method.other:
        pytest.skip("it has no settings")
    fitted(method, mixed).save(tmp_path)
    with pytest.raises(GeneratorError, match=f"other settings .*{next(iter(method.other))}"):
        method.make(**method.other).load(tmp_path, mixed)


def test_a_damaged_state_is_refused(method: Method, mixed: Table, tmp_path: Path) -> None:
    fitted(method, mixed).save(tmp_path)
    for path in tmp_path.glob("*.json"):
        path.write_text(path.read_text()[:-20])
    with pytest.raises(GeneratorError, match="unaltered"):
        method.make().load(tmp_path, mixed)


def test_nothing_is_drawn_before_a_fit(method: Method) -> None:
    with pytest.raises(GeneratorError, match="not fitted"):
        method.make().sample(1, np.random.default_rng(0))


def _without_target(values: Any) -> Any:
    values[5, -1] = np.nan
    return values


def _of_one_target(values: Any) -> Any:
    values[:, -1] = 1.0
    return values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values[:1], "at least 2 rows"),
        (_without_target, "lack the target"),
        (_of_one_target, "one value"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_refused(
    method: Method, mixed: Table, change: Callable[[Any], Any], message: str
) -> None:
    values = change(mixed.values.copy())
    with pytest.raises(GeneratorError, match=message):
        method.make().fit(replace(mixed, values=values), seed=0, progress=False)


# -- no leakage ----------------------------------------------------------------------------------


def parted(frame: pd.DataFrame) -> pd.DataFrame:
    part = np.resize(["train", "train", "train", "val", "test"], len(frame))
    return frame.assign(part=part)


def vandalised(frame: pd.DataFrame, rows: Any) -> pd.DataFrame:
    """Other numbers, other categories and other targets in some rows."""
    changed, n = frame.copy(), int(rows.sum())
    changed.loc[rows, "age"] = 5_000.5 + np.arange(n)
    changed.loc[rows, "income"] = -1.0e6 - np.arange(n)
    changed.loc[rows, "colour"] = "violet"
    changed.loc[rows, "member"] = np.resize(["yes", "perhaps", None], n)
    changed.loc[rows, "target"] = frame.loc[rows, "target"].to_numpy()[::-1]
    return changed


def datamodule(method: Method, frame: pd.DataFrame, cache: Path) -> CausalMixDataModule:
    generator = method.make()
    module = CausalMixDataModule(
        TableSpec(frame, target="target", name="mixed", split_column="part"),
        generator=generator,
        synthetic_size=0.5 if generator.slow else None,
        cache_dir=str(cache),
        progress=False,
    )
    module.prepare_data()
    module.setup()
    return module


@pytest.mark.filterwarnings("ignore:column .* unseen in training")
@pytest.mark.parametrize("regression", [False, True])
def test_no_generator_learns_from_validation_or_test_rows(
    method: Method, make_frame: Callable[..., pd.DataFrame], tmp_path: Path, regression: bool
) -> None:
    frame = parted(make_frame(regression=regression))
    changed = vandalised(frame, frame["part"] != "train")
    train_changed = vandalised(frame, frame["part"] == "train")
    one, other, third = (
        datamodule(method, f, tmp_path / str(i))
        for i, f in enumerate((frame, changed, train_changed))
    )
    for part in ("val", "test"):
        before, after = getattr(one.splits, part), getattr(other.splits, part)
        assert (before.target != after.target).any()
        assert (before.features != after.features).all(axis=1).mean() > 0.5

    def drawn(module: CausalMixDataModule) -> bytes:
        assert module.train_stream.synthetic is not None
        return module.train_stream.synthetic.draw(40, 0, 0).tobytes()

    assert drawn(one) == drawn(other)
    assert drawn(one) != drawn(third)
