"""The step is chosen on pooled predictions, as a fit chooses among its validations."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lit_causalmix.ensembles import HeldOut, Predicted, averaged, choose, scored
from lit_causalmix.episode import RowOrigin
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import DomainScores
from lit_causalmix.training.selection import (
    CautiousValidation,
    FixedBudget,
    MixedValidation,
    RealValidation,
    Selection,
)


def fold(moments: Mapping[int, list[float]], target: list[float], origin: int = 0) -> HeldOut:
    """Predictions of a regression."""
    n = len(target)
    facts = (
        torch.tensor(target).double(),
        torch.arange(n),
        torch.full((n,), origin).to(torch.int8),
    )
    return HeldOut({s: Predicted(torch.tensor(p).double(), *facts) for s, p in moments.items()})


def step(folds: list[HeldOut], selection: Selection) -> int:
    return choose(folds, selection, classification=False).step


def test_the_pool_decides_not_one_fold_nor_the_mean_of_their_scores() -> None:
    # By RMSE: step 3 is best in the small fold by far, step 6 over all rows together.
    small = fold({0: [1.0], 3: [0.0], 6: [0.9]}, [0.0])
    large = fold({0: [1.0] * 9, 3: [1.2] * 9, 6: [0.9] * 9}, [0.0] * 9)
    choice = choose([small, large], RealValidation(), classification=False)
    assert choice.step == 6
    assert choice.score == pytest.approx(0.9)
    pooled = [entry.scores["real/rmse"].value for entry in choice.history]
    assert pooled == pytest.approx([1.0, math.sqrt(9 * 1.44 / 10), 0.9])
    assert choice.scores["real/rmse"].value == pytest.approx(0.9)


def test_zero_shot_stays_where_nothing_gains_and_where_the_bar_is_not_reached() -> None:
    worse = fold({0: [1.0, 1.0], 5: [1.5, 1.5]}, [0.0, 0.0])
    assert step([worse, worse], RealValidation()) == 0
    little = fold({0: [1.0, 1.0], 5: [0.98, 0.98]}, [0.0, 0.0])
    assert step([little, little], RealValidation()) == 5
    assert step([little, little], CautiousValidation(min_gain=1.0)) == 5
    assert step([little, little], CautiousValidation(min_gain=3.0)) == 0


def test_candidates_are_the_steps_of_all_folds() -> None:
    long = fold({0: [1.0], 2: [0.8], 4: [0.1]}, [0.0])
    short = fold({0: [1.0], 2: [0.8]}, [0.0])
    assert step([long, long], RealValidation()) == 4
    assert step([long, short], RealValidation()) == 2
    assert step([long, short], FixedBudget()) == 2
    with pytest.raises(ConfigurationError, match="needs its zero-shot predictions"):
        step([fold({2: [1.0]}, [0.0])], RealValidation())


def test_synthetic_rows_count_where_the_selection_says_so() -> None:
    real = fold({0: [1.0], 2: [2.0]}, [0.0])
    drawn = fold({0: [1.0], 2: [0.1]}, [0.0], int(RowOrigin.SYNTHETIC))
    both = HeldOut({s: Predicted.joined([real.moments[s], drawn.moments[s]]) for s in (0, 2)})
    assert step([both, both], RealValidation()) == 0
    assert step([both, both], MixedValidation(synthetic_weight=0.9)) == 2


def test_an_undefined_zero_shot_score_gives_way_to_any_defined_one() -> None:
    folds = [fold({0: [math.nan], 2: [5.0]}, [0.0])]
    assert step(folds, RealValidation()) == 2


def test_scores_are_those_of_a_fit() -> None:
    from lit_causalmix.prior import PriorSettings, draw_episode

    episode = draw_episode(PriorSettings(), seed=0, epoch=0, index=0)
    logits: Tensor = torch.randn(episode.n_query, episode.n_classes)
    probabilities = logits.softmax(dim=1)
    collected = DomainScores(True, ("finance",))
    collected.update(probabilities, replace(episode, domain_id=0))
    found = scored(
        Predicted.of([(probabilities, episode)]), classification=True, labels=("finance",)
    )
    assert found == collected.compute()


def test_the_mean_is_taken_over_the_same_rows_alone() -> None:
    one, two = (fold({0: p}, [0.0, 0.0]).moments[0] for p in ([1.0, 4.0], [3.0, 0.0]))
    assert averaged([one, two]).predictions.tolist() == [2.0, 2.0]
    with pytest.raises(ConfigurationError, match="same rows"):
        averaged([one, replace(two, row=two.row + 1)])
