"""Views of an episode: a learner that treats all of them alike predicts the same for each."""

import torch
from torch import Tensor

from lit_causalmix.backbones.nano import View, views
from lit_causalmix.backbones.tab2d.preprocessing import target_bins, target_range
from lit_causalmix.episode import Episode
from lit_causalmix.prior import PriorSettings, draw_episode

N_BINS = 21


def episode(*, regression: bool) -> Episode:
    settings = PriorSettings(regression=regression, missing_share=0, max_classes=5)
    return draw_episode(settings, seed=0, epoch=0, index=3 if regression else 5)


def weights(e: Episode) -> Tensor:
    """Similarities (Q, R), the same whatever the signs of the features."""
    return torch.softmax(-torch.cdist(e.x_query, e.x_context), dim=1)


def vote(e: Episode) -> Tensor:
    return weights(e) @ torch.nn.functional.one_hot(e.y_context, e.n_classes).float()


def average(e: Episode) -> Tensor:
    return weights(e) @ e.y_context


def histogram(e: Episode) -> Tensor:
    low, span = target_range(e.y_context)
    bins = target_bins((e.y_context - low) / span, N_BINS)
    return weights(e) @ torch.nn.functional.one_hot(bins, N_BINS).float()


def test_outputs_are_mapped_back_to_the_episode() -> None:
    cases = [(vote, False), (average, True), (histogram, True)]
    for learner, regression in cases:
        e = episode(regression=regression)
        expected = learner(e)
        for view in views(8, e):
            found = view.restore(learner(view.apply(e)), e)
            assert (found - expected).abs().mean() < 1e-6


def test_views_differ_and_begin_with_the_episode_as_it_is() -> None:
    e = episode(regression=False)
    assert views(1, e) == [View()]
    assert views(4, e)[0] == View()
    assert len(set(views(4, e))) == 4
    assert len(views(4, episode(regression=True))) == 4
    first = views(1, e)[0].apply(e)
    assert first.x_query is e.x_query
    assert first.y_context is e.y_context


def test_no_more_views_than_there_are() -> None:
    assert len(views(50, episode(regression=True))) == 4  # two signs, of features and target
