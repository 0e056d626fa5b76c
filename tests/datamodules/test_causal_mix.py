from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch

from lit_causalmix.backbones import Nano
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.episode import PADDING_ROW, Episode, RowOrigin
from lit_causalmix.errors import ConfigurationError, LimitError
from lit_causalmix.generators.jitter import JitterGenerator
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.tables import SplitSpec, TableSpec
from lit_causalmix.training.schedules import EpisodeSchedule, Linear, Progress
from lit_causalmix.training.task import CausalMixTask


def small_scm() -> SCMGenerator:
    return SCMGenerator(n_dags=2, n_resamples=1, alphas=(0.05,), mechanism="linear")


def datamodule(frame: pd.DataFrame, cache: Path, **settings: Any) -> CausalMixDataModule:
    module = CausalMixDataModule(
        TableSpec(frame, target="target", name="mixed", domain="retail"),
        generator=small_scm(),
        cache_dir=str(cache),
        progress=False,
        **{"synthetic_ratio": 0.5} | settings,
    )
    module.prepare_data()
    module.setup()
    return module


def tensors(episode: Episode) -> dict[str, torch.Tensor]:
    return {k: v for k, v in vars(episode).items() if isinstance(v, torch.Tensor)}


def same(a: Episode, b: Episode) -> bool:
    left, right = tensors(a), tensors(b)
    return all(torch.equal(left[k].nan_to_num(99), right[k].nan_to_num(99)) for k in left)


def share(origin: torch.Tensor) -> float:
    return float((origin == RowOrigin.SYNTHETIC).double().mean())


