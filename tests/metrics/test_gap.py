import math

import pytest

from lit_causalmix.metrics import Score, rank_gap, selection_gap

NAN = math.nan


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ([0.0, 1.0, 8.0, 27.0], 0.0),  # the same order, whatever the sizes
        ([3.0, 2.0, 1.0, 0.0], 2.0),
        ([1.0, 0.0, 3.0, 2.0], 0.4),  # 1 - 6 * 4 / (4 * 15) = 0.6
    ],
)
def test_rank_gap_known_answers(test: list[float], expected: float) -> None:
    assert rank_gap([0.0, 1.0, 2.0, 3.0], test).value == pytest.approx(expected)


def test_rank_gap_leaves_out_checkpoints_without_both_scores() -> None:
    assert rank_gap([0, NAN, 1, 2, 3], [0, 9, 1, 2, NAN]).value == pytest.approx(0)


@pytest.mark.parametrize(
    ("validation", "test", "note"),
    [
        ([0, 1], [0, 1], "needs 3 checkpoints, there are 2"),
        ([0, 1, NAN], [0, 1, 2], "needs 3 checkpoints, there are 2"),
        ([1, 1, 1], [0, 1, 2], "the validation score is the same at every checkpoint"),
        ([0, 1, 2], [5, 5, 5], "the test score is the same at every checkpoint"),
        ([], [], "there are 0"),
    ],
)
def test_undefined_rank_gaps_say_why(validation: list[float], test: list[float], note: str) -> None:
    gap = rank_gap(validation, test)
    assert not gap.defined
    assert note in gap.note


def test_selection_gap() -> None:
    assert selection_gap(Score(1.5), Score(-0.5)).value == 2.0
    assert selection_gap(Score(NAN, "why"), Score(1.0)).note == "why"
