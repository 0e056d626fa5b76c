from dataclasses import fields, replace

import pytest
import torch

from lit_causalmix.backbones import AxialTransformer
from lit_causalmix.backbones.batch import batches
from lit_causalmix.episode import Episode, RowOrigin
from lit_causalmix.episode_stack import EpisodeStack, class_counts, query_lengths
from lit_causalmix.prior import PriorSettings, draw_tasks


def tasks(regression: bool = False) -> list[Episode]:
    settings = PriorSettings(regression=regression, columns=(2, 4), max_classes=4)
    found = draw_tasks(settings, cells=4_000, seed=0, epoch=0, index=3)
    return [found[0].take_query(torch.arange(9)), *found[1:]]


@pytest.mark.parametrize("regression", [False, True])
def test_items_are_the_episodes_to_the_bit(regression: bool) -> None:
    episodes = tasks(regression)
    stack = EpisodeStack.of(episodes)
    assert len(stack) == len(episodes) > 2
    for item, episode in zip([*stack, stack[-1]], [*episodes, episodes[-1]], strict=True):
        for field in fields(Episode):
            a, b = getattr(item, field.name), getattr(episode, field.name)
            if isinstance(b, torch.Tensor):
                assert a.dtype == b.dtype, field.name
                torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
            else:
                assert a == b, field.name
    assert [e.n_query for e in stack[1:3]] == [e.n_query for e in episodes[1:3]]
    with pytest.raises(IndexError):
        stack[len(stack)]


def test_lengths_classes_and_origin_are_known_without_items() -> None:
    episodes = tasks()
    stack = EpisodeStack.of(episodes, RowOrigin.REAL)
    assert list(query_lengths(stack)) == list(query_lengths(episodes)) == [*stack.lengths]
    assert list(class_counts(stack)) == list(class_counts(episodes)) == [*stack.classes]
    assert len(set(stack.classes)) > 1
    assert set(stack[0].query_origin.tolist()) == {RowOrigin.REAL}


@pytest.mark.parametrize("regression", [False, True])
def test_a_backbone_computes_the_same_losses_of_stack_and_list(regression: bool) -> None:
    episodes = tasks(regression)
    task = "regression" if regression else "classification"
    model = AxialTransformer(dim=16, attention_dim=8, n_heads=2, n_layers=1, task=task)
    stack = EpisodeStack.of(episodes)
    assert torch.equal(model.losses(stack), model.losses(episodes))
    (batch,) = batches(stack)
    assert batch.rows is stack.rows  # nothing is taken apart
    narrow = replace(episodes[0], x_query=episodes[0].x_query[:, :1])
    narrow = replace(narrow, x_context=narrow.x_context[:, :1], categorical=torch.zeros(1).bool())
    assert len(batches([*episodes, narrow])) == 2


def test_a_stack_moves_as_one() -> None:
    stack = EpisodeStack.of(tasks())
    moved = stack.to("meta")
    assert isinstance(moved, EpisodeStack)
    assert {t.device.type for t in vars(moved.rows).values()} == {"meta"}
    assert (moved.lengths, moved.classes) == (stack.lengths, stack.classes)
