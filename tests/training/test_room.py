"""What is left out of episodes that memory has no room for."""

import pytest
import torch

from lit_causalmix.backbones import Tab2D
from lit_causalmix.episode import Episode
from lit_causalmix.training.room import Room, cells_of, halved, rows_within, with_rows
from lit_causalmix.training.task import CausalMixTask


def drawn(n_context: int, n_query: int, n_classes: int = 3) -> Episode:
    g = torch.Generator().manual_seed(0)
    n = n_context + n_query
    y = torch.randint(n_classes, (n,), generator=g) if n_classes else torch.randn(n, generator=g)
    return Episode.of_rows(torch.randn(n, 4, generator=g), y, n_context, n_classes)


def test_the_larger_part_is_halved_until_there_is_nothing_to_halve() -> None:
    sizes, seen = (13, 5), []
    while less := halved(*sizes, 3):
        seen.append(less)
        sizes = less
    assert seen == [(7, 5), (4, 5), (4, 3), (4, 2), (4, 1)]


@pytest.mark.parametrize("cells", [50, 120, 400, 10_000])
def test_an_episode_has_no_more_cells_than_there_is_room_for(cells: int) -> None:
    episode = drawn(60, 20)
    cut = Room(cells=cells).training(episode)
    assert cells_of(cut) <= cells
    assert (len(cut.x_context), cut.n_query) == rows_within(cells, 60, 20, 4, n_classes=3)
    again = Room(cells=cells).training(episode)
    assert torch.equal(cut.x_context, again.x_context)
    assert torch.equal(cut.x_query, again.x_query)


def test_where_there_is_room_the_episode_is_the_same_object() -> None:
    episode = drawn(60, 20)
    assert Room().training(episode) is episode
    assert next(Room().chunks(episode)) is episode
    assert next(Room(query_rows=20).chunks(episode)) is episode


def test_every_class_stays_in_the_context_and_rows_keep_their_targets() -> None:
    episode = drawn(60, 20)
    y = torch.zeros(60, dtype=torch.int64)
    y[[57, 59]] = torch.tensor([1, 2])  # the last rows alone show two of the classes
    episode = Episode.of_rows(
        torch.cat([episode.x_context, episode.x_query]),
        torch.cat([y, episode.y_query]),
        60,
        3,
    )
    cut = with_rows(episode, 5, 20)
    assert cut.y_context.tolist() == [0, 0, 0, 1, 2]
    assert torch.equal(cut.x_context, episode.x_context[[0, 1, 2, 57, 59]])
    assert cut.n_query == 20


def test_query_rows_of_classes_that_the_context_lost_are_left_out() -> None:
    episode = drawn(60, 20, n_classes=5)
    cut = with_rows(episode, 2, 20)
    assert len(cut.x_context) == 2
    assert set(cut.y_query.tolist()) <= set(cut.y_context.tolist())


def test_query_rows_in_pieces_are_predicted_as_in_one() -> None:
    task, episode = CausalMixTask(Tab2D(dim=16, n_layers=2)).eval(), drawn(30, 20)
    with torch.no_grad():
        whole = task(episode)
        task.room = Room(query_rows=7)
        assert [e.n_query for e in task.room.chunks(episode)] == [7, 7, 6]
        assert torch.allclose(task(episode), whole, atol=1e-6)


def test_a_checkpoint_holds_what_is_cut_and_nothing_where_nothing_is() -> None:
    checkpoint: dict[str, object] = {}
    Room().into_checkpoint(checkpoint)
    assert checkpoint == {}
    Room(cells=7, context_rows=3).into_checkpoint(checkpoint)
    assert Room.of_checkpoint(checkpoint) == Room(cells=7, context_rows=3)
