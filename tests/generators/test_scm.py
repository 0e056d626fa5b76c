import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from lit_causalmix.causal.graphs.knowledge import Knowledge
from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.metrics.quality import ks_complement
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.tables.table import Table

SMALL: dict[str, Any] = {"n_dags": 3, "n_resamples": 2, "alphas": (0.05,)}


def fitted(table: Table, *, seed: int = 0, **settings: Any) -> SCMGenerator:
    generator = SCMGenerator(**{**SMALL, **settings})
    generator.fit(table, seed=seed, progress=False)
    return generator


@pytest.fixture(scope="module")
def generator(mixed: Table) -> SCMGenerator:
    return fitted(mixed)


def column(table: Table, name: str) -> int:
    return [c.name for c in table.schema.columns].index(name)


def test_rows_are_valid(mixed: Table, generator: SCMGenerator) -> None:
    rows = generator.sample(1000, np.random.default_rng(0))
    assert rows.shape == (1000, 11)
    assert rows.dtype == np.float64
    assert not np.isnan(rows[:, -1]).any()
    for j, c in enumerate(mixed.schema.columns):
        known = rows[~np.isnan(rows[:, j]), j]
        if not c.is_numerical:
            assert set(known) <= set(range(len(c.categories)))
        elif c.integer:
            assert (known == np.round(known)).all()


def test_support_is_kept(mixed_regression: Table) -> None:
    rows = fitted(mixed_regression).sample(2000, np.random.default_rng(0))
    real = mixed_regression.values
    known = ~np.isnan(real).all(axis=0)
    assert (np.nanmin(rows[:, known], axis=0) >= np.nanmin(real[:, known], axis=0)).all()
    assert (np.nanmax(rows[:, known], axis=0) <= np.nanmax(real[:, known], axis=0)).all()


def test_normal_scores_keep_the_shape_of_a_skewed_column() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    skewed = np.exp(1.5 * (x + 0.5 * rng.normal(size=600)))
    skewed[skewed < 0.3] = 0.0
    number = ColumnKind.NUMERICAL
    schema = Schema((Column("x", number),), Column("skewed", number), TaskType.REGRESSION)
    table = Table("skewed", "test", schema, np.column_stack([x, skewed]), np.arange(600))
    knowledge = Knowledge(required=[["x", "skewed"]])
    shape, trend = {}, {}
    for scale in ("raw", "quantile"):
        generator = fitted(table, scale=scale, knowledge=knowledge, mechanism="linear")
        rows = generator.sample(5000, np.random.default_rng(0))
        shape[scale] = ks_complement(skewed, rows[:, 1])
        trend[scale] = spearmanr(rows[:, 0], rows[:, 1]).statistic
    assert shape["quantile"] > 0.95 > shape["raw"]
    assert abs(trend["quantile"] - spearmanr(x, skewed).statistic) < 0.05


def test_set_aside_columns_return_as_functions_of_the_others(
    mixed: Table, generator: SCMGenerator
) -> None:
    rows = generator.sample(500, np.random.default_rng(0))
    at = {c.name: rows[:, j] for j, c in enumerate(mixed.schema.columns)}
    assert (at["years"] == at["age"]).all()
    assert (at["couleur"] == np.array([0, 2, 1])[at["colour"].astype(int)]).all()
    assert (at["planet"] == 0).all()
    assert np.isnan(at["nothing"]).all()
    low, high = mixed.values[:, column(mixed, "years left")].min(), 82
    assert (at["years left"] == np.clip(100 - at["age"] - at["member"], low, high)).all()
    assert generator.edge_probabilities.set_aside == {
        "nothing": "all-missing",
        "planet": "constant",
        "years left": "collinear",
        "couleur": "duplicate",
        "years": "duplicate",
    }


