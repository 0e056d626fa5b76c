import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lit_causalmix.errors import ConfigurationError, GeneratorError
from lit_causalmix.generators.ctgan import CTGANGenerator, Layout
from lit_causalmix.generators.parts.ctgan_network import Mixture, draw_category
from lit_causalmix.seeding import derived_seed
from lit_causalmix.tables.table import Table

QUICK: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 40,
    "embedding_dim": 8,
    "generator_dim": (16, 16),
    "discriminator_dim": (16,),
}
needs_ctgan = pytest.mark.skipif(
    importlib.util.find_spec("ctgan") is None,
    reason="the package ctgan is absent: pip install 'lit-causalmix[ctgan]'",
)


def fitted(train: Table, **settings: Any) -> CTGANGenerator:
    generator = CTGANGenerator(**QUICK | settings)
    generator.fit(train, seed=0, progress=False)
    return generator


def repeated(train: Table, times: int) -> Table:
    return train.take(np.tile(np.arange(len(train)), times))


def test_the_layout_holds_every_cell_without_a_gap(mixed: Table) -> None:
    layout = Layout.of(mixed)
    encoded = layout.encode(mixed)
    assert not np.isnan(encoded).any()
    names = [mixed.schema.columns[j].name for j in layout.sources]
    assert names.count("income") == 2  # its values, and where they are missing
    assert not {"planet", "nothing"} & set(names)
    assert np.array_equal(layout.decode(encoded), mixed.values, equal_nan=True)


def test_a_missing_category_is_one_more_category(mixed: Table) -> None:
    values = mixed.values.copy()
    values[:7, 2] = np.nan
    train = Table(mixed.name, mixed.domain, mixed.schema, values, mixed.rows)
    layout = Layout.of(train)
    encoded = layout.encode(train)
    colour = encoded[:, layout.sources.tolist().index(2)]
    assert set(colour) == {0.0, 1.0, 2.0, 3.0}
    assert np.array_equal(layout.decode(encoded), values, equal_nan=True)


def test_steps_are_counted_as_the_package_takes_them() -> None:
    assert CTGANGenerator().length(300) == (300, 300)
    assert CTGANGenerator().length(999) == (300, 300)
    assert CTGANGenerator().length(1_000) == (300, 600)
    assert CTGANGenerator(steps=700).length(300) == (700, 700)
    assert CTGANGenerator(steps=701).length(1_000) == (351, 702)


def test_categories_are_drawn_from_the_softmax() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.2], dtype=np.float32))
    drawn = draw_category(np.tile(logits, (20_000, 1)), np.random.default_rng(0))
    assert np.bincount(drawn) / 20_000 == pytest.approx([0.5, 0.3, 0.2], abs=0.015)


def test_a_component_spans_four_deviations() -> None:
    mixture = Mixture(np.array([10.0, -5.0]), np.array([1.0, 0.5]))
    outputs = np.array([[9.0, 50, 0], [-9.0, 0, 50], [0.0, 50, 0]], dtype=np.float32)
    values = mixture.values(outputs, np.random.default_rng(0))
    assert values == pytest.approx([14, -7, 10], abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"generator_dim": ()}, "generator_dim must be at least 1"),
        ({"batch_size": 25}, "even and a multiple of pac, got 25 and 10"),
        ({"batch_size": 24}, "even and a multiple of pac, got 24 and 10"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CTGANGenerator(**settings)


def test_the_absent_package_is_named(mixed: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ctgan", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'lit-causalmix\[ctgan\]'"):
        CTGANGenerator(**QUICK).fit(mixed, seed=0, progress=False)


@needs_ctgan
def test_the_network_is_the_package_s(mixed: Table) -> None:
    """Equal outputs for equal noise and condition, and equal rows for equal outputs."""
    generator = CTGANGenerator(**QUICK)
    layout = Layout.of(mixed)
    model = generator._fitted(layout.encode(mixed), layout.discrete, 3, 0, progress=False)
    generator.fit(mixed, seed=0, progress=False)
    network = generator.state.network
    rng = np.random.default_rng(0)
    condition = model._data_sampler.sample_original_condvec(40)
    noise = rng.standard_normal((40, 8)).astype(np.float32)
    x = np.concatenate([noise, condition], axis=1)
    with torch.no_grad():
        expected = model._generator(torch.from_numpy(x)).numpy()
    outputs = network.outputs(x)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)

    # Decisive logits leave nothing to chance, neither here nor in the package.
    activated, start = outputs.copy(), 0
    for span in network.spans:
        logits = slice(start + isinstance(span, Mixture), start + span.width)
        outputs[:, logits] *= 1e6
        winner = outputs[:, logits].argmax(axis=1)
        activated[:, logits] = np.eye(outputs[:, logits].shape[1], dtype=np.float32)[winner]
        if isinstance(span, Mixture):
            activated[:, start] = np.tanh(outputs[:, start])
        start += span.width
    theirs = model._transformer.inverse_transform(activated)
    np.testing.assert_allclose(network.decode(outputs, rng), theirs, rtol=1e-5, atol=1e-5)


