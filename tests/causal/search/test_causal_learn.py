import itertools
import logging
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from lit_causalmix.causal.graphs.constraints import Constraints
from lit_causalmix.causal.graphs.edges import EdgeProbabilities
from lit_causalmix.causal.search import problem
from lit_causalmix.causal.search.discovery import DiscoverySettings, discover
from lit_causalmix.causal.search.encoding import Encoded, encode_for_discovery
from lit_causalmix.errors import GeneratorError
from lit_causalmix.tables.schema import Column, ColumnKind

NAMES = [f"c{j}" for j in range(8)]


def numbers(seed: int, n: int = 300, d: int = 8) -> Encoded:
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.normal(size=(d, d)) * (rng.random((d, d)) < 0.35), 1)
    rows = np.zeros((n, d))
    for j in range(d):
        rows[:, j] = rows @ weights[:, j] + rng.normal(size=n)
    return Encoded.numerical(rows[:, rng.permutation(d)])


def found(
    table: Encoded,
    constraints: Constraints | None = None,
    n_resamples: int = 3,
    seed: int = 0,
    **settings: object,
) -> EdgeProbabilities:
    chosen = DiscoverySettings(
        n_resamples=n_resamples,
        **({"search": "causal-learn"} | settings),  # type: ignore[arg-type]
    )
    names = NAMES[: len(table.categorical)]
    return discover(table, names, chosen, seed=seed, constraints=constraints, progress=False)


def skeleton(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return matrix + matrix.T


@pytest.mark.parametrize("seed", range(3))
def test_both_searches_agree_on_numbers(seed: int) -> None:
    table = numbers(seed)
    theirs, ours = found(table), found(table, search="batched")
    # PC's skeleton is the same in each run; orientation, and FCI's second phase, which causal-learn
    # does not bound, depend on the order of its columns.
    np.testing.assert_allclose(skeleton(theirs.votes["pc"]), skeleton(ours.votes["pc"]))
    assert np.abs(theirs.matrix - ours.matrix).mean() < 0.03
    assert np.corrcoef(theirs.matrix.ravel(), ours.matrix.ravel())[0, 1] > 0.95
    assert theirs.runs == theirs.planned == {"pc": 9, "fci": 9}


def test_a_nominal_column_is_tested_as_a_block() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(4, size=400).astype(float)
    number = np.array([1.0, -1.0, -1.0, 1.0])[codes.astype(int)] + rng.normal(size=400)
    columns = [Column("a", ColumnKind.CATEGORICAL, tuple("abcd"))]
    columns += [Column(name, ColumnKind.NUMERICAL) for name in "bc"]
    rows = np.column_stack([codes, number, rng.normal(size=400)])
    table = encode_for_discovery(rows, columns)
    theirs, ours = found(table), found(table, search="batched")
    np.testing.assert_allclose(skeleton(theirs.votes["pc"]), skeleton(ours.votes["pc"]))
    assert skeleton(theirs.matrix)[0, 1] == 1.0
    assert skeleton(theirs.matrix)[2].max() < 0.5


def test_knowledge_guides_the_orientation() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    y = x + rng.normal(size=500)
    table = Encoded.numerical(np.column_stack([x, y, y + rng.normal(size=500)]))
    free = found(table)
    assert free.matrix[0, 1] == free.matrix[1, 0] == 0.5
    first = found(table, Constraints((("c0", "c1"),)))
    # Meek's first rule passes the required direction on to the next edge.
    for matrix in first.votes.values():
        assert matrix[0, 1] / 9 == matrix[1, 2] / 9 == 1.0
    apart = found(table, Constraints((), {("c0", "c1"): "so", ("c1", "c0"): "so"}))
    assert skeleton(apart.matrix)[0, 1] == 0.0


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    found(numbers(0), n_resamples=1)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_the_time_ends_a_run_from_within(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(
        problem, "time", SimpleNamespace(monotonic=lambda: 0.0 if next(clock) < 100 else np.inf)
    )
    with caplog.at_level(logging.WARNING):
        cut = found(numbers(0))
    assert 0 < sum(cut.runs.values()) < 18
    assert f"stopped after {sum(cut.runs.values())} of 18 runs" in caplog.text
    assert next(clock) < 150
    with pytest.raises(GeneratorError, match=r"no run ended within 1e-06 s: raise time_budget_s"):
        found(numbers(0), time_budget_s=1e-6)


@pytest.mark.slow  # starting processes
@pytest.mark.parametrize("name", ["batched", "causal-learn"])
def test_processes_have_no_influence(name: str) -> None:
    table = numbers(1)
    one, two = (found(table, search=name, n_jobs=jobs) for jobs in (1, 2))
    assert one.runs == two.runs
    for algorithm, votes in one.votes.items():
        assert (votes == two.votes[algorithm]).all()


def test_causal_learn_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys, lit_causalmix.causal.search.discovery; sys.exit('causallearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
