import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.schedules import (
    Constant,
    Cosine,
    EpisodeSchedule,
    Linear,
    Progress,
    Step,
)


def test_schedules_have_their_known_values() -> None:
    points = [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [Constant(0.3).value(p) for p in points] == [0.3] * 5
    assert [Linear(0.8, 0.0).value(p) for p in points] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0])
    cosine = [Cosine(1.0, 0.0).value(p) for p in points]
    half = 2**-0.5 / 2
    assert cosine == pytest.approx([1.0, 0.5 + half, 0.5, 0.5 - half, 0.0])
    step = Step([1.0, 0.5, 0.0], at=[0.25, 0.75])
    assert [step.value(p) for p in points] == [1.0, 0.5, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("kind", [Linear, Cosine])
def test_both_ends_are_exact(kind: type[Linear]) -> None:
    schedule = kind(0.1, 0.7)
    assert schedule.value(0.0) == 0.1
    assert schedule.value(1.0) == 0.7


def test_progress_goes_from_the_first_episode_to_the_last() -> None:
    progress = Progress(per_epoch=4, total=12)
    places = [progress(epoch, index) for epoch in range(3) for index in range(4)]
    assert places[0] == 0.0
    assert places[-1] == 1.0
    assert places == sorted(places)
    assert progress(5, 0) == 1.0  # beyond the end
    assert Progress(per_epoch=1, total=1)(0, 0) == 0.0


def test_the_range_of_a_schedule_is_that_over_the_episodes() -> None:
    schedule = EpisodeSchedule(Step([0.2, 0.9], at=[0.5]), Progress(per_epoch=5, total=10))
    assert schedule.range() == (0.2, 0.9)
    assert str(schedule) == "steps 0.2, 0.9"


@pytest.mark.parametrize(
    ("values", "at"), [([1.0], [0.5]), ([1, 0, 1], [0.6, 0.4]), ([1, 0], [0.0]), ([1, 0], [1.0])]
)
def test_steps_that_do_not_fit_are_refused(values: list[float], at: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="one value more than places"):
        Step(values, at)