def test_set_aside_columns_are_named_in_a_warning(
    mixed: Table, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        fitted(mixed)
    assert "'planet'" in caplog.text
    assert "2 duplicate column(s)" in caplog.text


def test_missing_cells_keep_their_rate_and_can_be_left_out(mixed: Table) -> None:
    j = column(mixed, "income")
    rate = np.isnan(mixed.values[:, j]).mean()
    rows = fitted(mixed).sample(5000, np.random.default_rng(0))
    assert abs(np.isnan(rows[:, j]).mean() - rate) < 0.02
    full = fitted(mixed, missing="none").sample(500, np.random.default_rng(0))
    assert not np.isnan(np.delete(full, column(mixed, "nothing"), axis=1)).any()


def test_same_seed_same_bits_and_other_seeds_other_bits(
    mixed: Table, generator: SCMGenerator
) -> None:
    again = fitted(mixed)
    first = generator.sample(100, np.random.default_rng(1))
    assert first.tobytes() == again.sample(100, np.random.default_rng(1)).tobytes()
    assert (generator.edge_probabilities.matrix == again.edge_probabilities.matrix).all()
    assert first.tobytes() != generator.sample(100, np.random.default_rng(2)).tobytes()
    other = fitted(mixed, seed=1)
    assert (generator.edge_probabilities.matrix != other.edge_probabilities.matrix).any()
    assert first.tobytes() != other.sample(100, np.random.default_rng(1)).tobytes()


def test_global_random_state_and_stdout_are_left_alone(
    mixed: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr] # noqa: NPY002
    fitted(mixed, n_resamples=1).sample(10, np.random.default_rng(0))
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index] # noqa: NPY002
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "settings",
    [
        {"mechanism": "linear", "scale": "raw"},
        {"mechanism": "boosting", "noise": "smoothed"},
        {"noise": "heteroscedastic", "scale": "quantile"},
    ],
)
def test_saved_and_loaded_gives_the_same_bits(
    mixed: Table, tmp_path: Path, settings: dict[str, Any]
) -> None:
    generator = fitted(mixed, **settings)
    generator.save(tmp_path)
    loaded = SCMGenerator(**{**SMALL, **settings})
    loaded.load(tmp_path, mixed)
    for n in (1, 300):
        first = generator.sample(n, np.random.default_rng(5))
        assert first.tobytes() == loaded.sample(n, np.random.default_rng(5)).tobytes()
    assert (loaded.dags == generator.dags).all()
    assert loaded.edge_probabilities.runs == generator.edge_probabilities.runs


@pytest.mark.parametrize("name", ["scm.json", "scm.safetensors"])
@pytest.mark.parametrize("damage", ["delete", "cut", "alter"])
def test_damaged_state_is_refused(
    mixed: Table, generator: SCMGenerator, tmp_path: Path, name: str, damage: str
) -> None:
    generator.save(tmp_path)
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    if damage == "delete":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(GeneratorError, match="unaltered"):
        SCMGenerator(**SMALL).load(tmp_path, mixed)


def test_state_of_another_table_or_other_settings_is_refused(
    mixed: Table, generator: SCMGenerator, tmp_path: Path
) -> None:
    generator.save(tmp_path)
    with pytest.raises(GeneratorError, match="other rows"):
        SCMGenerator(**SMALL).load(tmp_path, mixed.take(np.arange(100)))
    with pytest.raises(GeneratorError, match="n_dags"):
        SCMGenerator(**{**SMALL, "n_dags": 4}).load(tmp_path, mixed)


def test_settings_are_json_values() -> None:
    settings = SCMGenerator().settings()
    assert json.loads(json.dumps(settings)) == settings
    assert settings != SCMGenerator(alphas=(0.01,)).settings()


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_dags": 0},
        {"n_resamples": 0},
        {"alphas": ()},
        {"alphas": (1.5,)},
        {"algorithms": ("ges",)},
        {"algorithms": ("pc", "pc")},
        {"max_conditioning": -1},
        {"test_budget": 0},
        {"time_budget_s": float("nan")},
        {"mechanism": "magic"},
        {"missing": "some"},
        {"noise": "white"},
        {"scale": "log"},
        {"rows_per_model": 0},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        SCMGenerator(**wrong)


def test_sample_before_fit_is_refused() -> None:
    with pytest.raises(GeneratorError, match="not fitted"):
        SCMGenerator().sample(1, np.random.default_rng(0))


def test_no_rows(generator: SCMGenerator) -> None:
    assert generator.sample(0, np.random.default_rng(0)).shape == (0, 11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v[:1], "at least 2 rows"),
        (lambda v: np.where(np.arange(11) == 10, 1.0, v), "one value"),
        (lambda v: np.where(np.arange(11) == 1, np.inf, v), "infinite"),
        (lambda v: np.where(np.arange(11) == 10, np.nan, v), "lack the target"),
    ],
)
def test_tables_that_cannot_be_modelled(mixed: Table, change: Any, message: str) -> None:
    values = change(mixed.values)
    with pytest.raises(GeneratorError, match=message):
        fitted(replace(mixed, values=values, rows=np.arange(len(values))))


def test_target_alone(mixed: Table) -> None:
    values = np.where(np.arange(11) < 10, 0.0, mixed.values)
    rows = fitted(replace(mixed, values=values)).sample(2000, np.random.default_rng(0))
    assert (rows[:, :-1] == 0).all()
    assert abs(rows[:, -1].mean() - values[:, -1].mean()) < 0.05
