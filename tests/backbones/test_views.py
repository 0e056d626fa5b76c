"""Views of an episode: a learner that treats all of them alike predicts the same for each."""

from dataclasses import replace

import torch
from torch import Tensor

from lit_causalmix.backbones.columns import permuted_codes
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


def with_codes(codes: list[float], query: list[float]) -> Episode:
    x = torch.tensor([[float(i), c] for i, c in enumerate([*codes, *query])])
    return Episode.of_rows(
        x,
        torch.arange(len(x)) % 2,
        len(codes),
        2,
        categorical=torch.tensor([False, True]),
        nominal=torch.tensor([False, True]),
    )


def test_codes_are_permuted_alike_in_context_and_query_and_nothing_else_is() -> None:
    gap = float("nan")
    e = with_codes([0, 1, 2, 3, 4, gap, 1], [4, 7, gap, 0, 1])
    context, query = permuted_codes(e, 1)
    assert torch.equal(context[:, 0], e.x_context[:, 0])
    moved = context[:5, 1].tolist()
    assert sorted(moved) == [0, 1, 2, 3, 4]
    assert moved != [0, 1, 2, 3, 4]
    assert query[[0, 3, 4], 1].tolist() == [moved[4], moved[0], moved[1]]
    assert query[1, 1] == 7  # a category that this context does not show
    assert context[5, 1].isnan()
    assert query[2, 1].isnan()
    alone, _ = permuted_codes(e.take_query(torch.tensor([1])), 1)
    assert torch.equal(alone.nan_to_num(-1), context.nan_to_num(-1))  # chunks agree
    assert any(permuted_codes(e, seed)[0][:5, 1].tolist() != moved for seed in range(2, 6))


def test_only_categories_without_an_order_are_permuted_and_never_in_the_first_view() -> None:
    e = with_codes([0, 1, 2, 3, 4], [2, 3])
    assert views(1, e, permute_codes=True) == [View()]
    assert [view.codes for view in views(4, e, permute_codes=True)] == [0, 1, 2, 3]
    assert {view.codes for view in views(4, e)} == {0}
    known = replace(e, nominal=None)
    assert {view.codes for view in views(4, known, permute_codes=True)} == {0}
    assert torch.equal(permuted_codes(known, 1)[0], known.x_context)
