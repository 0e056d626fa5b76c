import pytest
import torch

from lit_causalmix.prior import PriorSettings, draw_tasks

SETTINGS = PriorSettings(context_rows=(16, 64), columns=(1, 8), query_rows=32, max_cells=2_000)


def test_tasks_of_a_step_share_a_shape_and_steps_differ() -> None:
    shapes = set()
    for index in range(12):
        drawn = draw_tasks(SETTINGS, cells=3_000, seed=0, epoch=1, index=index)
        assert len({e.x_context.shape for e in drawn}) == 1
        rows, columns = drawn[0].x_context.shape
        assert len(drawn) * (rows + 32) * (columns + 1) == pytest.approx(3_000, rel=0.35)
        shapes.add((rows, columns))
    assert len(shapes) > 6
    assert len(draw_tasks(SETTINGS, cells=1, seed=0, epoch=0, index=0)) == 1


def test_a_step_depends_on_its_place_alone() -> None:
    place = {"seed": 1, "epoch": 2, "index": 3}

    def values(**changed: int | str) -> torch.Tensor:
        drawn = draw_tasks(SETTINGS, cells=1_500, **place | changed)  # type: ignore[arg-type]
        return torch.cat([e.x_context.nan_to_num().flatten() for e in drawn])

    first = values()
    assert torch.equal(values(), first)
    others = [values(seed=2), values(epoch=3), values(index=4), values(stream="val")]
    assert not any(o.shape == first.shape and torch.equal(o, first) for o in others)
    tasks = draw_tasks(SETTINGS, cells=3_000, **place)
    assert not torch.equal(tasks[0].x_context, tasks[1].x_context)
