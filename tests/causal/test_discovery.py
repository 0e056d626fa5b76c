import logging
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from lit_causalmix.causal.discovery import DiscoverySettings, discover
from lit_causalmix.causal.encoding import encode_for_discovery
from lit_causalmix.tables.schema import Column, ColumnKind

NUMBER = ColumnKind.NUMERICAL


def chain_and_collider(n: int = 2000, seed: int = 0) -> NDArray[np.float64]:
    """X → Y → Z and X → W ← V: the edges at W can be oriented from data, X – Y – Z cannot."""
    rng = np.random.default_rng(seed)
    x, v = rng.normal(size=(2, n))
    y = 0.8 * x + rng.normal(size=n)
    z = 0.8 * y + rng.normal(size=n)
    w = 0.7 * x + 0.7 * v + rng.normal(size=n)
    return np.column_stack([x, y, z, w, v])


NAMES = ("X", "Y", "Z", "W", "V")
SETTINGS = DiscoverySettings(n_bootstraps=3, alphas=(0.01, 0.001))


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


def test_direction_does_not_depend_on_the_place_of_columns() -> None:
    order = [3, 4, 2, 0, 1]
    moved = discover(
        chain_and_collider()[:, order], [NAMES[i] for i in order], SETTINGS, seed=0, progress=False
    ).matrix
    back = np.argsort(order)
    assert moved[np.ix_(back, back)][0, 3] > 0.8
    assert moved[np.ix_(back, back)][4, 3] > 0.8


def test_result_is_a_function_of_the_seed() -> None:
    data, settings = chain_and_collider(150), DiscoverySettings(n_bootstraps=2)
    first, again, other = (
        discover(data, NAMES, settings, seed=s, progress=False).matrix for s in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_spent_test_budget_means_fewer_runs_and_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = chain_and_collider(200)
    settings = DiscoverySettings(test_budget=150)
    with caplog.at_level(logging.WARNING):
        found = discover(data, NAMES, settings, seed=0, progress=False)
    done = sum(found.runs.values())
    assert 1 <= done < 30
    assert f"after {done} of 30 runs: the budget of 150 tests" in caplog.text
    assert (found.matrix + found.matrix.T).max() == 1.0  # a mean over the runs that ended
    again = discover(data, NAMES, settings, seed=0, progress=False)
    assert (found.matrix == again.matrix).all()


def test_spent_time_leaves_one_shallow_run(caplog: pytest.LogCaptureFixture) -> None:
    data = np.random.default_rng(0).normal(size=(300, 40))
    data[:, 1:] += data[:, :1]
    settings = DiscoverySettings(n_bootstraps=1000, time_budget_s=0.001)
    start = time.monotonic()
    with caplog.at_level(logging.WARNING):
        found = discover(data, [str(j) for j in range(40)], settings, seed=0, progress=False)
    assert found.runs == {"pc": 1, "fci": 0}
    assert time.monotonic() - start < 30
    assert "depends on the machine" in caplog.text


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    discover(chain_and_collider(300), NAMES, SETTINGS, seed=0, progress=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_progress_bar_is_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    discover(chain_and_collider(100), NAMES, SETTINGS, seed=0, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "causal discovery: 100%" in captured.err


def test_encoding_ignores_monotone_transformations() -> None:
    values = np.random.default_rng(0).normal(size=(50, 2))
    columns = [Column("a", NUMBER), Column("b", NUMBER)]
    bent = np.column_stack([np.exp(values[:, 0]), values[:, 1] ** 3])
    encoded = encode_for_discovery(values, columns)
    np.testing.assert_array_equal(encoded, encode_for_discovery(bent, columns))
    assert abs(encoded.mean(axis=0)).max() < 1e-12
    assert encoded.std(axis=0) == pytest.approx(1, abs=0.05)


def test_nominal_codes_are_ordered_by_what_they_go_with() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(4, size=400).astype(float)
    means = np.array([1.0, -2.0, 2.0, -1.0])  # the order of codes means nothing here
    number = means[codes.astype(int)] + rng.normal(0, 0.3, 400)
    columns = [Column("a", ColumnKind.CATEGORICAL, tuple("abcd")), Column("b", NUMBER)]
    encoded = encode_for_discovery(np.column_stack([codes, number]), columns)
    levels = [encoded[codes == k, 0][0] for k in range(4)]
    assert np.argsort(levels).tolist() in ([1, 3, 0, 2], [2, 0, 3, 1])
    assert abs(np.corrcoef(encoded.T)[0, 1]) > 0.9
    assert abs(np.corrcoef(codes, number)[0, 1]) < 0.5


def test_renaming_codes_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    codes, number = rng.integers(3, size=100).astype(float), rng.normal(size=100)
    columns = [Column("a", ColumnKind.CATEGORICAL, tuple("abc")), Column("b", NUMBER)]
    renamed = np.array([2.0, 0.0, 1.0])[codes.astype(int)]
    one = encode_for_discovery(np.column_stack([codes, number]), columns)
    two = encode_for_discovery(np.column_stack([renamed, number]), columns)
    # Only the sign of the axis is free.
    assert np.allclose(one[:, 0], two[:, 0]) or np.allclose(one[:, 0], -two[:, 0])