@needs_ctgan
def test_the_condition_is_drawn_as_the_package_draws_it(mixed: Table) -> None:
    generator = CTGANGenerator(**QUICK)
    layout = Layout.of(mixed)
    model = generator._fitted(layout.encode(mixed), layout.discrete, 1, 0, progress=False)
    generator.fit(mixed, seed=0, progress=False)
    state = np.random.get_state()  # noqa: NPY002 - the package knows the global generator only
    theirs = model._data_sampler.sample_original_condvec(20_000).mean(axis=0)
    np.random.set_state(state)  # noqa: NPY002
    assert generator.state.network.condition == pytest.approx(theirs, abs=0.015)


@needs_ctgan
def test_the_network_takes_the_steps_that_are_counted(
    mixed: Table, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.optim import Adam

    taken: list[int] = []
    step: Callable[..., Any] = Adam.step

    def counted(self: Adam, *args: Any, **kwargs: Any) -> Any:
        taken.append(id(self))
        return step(self, *args, **kwargs)

    monkeypatch.setattr(Adam, "step", counted)
    with caplog.at_level(logging.INFO):
        generator = fitted(mixed, steps=12)  # 200 rows in batches of 40: 5 steps an epoch
    assert generator.state.n_steps == 15
    assert sorted(taken.count(optimiser) for optimiser in set(taken)) == [15, 15]
    assert "3 epochs, 15 steps of the generator network" in caplog.text


@needs_ctgan
def test_same_seed_same_bits_and_global_generators_stay(mixed: Table) -> None:
    """Also from 500 rows on, where the package would transform columns in other processes."""
    train = repeated(mixed, 3)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # type: ignore[index,union-attr] # noqa: NPY002
    one = fitted(train).sample(50, np.random.default_rng(0))
    assert (np.random.get_state()[1] == before[0]).all()  # type: ignore[index] # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])
    np.random.seed(6)  # noqa: NPY002
    torch.manual_seed(6)
    assert np.array_equal(one, fitted(train).sample(50, np.random.default_rng(0)), equal_nan=True)
    other = CTGANGenerator(**QUICK)
    other.fit(train, seed=1, progress=False)
    assert not np.array_equal(one, other.sample(50, np.random.default_rng(0)), equal_nan=True)
    assert derived_seed(0, "ctgan") != derived_seed(1, "ctgan")


@needs_ctgan
def test_a_saved_network_needs_no_package(
    mixed: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = fitted(mixed)
    generator.save(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "ctgan", None)
    loaded = CTGANGenerator(**QUICK)
    loaded.load(tmp_path, mixed)
    one, two = (g.sample(90, np.random.default_rng(0)) for g in (generator, loaded))
    assert np.array_equal(one, two, equal_nan=True)
    with pytest.raises(GeneratorError, match=r"other settings \(epochs\)"):
        CTGANGenerator(**QUICK | {"epochs": 4}).load(tmp_path, mixed)


@needs_ctgan
@pytest.mark.slow
def test_training_brings_the_columns_closer(mixed: Table) -> None:
    """The published settings, on 200 rows: shares of categories come close to the real ones."""
    generator = CTGANGenerator()
    generator.fit(mixed, seed=0, progress=False)
    untrained = CTGANGenerator(epochs=1)
    untrained.fit(mixed, seed=0, progress=False)

    def distance(fitted: CTGANGenerator) -> float:
        rows = fitted.sample(2_000, np.random.default_rng(0))
        return sum(
            np.abs(
                np.bincount(rows[:, j].astype(int), minlength=3) / len(rows)
                - np.bincount(mixed.values[:, j].astype(int), minlength=3) / len(mixed)
            ).sum()
            for j in (2, 4, 9)
        )

    assert distance(generator) < 0.7 * distance(untrained)


@needs_ctgan
def test_rows_are_distributed_as_the_package_s(mixed: Table) -> None:
    generator = CTGANGenerator(**QUICK | {"epochs": 10})
    layout = Layout.of(mixed)
    model = generator._fitted(layout.encode(mixed), layout.discrete, 10, 0, progress=False)
    generator.fit(mixed, seed=0, progress=False)
    theirs = model.sample(4_000)
    ours = generator.state.network.sample(4_000, np.random.default_rng(0))
    error = theirs.std(axis=0) * np.sqrt(2 / 4_000)
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 5 * error + 1e-9).all()
    assert ours.std(axis=0) == pytest.approx(theirs.std(axis=0), rel=0.15)


@needs_ctgan
def test_numbers_alone_need_no_condition(mixed_regression: Table) -> None:
    columns = [0, 1, 10]
    schema = mixed_regression.schema
    train = Table(
        "numbers",
        "test",
        type(schema)(tuple(schema.columns[j] for j in columns[:-1]), schema.target, schema.task),
        np.nan_to_num(mixed_regression.values[:, columns], nan=3_000.0),
        mixed_regression.rows,
    )
    generator = fitted(train)
    assert not len(generator.state.network.condition)
    rows = generator.sample(30, np.random.default_rng(0))
    assert (rows >= train.values.min(axis=0)).all()
    assert (rows <= train.values.max(axis=0)).all()
