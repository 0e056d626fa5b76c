import numpy as np

from lit_causalmix.causal.graphs.dags import topological_order
from lit_causalmix.inspection.layout import acyclic_part, layered


def random_dag(d: int, share: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((d, d)) < share, k=1)
    order = rng.permutation(d)
    return upper[np.ix_(order, order)]


def test_the_weakest_edge_of_a_cycle_is_left_out() -> None:
    weights = np.zeros((3, 3))
    weights[0, 1], weights[1, 2], weights[2, 0] = 0.9, 0.3, 0.8
    kept = acyclic_part(weights)
    assert kept.tolist() == [[False, True, False], [False, False, False], [True, False, False]]
    topological_order(kept)


def test_causes_stand_above_effects_in_layers_of_bounded_width() -> None:
    for seed in range(10):
        dag = random_dag(30, 0.15, seed)
        position = layered(dag, 5)
        start, end = np.nonzero(dag)
        assert (position[start, 1] > position[end, 1]).all()
        assert np.unique(position[:, 1], return_counts=True)[1].max() <= 5
        assert len(np.unique(position, axis=0)) == 30, "no two nodes at one place"


def test_a_single_node_and_no_edges() -> None:
    assert layered(np.zeros((1, 1), dtype=bool), 4).tolist() == [[0.0, 0.0]]
    assert not acyclic_part(np.zeros((4, 4))).any()
