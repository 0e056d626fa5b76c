from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from lit_causalmix.causal.graphs.edges import EdgeProbabilities
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.inspection import draw_edges


def edges(probability: float) -> EdgeProbabilities:
    votes = np.zeros((3, 3))
    votes[0, 1], votes[1, 2] = probability, 0.5
    return EdgeProbabilities(("a", "b", "c"), {"pc": votes}, {"pc": 1}, {"pc": 1}, {})


def test_heat_map_and_graph_show_the_probabilities(tmp_path: Path) -> None:
    pictures = []
    for probability in (0.4, 1.0):
        heat, graph = draw_edges(edges(probability), tmp_path, "c")
        assert (heat.name, graph.name) == ("edges.png", "strongest_edges.png")
        pictures.append([matplotlib.image.imread(path) for path in (heat, graph)])
    for weak, strong in zip(*pictures, strict=True):
        assert weak.shape == strong.shape
        assert strong[..., :3].sum() < weak[..., :3].sum()  # darker


def test_a_folder_is_named_by_text_as_well(tmp_path: Path) -> None:
    assert draw_edges(edges(1.0), str(tmp_path), "c") == draw_edges(edges(1.0), tmp_path, "c")


def test_an_unknown_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one of 'a', 'b', 'c', got 'd'"):
        draw_edges(edges(1.0), tmp_path, "d")