def test_an_episode_is_a_function_of_seed_epoch_and_index(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    one, two = datamodule(frame, tmp_path), datamodule(frame, tmp_path)
    forwards = [one.train_stream.episode(1, i) for i in range(3)]
    backwards = [two.train_stream.episode(1, i) for i in reversed(range(3))][::-1]
    assert all(same(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not same(forwards[0], forwards[1])
    assert not same(one.train_stream.episode(0, 0), forwards[0])
    other = datamodule(frame, tmp_path, seed=1)
    assert not same(other.train_stream.episode(1, 0), forwards[0])


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("where", ["context", "query", "both"])
def test_ratio_and_placement_hold(
    frame: pd.DataFrame, tmp_path: Path, ratio: float, where: str
) -> None:
    module = datamodule(frame, tmp_path, synthetic_ratio=ratio, synthetic_in=where)
    episode = module.train_stream.episode(0, 0)
    expected = {"context": (ratio, 0.0), "query": (0.0, ratio), "both": (ratio, ratio)}[where]
    assert share(episode.context_origin) == pytest.approx(expected[0], abs=0.02)
    assert share(episode.query_origin) == pytest.approx(expected[1], abs=0.06)


def test_real_rows_stand_once_and_come_from_the_training_split(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    module = datamodule(frame, tmp_path, synthetic_ratio=0.0)
    episode = module.train_stream.episode(0, 0)
    train = module.splits.train
    real = np.concatenate([episode.x_context.numpy(), episode.x_query.numpy()])
    expected = module.encoder.features(train.values)
    assert len(real) == len(train)
    order, reference = np.lexsort(np.nan_to_num(real).T), np.lexsort(np.nan_to_num(expected).T)
    assert np.array_equal(real[order], expected[reference], equal_nan=True)
    assert set(episode.query_row.tolist()) <= set(train.rows.tolist())


@pytest.mark.parametrize("where", ["context", "query", "both"])
def test_added_rows_come_on_top_of_all_real_ones(
    frame: pd.DataFrame, tmp_path: Path, where: str
) -> None:
    settings: dict[str, Any] = {"synthetic_mode": "add", "synthetic_in": where}
    module = datamodule(frame, tmp_path, **settings)
    episode, train = module.train_stream.episode(0, 0), module.splits.train
    real = np.concatenate(
        [
            episode.x_context[episode.context_origin == RowOrigin.REAL].numpy(),
            episode.x_query[episode.query_origin == RowOrigin.REAL].numpy(),
        ]
    )
    expected = module.encoder.features(train.values)
    order, reference = np.lexsort(np.nan_to_num(real).T), np.lexsort(np.nan_to_num(expected).T)
    assert np.array_equal(real[order], expected[reference], equal_nan=True)
    shares = {"context": (0.5, 0.0), "query": (0.0, 0.5), "both": (0.5, 0.5)}[where]
    assert share(episode.context_origin) == pytest.approx(shares[0])
    assert share(episode.query_origin) == pytest.approx(shares[1])
    again = datamodule(frame, tmp_path, **settings).train_stream
    assert same(again.episode(0, 0), episode)
    assert "added" in module.method


def test_replaced_rows_are_what_a_mode_unnamed_gives(frame: pd.DataFrame, tmp_path: Path) -> None:
    plain, named = (datamodule(frame, tmp_path, **s) for s in ({}, {"synthetic_mode": "replace"}))
    assert all(
        same(plain.train_stream.episode(0, i), named.train_stream.episode(0, i)) for i in range(3)
    )
    assert plain.method == named.method


def test_a_schedule_that_ends_in_synthetic_rows_alone_adds_to_none(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    rising = EpisodeSchedule(Linear(0.0, 1.0), Progress(per_epoch=2, total=4))
    datamodule(frame, tmp_path).schedule_ratio(rising)
    module = datamodule(frame, tmp_path, synthetic_mode="add")
    with pytest.raises(ConfigurationError, match="the ratio lies below 1"):
        module.schedule_ratio(rising)


def test_an_episode_that_is_more_than_the_backbone_takes_is_refused_before_the_fit(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    module = CausalMixDataModule(
        TableSpec(frame, target="target"),
        synthetic_mode="add",
        episode_rows=96,
        cache_dir=str(tmp_path / "none"),
    )
    task = CausalMixTask(Nano(max_context_rows=120))
    with pytest.raises(LimitError, match="at most 120 context rows, an episode has 154"):
        pl.Trainer(logger=False, max_epochs=1, accelerator="cpu", default_root_dir=tmp_path).fit(
            task, module
        )
    assert not (tmp_path / "none").exists()


def test_pool_size_is_a_multiple_of_the_training_rows(frame: pd.DataFrame, tmp_path: Path) -> None:
    module = datamodule(frame, tmp_path, synthetic_size=0.5, synthetic_ratio=1.0)
    seen = {
        tuple(row)
        for index in range(6)
        for x in [module.train_stream.episode(0, index)]
        for row in torch.cat([x.x_context, x.x_query]).nan_to_num(99).tolist()
    }
    assert len(seen) <= round(0.5 * len(module.splits.train))
    fresh = datamodule(frame, tmp_path, synthetic_ratio=1.0).train_stream
    rows = [fresh.episode(0, i).x_context for i in range(2)]
    assert not torch.equal(rows[0].nan_to_num(99), rows[1].nan_to_num(99))


def test_size_zero_is_the_same_as_ratio_zero(frame: pd.DataFrame, tmp_path: Path) -> None:
    none = datamodule(frame, tmp_path, synthetic_size=0.0).train_stream
    zero = datamodule(frame, tmp_path, synthetic_ratio=0.0).train_stream
    assert same(none.episode(2, 1), zero.episode(2, 1))


def test_evaluation_has_real_rows_as_context_and_counts_each_row_once(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    module = datamodule(frame, tmp_path, max_query_rows=7, val_synthetic_rows=10)
    episodes = list(module.test_dataloader())
    assert all(e.context_origin.eq(RowOrigin.REAL).all() for e in episodes)
    rows = torch.cat([e.query_row for e in episodes]).tolist()
    assert sorted(rows) == sorted(module.splits.test.rows.tolist())
    assert max(e.n_query for e in episodes) <= 7
    validation = torch.cat([e.query_origin for e in module.val_dataloader()])
    assert int((validation == RowOrigin.SYNTHETIC).sum()) == 10
    assert int((validation == RowOrigin.REAL).sum()) == len(module.splits.val)


def test_ranks_get_disjoint_episodes_and_equally_many_evaluation_steps(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    from lit_causalmix.datamodules import EpisodeSampler, EvaluationStream
    from lit_causalmix.tables.episodes import EpisodeParts

    module = datamodule(frame, tmp_path, episodes_per_epoch=5)
    samplers = [EpisodeSampler(module.train_stream, world_size=2, rank=r) for r in (0, 1)]
    keys = [list(s) for s in samplers]
    assert [len(k) for k in keys] == [3, 3]
    assert not set(keys[0]) & set(keys[1])
    samplers[0].set_epoch(1)
    assert not set(samplers[0]) & set(keys[0])
    stream = EvaluationStream(
        module.splits.train,
        [EpisodeParts.of(module.splits.test)],
        module.encoder,
        n_query=len(module.splits.test),
        world_size=2,
    )
    assert len(stream) == 2
    assert stream[1].query_row.tolist() == [PADDING_ROW]


def test_workers_give_the_same_episodes(frame: pd.DataFrame, tmp_path: Path) -> None:
    alone = datamodule(frame, tmp_path, episodes_per_epoch=4)
    shared = datamodule(frame, tmp_path, episodes_per_epoch=4, num_workers=2)
    pairs = zip(alone.train_dataloader(), shared.train_dataloader(), strict=True)
    assert all(same(a, b) for a, b in pairs)


def test_a_loader_resumes_behind_what_was_taken(frame: pd.DataFrame, tmp_path: Path) -> None:
    module = datamodule(frame, tmp_path, episodes_per_epoch=5, synthetic_ratio=0.0)
    loader = module.train_dataloader()
    taken = iter(loader)
    everything = [next(taken), next(taken)]
    state = loader.state_dict()
    everything += list(taken)
    resumed = module.train_dataloader()
    resumed.load_state_dict(state)
    rest = list(resumed)
    assert len(rest) == 3
    assert all(same(a, b) for a, b in zip(rest, everything[2:], strict=True))
    assert len(list(resumed)) == 5  # the next epoch is whole


def test_prediction_keeps_row_order_and_needs_no_target(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    new = frame.drop(columns="target").iloc[::-1].head(9)
    module = datamodule(frame, tmp_path, max_query_rows=4, predict_source=new)
    episodes = list(module.predict_dataloader())
    assert torch.cat([e.query_row for e in episodes]).tolist() == list(range(9))
    assert all((e.y_query == -1).all() for e in episodes)


def test_generator_is_fitted_once_and_found_again(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = datamodule(frame, tmp_path).train_stream.episode(0, 0)
    monkeypatch.setattr(SCMGenerator, "fit", lambda *_, **__: pytest.fail("fitted again"))
    assert same(datamodule(frame, tmp_path).train_stream.episode(0, 0), first)


def test_changed_test_rows_change_no_bit_of_what_training_sees(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    original = datamodule(frame, tmp_path / "a")
    changed = frame.copy()
    rows = original.splits.test.rows
    changed.loc[rows, "age"] = np.arange(len(rows)) + 500.5
    changed.loc[rows, "income"] = -1.0e6 - np.arange(len(rows))
    changed.loc[rows, "colour"] = "violet"
    other = datamodule(changed, tmp_path / "b")
    assert (original.splits.train.rows == other.splits.train.rows).all()
    assert not np.array_equal(original.splits.test.values, other.splits.test.values)
    for index in range(3):
        assert same(original.train_stream.episode(0, index), other.train_stream.episode(0, index))
    pairs = zip(original.val_dataloader(), other.val_dataloader(), strict=True)
    assert all(same(a, b) for a, b in pairs)


def test_regression_targets_are_standardised_by_training_rows(
    make_frame: Any, tmp_path: Path
) -> None:
    module = datamodule(make_frame(regression=True), tmp_path)
    episode = module.train_stream.episode(0, 0)
    assert episode.n_classes == 0
    assert episode.y_context.dtype == torch.float32
    train = module.splits.train.target
    assert episode.y_location == pytest.approx(train.mean())
    assert episode.y_scale == pytest.approx(train.std())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"synthetic_ratio": 1.5}, r"synthetic_ratio must lie in \[0, 1\], got 1.5"),
        ({"synthetic_ratio": -0.1}, r"synthetic_ratio must lie in \[0, 1\], got -0.1"),
        ({"synthetic_size": -1.0}, "synthetic_size must be null or >= 0, got -1"),
        ({"synthetic_in": "nowhere"}, "must be context, query or both, got 'nowhere'"),
        ({"synthetic_mode": "mix"}, "synthetic_mode must be replace or add, got 'mix'"),
        ({"synthetic_mode": "add", "synthetic_ratio": 1.0}, "the ratio lies below 1, got 1"),
        ({"query_fraction": 1.0}, r"query_fraction must lie in \(0, 1\), got 1"),
        ({"episodes_per_epoch": 0}, "episodes_per_epoch must be >= 1, got 0"),
        ({"val_synthetic_rows": -1}, "val_synthetic_rows must be >= 0"),
        ({"seed": -3}, "seed must be an integer >= 0, got -3"),
        ({"episode_classes": "even"}, "must be stratified, balanced_query or balanced, got 'even'"),
        ({"synthetic_classes": "even"}, "synthetic_classes must be drawn or balanced, got 'even'"),
        ({"context": "all"}, "context must be both or train, got 'all'"),
    ],
)
def test_settings_outside_their_range_are_refused(
    frame: pd.DataFrame, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CausalMixDataModule(TableSpec(frame, target="target"), **settings)


def rare(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with a quarter of its good rows."""
    good = frame["target"] == "good"
    return frame[~good | (good.cumsum() % 4 == 0)]


def counted(classes: torch.Tensor) -> list[int]:
    return torch.bincount(classes.long(), minlength=2).tolist()


def test_queries_are_balanced_and_the_same_wherever_they_are_drawn(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"synthetic_ratio": 0.0, "episode_rows": 50}
    plain = datamodule(rare(frame), tmp_path, **settings).train_stream
    one, two = (
        datamodule(rare(frame), tmp_path, episode_classes="balanced_query", **settings).train_stream
        for _ in range(2)
    )
    usual, balanced = plain.episode(2, 1), one.episode(2, 1)
    assert counted(balanced.y_query) == [5, 5]
    assert counted(usual.y_query)[1] < 5
    assert counted(balanced.y_context)[1] <= counted(usual.y_context)[1]
    two.episode(0, 0)
    assert same(balanced, two.episode(2, 1))


def test_synthetic_rows_are_drawn_balanced(frame: pd.DataFrame, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"synthetic_classes": "balanced", "synthetic_in": "query"}
    for size in (None, 2.0):
        module = datamodule(rare(frame), tmp_path, synthetic_size=size, **settings)
        drawn = [
            e.y_query[e.query_origin == RowOrigin.SYNTHETIC] for e in module.train_dataloader()
        ]
        none, good = counted(torch.cat(drawn))
        assert abs(none - good) <= (len(drawn) if size is None else 0.3 * (none + good))
    assert module.method == "SCM, ratio 0.5, 2x rows, drawn balanced"


def test_balancing_needs_classes_and_a_generator_that_can(
    frame: pd.DataFrame, make_frame: Any, tmp_path: Path
) -> None:
    for name, value in (("episode_classes", "balanced"), ("synthetic_classes", "balanced")):
        with pytest.raises(ConfigurationError, match=f"{name} balanced needs classes, and"):
            datamodule(make_frame(regression=True), tmp_path, **{name: value})
    module = CausalMixDataModule(
        TableSpec(frame, target="target"),
        generator=JitterGenerator(),
        synthetic_classes="balanced",
        cache_dir=str(tmp_path),
    )
    with pytest.raises(ConfigurationError, match="JitterGenerator does not draw classes in equal"):
        module.prepare_data()


def test_too_large_an_episode_is_refused(frame: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"lower episode_rows or raise the \(lowest\) ratio"
    ):
        datamodule(frame, tmp_path, episode_rows=5000, synthetic_ratio=0.1)
    assert datamodule(frame, tmp_path, episode_rows=300, synthetic_ratio=0.8).train_stream


def test_a_missing_split_is_said(frame: pd.DataFrame, tmp_path: Path) -> None:
    module = CausalMixDataModule(
        TableSpec(frame, target="target"), SplitSpec(test_fraction=0.0), synthetic_ratio=0.0
    )
    module.prepare_data()
    module.setup()
    with pytest.raises(ConfigurationError, match=r"no test rows: set data\.split\.test_fraction"):
        module.test_dataloader()


def test_nothing_to_predict_is_said(frame: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"set data\.predict_source"):
        datamodule(frame, tmp_path, synthetic_ratio=0.0).predict_dataloader()


def test_the_cache_folder_may_lie_in_the_home_folder(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    module = CausalMixDataModule(TableSpec(frame, target="target"), cache_dir="~/cache")
    assert module.cache_dir == tmp_path / "cache"
