import logging

import numpy as np
import pytest

from lit_causalmix.causal.search.discovery import MOST_COLUMNS, DiscoverySettings, discover
from lit_causalmix.causal.search.encoding import (
    MAX_INDICATORS,
    Encoded,
    encode_for_discovery,
)
from lit_causalmix.errors import GeneratorError
from lit_causalmix.tables.schema import Column, ColumnKind

NUMBER = ColumnKind.NUMERICAL


def chain_and_collider(n: int = 2000, seed: int = 0) -> Encoded:
    """X → Y → Z and X → W ← V: the edges at W can be oriented from data, X – Y – Z cannot."""
    rng = np.random.default_rng(seed)
    x, v = rng.normal(size=(2, n))
    y = 0.8 * x + rng.normal(size=n)
    z = 0.8 * y + rng.normal(size=n)
    w = 0.7 * x + 0.7 * v + rng.normal(size=n)
    return Encoded.numerical(np.column_stack([x, y, z, w, v]))


NAMES = ("X", "Y", "Z", "W", "V")
SETTINGS = DiscoverySettings(n_resamples=3, alphas=(0.01, 0.001))


def test_skeleton_and_collider_are_found_by_both_algorithms() -> None:
    found = discover(chain_and_collider(), NAMES, SETTINGS, seed=0, progress=False)
    assert found.runs == found.planned == {"pc": 6, "fci": 6}
    skeleton = found.matrix + found.matrix.T
    true = {frozenset(e) for e in ("XY", "YZ", "XW", "WV")}
    for i in range(5):
        for j in range(i):
            present = frozenset((NAMES[i], NAMES[j])) in true
            assert skeleton[i, j] > 0.9 if present else skeleton[i, j] < 0.4
    into_w = {"pc": found.votes["pc"] / 6, "fci": found.votes["fci"] / 6}
    for name, mean in into_w.items():
        assert mean[0, 3] > 0.8, name
        assert mean[4, 3] > 0.8, name
        assert mean[3, 4] < 0.2, name


def test_the_result_does_not_depend_on_the_place_of_columns() -> None:
    order = [3, 4, 2, 0, 1]
    table = chain_and_collider(200)
    straight = discover(table, NAMES, SETTINGS, seed=0, progress=False)
    shuffled = Encoded.numerical(table.values[:, order])
    moved = discover(shuffled, [NAMES[i] for i in order], SETTINGS, seed=0, progress=False)
    assert (straight.matrix[np.ix_(order, order)] == moved.matrix).all()


def test_result_is_a_function_of_the_seed() -> None:
    data, settings = chain_and_collider(60), DiscoverySettings(n_resamples=2)
    first, again, other = (
        discover(data, NAMES, settings, seed=s, progress=False).matrix for s in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_a_small_test_budget_shortens_the_runs_but_none_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    values = np.random.default_rng(0).normal(size=(300, 12))
    values[:, 1:] += values[:, :1]
    table, names = Encoded.numerical(values), [str(j) for j in range(12)]
    settings = DiscoverySettings(n_resamples=2, test_budget=2_000)
    with caplog.at_level(logging.WARNING):
        found = discover(table, names, settings, seed=0, progress=False)
    assert found.runs == found.planned == {"pc": 6, "fci": 6}
    assert "in 12 of 12 runs the budget of 2000 tests did not suffice" in caplog.text
    assert (found.matrix + found.matrix.T)[0, 1:].min() == 1.0
    assert (found.matrix + found.matrix.T)[1:, 1:].mean() < 0.5


def test_the_emergency_brake_leaves_the_first_level(caplog: pytest.LogCaptureFixture) -> None:
    settings = DiscoverySettings(n_resamples=1000, time_budget_s=1e-6)
    with caplog.at_level(logging.WARNING):
        found = discover(chain_and_collider(300), NAMES, settings, seed=0, progress=False)
    assert found.runs == {"pc": 1, "fci": 1}
    assert found.planned == {"pc": 3000, "fci": 3000}
    assert "stopped after 2 of 6000 runs" in caplog.text
    assert "depends on the machine" in caplog.text


def test_a_nominal_column_finds_its_number_whatever_the_codes() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(4, size=400).astype(float)
    # Codes and number are uncorrelated, and so are the frequencies and the number.
    number = np.array([1.0, -1.0, -1.0, 1.0])[codes.astype(int)] + rng.normal(size=400)
    other = rng.normal(size=400)
    columns = [Column("a", ColumnKind.CATEGORICAL, tuple("abcd")), Column("b", NUMBER)]
    columns.append(Column("c", NUMBER))
    table = encode_for_discovery(np.column_stack([codes, number, other]), columns)
    assert table.blocks.tolist() == [0, 0, 0, 1, 2]
    found = discover(table, list("abc"), DiscoverySettings(), seed=0, progress=False)
    assert (found.matrix + found.matrix.T)[0, 1] == 1.0
    assert (found.matrix + found.matrix.T)[2].max() < 0.5


def test_more_columns_than_memory_allows_are_refused() -> None:
    d = MOST_COLUMNS + 1
    table, names = Encoded.numerical(np.zeros((3, d))), [f"x{j}" for j in range(d)]
    with pytest.raises(GeneratorError, match=r"at most 600 columns.*got 601: leave some out"):
        discover(table, names, DiscoverySettings(), seed=0, progress=False)


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    discover(chain_and_collider(300), NAMES, SETTINGS, seed=0, progress=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_progress_bar_is_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    discover(chain_and_collider(100), NAMES, SETTINGS, seed=0, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "causal discovery: 12 of 12" in captured.err


def test_encoding_ignores_monotone_transformations() -> None:
    values = np.random.default_rng(0).normal(size=(50, 2))
    columns = [Column("a", NUMBER), Column("b", NUMBER)]
    bent = np.column_stack([np.exp(values[:, 0]), values[:, 1] ** 3])
    encoded = encode_for_discovery(values, columns).values
    np.testing.assert_array_equal(encoded, encode_for_discovery(bent, columns).values)
    assert abs(encoded.mean(axis=0)).max() < 1e-12
    assert encoded.std(axis=0) == pytest.approx(1, abs=0.05)


def test_renaming_codes_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    codes, number = rng.integers(3, size=100).astype(float), rng.normal(size=100)
    columns = [Column("a", ColumnKind.CATEGORICAL, tuple("abc")), Column("b", NUMBER)]
    renamed = np.array([2.0, 0.0, 1.0])[codes.astype(int)]
    one, two = (
        discover(
            encode_for_discovery(np.column_stack([c, number]), columns),
            ["a", "b"],
            DiscoverySettings(),
            seed=0,
            progress=False,
        ).matrix
        for c in (codes, renamed)
    )
    assert (one == two).all()


def test_rare_categories_count_as_the_most_frequent_one() -> None:
    many = np.repeat(np.arange(20.0), [60, *range(20, 2, -1), 1])
    columns = [Column("a", ColumnKind.CATEGORICAL, tuple(map(str, range(20))))]
    assert encode_for_discovery(many[:, None], columns).values.shape[1] == MAX_INDICATORS
    few = np.repeat([0.0, 1.0, 2.0], [50, 10, 2])
    encoded = encode_for_discovery(few[:, None], columns).values
    assert encoded.tolist() == (few[:, None] == 1).astype(float).tolist()
    rarest = np.repeat([0.0, 1.0], [50, 2])  # something must vary
    assert encode_for_discovery(rarest[:, None], columns).values.sum() == 2
