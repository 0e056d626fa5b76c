"""Scores of no rows, which a draw by rejection begins with."""

import numpy as np

from lit_causalmix.causal.sampler.scores import BoostedScores


def test_boosted_trees_score_no_rows() -> None:
    trees = BoostedScores((), (), np.ones((4, 8)), outputs=2)
    assert trees(np.empty((0, 3))).shape == (0, 2)
    assert trees(np.zeros((3, 3))).tolist() == [[2.0, 2.0]] * 3
