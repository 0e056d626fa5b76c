import time

import numpy as np
import pytest
from numpy.typing import NDArray

from lit_causalmix.causal.models.coarse_trees import BINS
from lit_causalmix.causal.models.families import FAMILIES, FOLDS, held_out_loss
from lit_causalmix.causal.models.screening import Question, binned, held_out_losses
from lit_causalmix.deadlines import OutOfTimeError, until

Floats = NDArray[np.float64]
CASES = {"number": 0, "two classes": 2, "four classes": 4}


def rows(n: int, seed: int) -> tuple[Floats, tuple[int, ...], Floats]:
    """Two numbers, an ordered and an unordered category, and a signal that trees find."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    five, ten = rng.integers(5, size=n), rng.integers(10, size=n)
    effect = np.random.default_rng(9).normal(size=10)
    signal = np.sin(2 * x[:, 0]) * (x[:, 1] > 0) + 0.5 * (five > 2) + effect[ten]
    return np.column_stack([x, five, ten]), (0, 0, 5, 10), signal + 0.5 * rng.normal(size=n)


def asked(parents: Floats, sizes: tuple[int, ...], child: Floats, n_classes: int) -> Question:
    bins = [c.astype(np.uint8) if k else binned(c) for c, k in zip(parents.T, sizes, strict=True)]
    fold = np.random.default_rng(0).permutation(len(child)) % FOLDS
    return Question(np.stack(bins), sizes, child, n_classes, fold)


def case(n_classes: int, n: int = 900, seed: int = 0) -> tuple[Question, Floats]:
    parents, sizes, child = rows(n, seed)
    if n_classes:
        cuts = np.quantile(child, np.arange(1, n_classes) / n_classes)
        child = np.searchsorted(cuts, child).astype(np.float64)
    return asked(parents, sizes, child, n_classes), parents


@pytest.mark.parametrize("n_classes", CASES.values(), ids=CASES)
def test_losses_are_close_to_those_of_full_boosting(n_classes: int) -> None:
    question, parents = case(n_classes)
    boosting, linear = (
        held_out_loss(
            FAMILIES[name], parents, question.child, question.sizes, n_classes, question.fold
        )
        for name in ("boosting", "linear")
    )
    found = held_out_losses([question])[0]
    assert boosting < 0.98 * linear  # so that the parents say something
    assert found == pytest.approx(boosting, rel=0.15)  # 11 %, 1 % and 3 % apart


def test_a_constant_is_learned_where_parents_say_nothing() -> None:
    rng = np.random.default_rng(0)
    child = rng.normal(5.0, 2.0, size=600)
    question = asked(rng.normal(size=(600, 3)), (0, 0, 0), child, 0)
    total = float(((child - child.mean()) ** 2).sum())
    assert total < held_out_losses([question])[0] < 1.2 * total


def test_a_step_is_found_whatever_the_monotone_scale_of_the_parent() -> None:
    x = np.random.default_rng(0).permutation(640).astype(float)
    child = np.where(x < 320, -1.0, 1.0)
    straight, warped = (asked(c[:, None], (0,), child, 0) for c in (x, np.exp(x / 100)))
    losses = held_out_losses([straight, warped])
    assert losses[0] == losses[1] < 0.01 * 640


def test_names_of_categories_do_not_matter() -> None:
    question, parents = case(0)
    renamed = parents.copy()
    renamed[:, 3] = np.random.default_rng(1).permutation(10)[parents[:, 3].astype(int)]
    other = asked(renamed, question.sizes, question.child, 0)
    assert held_out_losses([question])[0] == pytest.approx(held_out_losses([other])[0], rel=1e-9)


def test_many_categories_share_bins() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(200, size=3000)
    child = np.sin(codes.astype(float)) + 0.1 * rng.normal(size=3000)
    found = held_out_losses([asked(codes[:, None].astype(float), (200,), child, 0)])[0]
    assert found < 0.3 * float(((child - child.mean()) ** 2).sum())


def test_codes_that_do_not_occur_take_no_bin_of_others() -> None:
    codes = np.random.default_rng(0).integers(40, size=800).astype(float)
    child = np.where(np.arange(800) < 600, 1.0, 2.0)
    few, many = (asked(codes[:, None], (k,), child, 0) for k in (40, 200))
    assert held_out_losses([few, many]).tolist() == held_out_losses([few, few]).tolist()


def test_what_is_asked_together_has_no_influence(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [case(k, n, n)[0] for k in CASES.values() for n in (400, 650)]
    together = held_out_losses(questions)
    alone = [held_out_losses([q])[0] for q in questions]
    assert together.tolist() == alone
    monkeypatch.setattr("lit_causalmix.causal.models.screening._MOST_CELLS", 1)
    assert held_out_losses(questions).tolist() == alone


def test_a_class_that_a_fold_lacks_costs_much_but_no_infinity() -> None:
    question, _ = case(4)
    child = np.where(question.fold == 0, 3.0, np.minimum(question.child, 2.0))
    lacking = Question(question.bins, question.sizes, child, 4, question.fold)
    loss = held_out_losses([lacking])[0]
    assert 0.9 * (question.fold == 0).sum() * np.log(1e6) < loss < np.inf


def test_bins_hold_alike_many_rows_and_keep_few_values_apart() -> None:
    column = np.random.default_rng(0).normal(size=3200)
    counts = np.bincount(binned(column))
    assert len(counts) == BINS
    assert np.ptp(counts) <= 2
    assert (np.diff(binned(np.sort(column)).astype(int)) >= 0).all()
    assert binned(np.array([3.0, 1.0, 2.0, 3.0])).tolist() == [2, 0, 1, 2]


def test_a_deadline_ends_it() -> None:
    with pytest.raises(OutOfTimeError), until(time.monotonic() - 1):
        held_out_losses([case(0)[0]])
