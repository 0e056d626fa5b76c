from typing import Any

import pytest
import torch

from lit_causalmix.datamodules import PriorDataModule, PriorStage
from lit_causalmix.datamodules.stream import episode_key
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.prior import PriorSettings
from lit_causalmix.tables import TableSpec

SMALL = PriorSettings(context_rows=(16, 32), columns=(1, 3), query_rows=16)
WIDE = PriorSettings(context_rows=(16, 32), columns=(6, 8), query_rows=16)


def datamodule(**settings: Any) -> PriorDataModule:
    defaults: dict[str, Any] = {
        "stages": [PriorStage(SMALL, epochs=2, step_cells=600), PriorStage(WIDE, step_cells=900)],
        "steps_per_epoch": 4,
        "val_tasks": 3,
        "val_tables": [TableSpec("sklearn:iris")],
    }
    return PriorDataModule(**defaults | settings)


def bits(step: list[Episode]) -> torch.Tensor:
    return torch.cat([e.x_context.nan_to_num(99).flatten() for e in step])


def same(a: list[Episode], b: list[Episode]) -> bool:
    left, right = bits(a), bits(b)
    return left.shape == right.shape and torch.equal(left, right)


def test_a_step_is_a_function_of_seed_epoch_and_index() -> None:
    stream, again = datamodule().train_stream, datamodule().train_stream
    forwards = [stream.tasks(1, i) for i in range(4)]
    backwards = [again[episode_key(1, i)] for i in reversed(range(4))][::-1]
    assert all(same(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not same(stream.tasks(0, 0), forwards[0])
    assert not same(datamodule(seed=1).train_stream.tasks(1, 0), forwards[0])


def test_stages_follow_each_other_and_the_last_goes_on() -> None:
    stream = datamodule().train_stream
    assert [stream.stage(epoch).prior for epoch in (0, 1, 2, 99)] == [SMALL, SMALL, WIDE, WIDE]
    assert all(e.x_context.shape[1] <= 3 for e in stream.tasks(1, 3))
    assert all(e.x_context.shape[1] >= 6 for e in stream.tasks(2, 0))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_gives_the_stream_and_resumes_within_an_epoch(workers: int) -> None:
    module = datamodule(num_workers=workers)
    module.setup()
    loader = module.train_dataloader()
    loader.episode_sampler.set_epoch(1)
    iterator = iter(loader)
    taken = [next(iterator) for _ in range(3)]
    assert all(same(t, module.train_stream.tasks(1, i)) for i, t in enumerate(taken))
    resumed = module.train_dataloader()
    resumed.episode_sampler.set_epoch(1)
    resumed.load_state_dict(loader.state_dict())
    (rest,) = list(resumed)
    assert same(rest, module.train_stream.tasks(1, 3))


def test_held_out_tasks_are_never_trained_on() -> None:
    module = datamodule(stages=[PriorStage(SMALL, step_cells=600)])
    module.setup()
    held_out = [bits([e]) for e in module.held_out.episodes[:3]]
    trained = [
        bits([e])
        for epoch in range(3)
        for i in range(4)
        for e in module.train_stream.tasks(epoch, i)
    ]
    assert not any(a.shape == b.shape and torch.equal(a, b) for a in held_out for b in trained)


def test_validation_names_tasks_and_scikit_learns_tables() -> None:
    module = datamodule(val_tables=None)
    module.setup()
    assert module.table_names == ("prior",) * 3 + ("breast_cancer", "wine", "iris", "digits")
    episodes = list(module.val_dataloader())
    assert [e.table_id for e in episodes] == list(range(7))
    assert all(len(e.x_context) <= 256 for e in episodes)
    assert episodes[-1].x_context.shape[1] <= 18
    assert episodes[3].n_query > 250
    regression = PriorSettings(True, context_rows=(16, 32), columns=(1, 3), query_rows=16)
    numbers = datamodule(stages=[PriorStage(regression)], val_tables=None)
    numbers.setup()
    assert not numbers.is_classification
    assert numbers.table_names[3:] == (
        "diabetes",
        "iris_sepal",
        "wine_alcohol",
        "breast_cancer_smoothness",
    )
    assert [e.x_context.shape[1] for e in numbers.held_out.episodes[3:]] == [10, 3, 12, 29]


def test_families_are_held_out_by_name() -> None:
    module = datamodule(val_families={"wide": WIDE}, family_tasks=2, val_tables=None)
    module.setup()
    assert module.table_names[:6] == ("prior",) * 3 + ("prior/wide",) * 2 + ("breast_cancer",)
    assert all(e.x_context.shape[1] >= 6 for e in module.held_out.episodes[3:5])
    alone = datamodule()
    alone.setup()
    for a, b in zip(alone.held_out.episodes[:3], module.held_out.episodes[:3], strict=True):
        assert torch.equal(a.x_context.nan_to_num(), b.x_context.nan_to_num())


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"val_families": {"a": PriorSettings(True)}}, "val_families must have the task"),
        ({"family_tasks": 0}, "family_tasks must be >= 1, got 0"),
        ({"stages": []}, "at least one stage"),
        ({"stages": [PriorStage(SMALL), PriorStage(WIDE)]}, "every stage but the last"),
        (
            {"stages": [PriorStage(SMALL, 1), PriorStage(PriorSettings(regression=True))]},
            "for the same task",
        ),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be >= 1, got 0"),
        ({"val_context_rows": 1}, "val_context_rows must be >= 2, got 1"),
    ],
)
def test_unusable_settings_are_refused(settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        datamodule(**settings)
    with pytest.raises(ConfigurationError, match="step_cells"):
        PriorStage(SMALL, step_cells=0)


def test_a_table_of_the_other_task_is_refused() -> None:
    module = datamodule(val_tables=[TableSpec("sklearn:diabetes")])
    with pytest.raises(ConfigurationError, match="'diabetes' is a regression table"):
        module.setup()
