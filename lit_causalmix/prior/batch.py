"""Tasks of one shape, drawn together: what one step of pre-training needs."""

from __future__ import annotations

from dataclasses import replace

from lit_causalmix.episode import Episode
from lit_causalmix.prior.settings import PriorSettings
from lit_causalmix.prior.task import draw_episode, draw_shape
from lit_causalmix.seeding import rng

_TASK_SHIFT = 20


def draw_tasks(
    settings: PriorSettings,
    *,
    cells: int,
    seed: int,
    epoch: int,
    index: int,
    stream: str = "train",
) -> list[Episode]:
    """Draws one shape and as many tasks of that shape as fit: a pure function of its arguments.

    Equal shapes let a backbone compute all tasks in one pass, and a constant number of cells keeps
    the time and the memory of a step even, whatever the shape [our choice].

    Args:
        settings: Ranges to draw from.
        cells: Rows x (columns + 1) of all tasks together, about; at least one task is drawn.
        seed: The run's seed.
        epoch: Epoch, an integer >= 0.
        index: Index of the step within the epoch.
        stream: Names disjoint streams, for example "train" and "val".

    Returns:
        Tasks with equally many context rows and columns. Query rows may be a few less than
        `settings.query_rows`, where a class is missing in the context.
    """
    generator = rng(seed, "prior shape", stream, epoch, index)
    n_context, n_columns = draw_shape(settings, generator)
    fixed = replace(settings, context_rows=(n_context, n_context), columns=(n_columns, n_columns))
    count = max(1, round(cells / ((n_context + settings.query_rows) * (n_columns + 1))))
    return [
        draw_episode(
            fixed, seed=seed, epoch=epoch, index=(index << _TASK_SHIFT) | task, stream=stream
        )
        for task in range(count)
    ]
