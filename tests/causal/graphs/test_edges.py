from pathlib import Path

import numpy as np
import pytest

from lit_causalmix.causal.graphs.edges import EdgeProbabilities, votes


@pytest.mark.parametrize(
    ("mark_at_i", "mark_at_j", "forward", "backward"),
    [
        (-1, 1, 1.0, 0.0),  # i → j
        (1, -1, 0.0, 1.0),  # i ← j
        (-1, -1, 0.5, 0.5),  # undirected
        (1, 1, 0.5, 0.5),  # i ↔ j
        (2, 2, 0.5, 0.5),  # i o–o j
        (2, 1, 1.0, 0.0),  # i o→ j
        (1, 2, 0.0, 1.0),  # i ←o j
        (-1, 2, 0.5, 0.5),  # i –o j
        (0, 0, 0.0, 0.0),
    ],
)
def test_votes_of_one_edge(mark_at_i: int, mark_at_j: int, forward: float, backward: float) -> None:
    # causal-learn: "graph[j, i] = 1 and graph[i, j] = −1 indicates i → j".
    found = votes(np.array([[0, mark_at_i], [mark_at_j, 0]]))
    assert found.tolist() == [[0, forward], [backward, 0]]


def example() -> EdgeProbabilities:
    return EdgeProbabilities(
        names=("a", "b"),
        votes={"pc": np.array([[0, 2.0], [1, 0]]), "fci": np.array([[0, 0.5], [0.5, 0]])},
        runs={"pc": 4, "fci": 1},
        planned={"pc": 4, "fci": 4},
        set_aside={"c": "constant"},
    )


def test_matrix_is_the_mean_over_all_runs() -> None:
    assert example().matrix.tolist() == [[0, 0.5], [0.3, 0]]


def test_the_table_says_how_often_each_algorithm_saw_a_direction() -> None:
    found = example().table()
    assert found.to_dict("list") == {
        "cause": ["a", "b"],
        "effect": ["b", "a"],
        "probability": [0.5, 0.3],
        "pc": [0.5, 0.25],
        "fci": [0.5, 0.5],
    }


def test_no_run_at_all_means_no_edge() -> None:
    empty = EdgeProbabilities(("a",), {"pc": np.zeros((1, 1))}, {"pc": 0}, {"pc": 0}, {})
    assert empty.matrix.tolist() == [[0]]


def test_saved_and_loaded(tmp_path: Path) -> None:
    example().save(tmp_path)
    loaded = EdgeProbabilities.load(tmp_path)
    assert (loaded.matrix == example().matrix).all()
    assert (loaded.names, loaded.planned) == (example().names, example().planned)
    assert loaded.set_aside == {"c": "constant"}
