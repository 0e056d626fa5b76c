"""Episodes to predict from: chunks in their order, one context for all of them."""

import numpy as np
import pandas as pd
import torch

from lit_causalmix.episode import PADDING_ROW
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.episodes import (
    EpisodeParts,
    EvaluationStream,
    make_episode,
    query_chunks,
    with_query,
)


def test_chunks_are_even_and_in_order(frame: pd.DataFrame) -> None:
    train = load_splits(TableSpec(frame, target="target"), SplitSpec()).train
    parts = [EpisodeParts.of(train), EpisodeParts.of(train.take(np.arange(3)))]
    chunks = query_chunks(parts, 40)
    sizes = [len(chunk.rows) for chunk in chunks[:-1]]
    assert max(sizes) <= 40
    assert max(sizes) - min(sizes) <= 1
    assert len(chunks[-1].rows) == 3
    rows = np.concatenate([chunk.rows for chunk in chunks])
    assert rows.tolist() == [*train.rows, *train.rows[:3]]


def test_all_episodes_share_the_encoded_context(frame: pd.DataFrame) -> None:
    splits = load_splits(TableSpec(frame, target="target"), SplitSpec())
    encoder = Encoder.fit(splits.train)
    part = EpisodeParts.of(splits.test)
    stream = EvaluationStream(splits.train, [part], encoder, n_query=9, world_size=4)
    episodes = [stream[i] for i in range(len(stream))]
    assert len(episodes) % 4 == 0
    assert all(e.x_context is episodes[0].x_context for e in episodes)
    assert all(e.y_context is episodes[0].y_context for e in episodes)
    rows = torch.cat([e.query_row for e in episodes])
    assert rows[rows != PADDING_ROW].tolist() == splits.test.rows.tolist()


def test_other_query_rows_give_the_episode_that_is_made_at_once(frame: pd.DataFrame) -> None:
    splits = load_splits(TableSpec(frame, target="target"), SplitSpec())
    encoder = Encoder.fit(splits.train)
    context, query = EpisodeParts.of(splits.train), EpisodeParts.of(splits.test)
    whole = make_episode(context, query, encoder, table_id=3)
    other = make_episode(context, EpisodeParts.of(splits.val), encoder, table_id=3)
    again = with_query(other, query, encoder)
    for name, value in vars(whole).items():
        same = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
        if name in ("x_context", "x_query"):
            value, found = value.nan_to_num(9.0), getattr(again, name).nan_to_num(9.0)
        else:
            found = getattr(again, name)
        assert same(value, found), name
