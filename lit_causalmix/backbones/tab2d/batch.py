"""Training losses of many tables in few passes: tables of equal shape share one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from lit_causalmix.backbones.batch import Batch, batches
from lit_causalmix.backbones.tab2d.preprocessing import impute, varying
from lit_causalmix.episode import Episode


def stacks(episodes: Sequence[Episode]) -> list[Batch]:
    """Groups tables by context rows and columns, and then by which columns vary.

    Gaps are filled and constant columns left out. A group costs a few operations and one wait for
    the device, whatever the number of its tables.
    """
    filled = (_without_gaps(batch) for batch in batches(episodes))
    return [part for batch in filled for part in _without_constant_columns(batch)]


def _without_gaps(batch: Batch) -> Batch:
    x_context, x_query = impute(batch.rows.x_context, batch.rows.x_query)
    return replace(batch, rows=replace(batch.rows, x_context=x_context, x_query=x_query))


def _without_constant_columns(batch: Batch) -> list[Batch]:
    varies = varying(batch.rows.x_context)
    patterns: defaultdict[tuple[bool, ...], list[int]] = defaultdict(list)
    for table, pattern in enumerate(varies.tolist()):
        patterns[tuple(pattern)].append(table)
    if len(patterns) == 1 and all(next(iter(patterns))):
        return [batch]
    return [batch.take(tables, varies[tables[0]]) for tables in patterns.values()]
