"""Methods with a zero-shot score of their own are compared in percent of the reference's."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.pages.content import Table
from lit_causalmix.study.record import Record
from lit_causalmix.study.report.absolute_error import absolute_error_part
from lit_causalmix.study.report.alignment import aligned
from lit_causalmix.study.report.blocks import Block, blocks
from lit_causalmix.study.report.comparison import per_table
from lit_causalmix.study.report.contents import study_of

TABLES = ("a", "b", "c", "d", "e", "f", "g")
Make = Callable[[str], Block]


@pytest.fixture
def block(cell: Callable[..., Record], member: Callable[[Record, float], Record]) -> Make:
    """Scores of auto are 1 % better than default's, beside a zero-shot that is 4 % better."""

    def make(task: str) -> Block:
        records = [cell("default", 1.0, table=table, task=task) for table in TABLES]
        better = 1.04 if task == "binary" else 0.96
        for table in TABLES:
            records.append(member(cell("auto", 2.0, table=table, task=task), better))
        (found,) = blocks(study_of(records, Path("trial"), "trial"), "auto", "default")
        return found

    return make


def test_scores_are_in_percent_of_the_zero_shot_of_the_reference(block: Make) -> None:
    found = block("binary")
    assert found.main.groupby("method")[found.score].mean()["auto"] < 0
    cells = aligned(found.main, "roc_auc", found.score, "default")
    assert cells.groupby("method")[found.score].mean()["auto"] == pytest.approx(2.0)
    assert aligned(found.main, "roc_auc", found.score, "jitter").equals(found.main)


def test_a_zero_shot_of_0_leaves_no_percent(block: Make) -> None:
    found = block("binary")
    zero = "test/real/roc_auc_zero_shot"
    main = found.main.assign(**{zero: found.main[zero].where(found.main["method"] == "auto", 0.0)})
    assert aligned(main, "roc_auc", found.score, "default")[found.score].isna().all()


def test_colours_of_every_table_are_those_of_the_paired_differences(block: Make) -> None:
    part = per_table(block("binary"))
    (table,) = (element for element in part.content if isinstance(element, Table))
    assert table.rows[0][2:] == ("+1.00", "−1.92")
    assert table.marks == {(row, 3): "better" for row in range(len(TABLES))}


def test_the_zero_shot_error_is_that_of_the_reference(block: Make) -> None:
    part = absolute_error_part(block("regression"))
    (file,) = part.files.values()
    means = pd.read_csv(io.BytesIO(file))
    np.testing.assert_allclose(means["zero-shot"], 1.5)


def test_differences_of_the_absolute_error_are_of_like_percents(block: Make) -> None:
    told = str(absolute_error_part(block("regression")).content[0])
    assert "auto minus default: +1.00 [+1.00, +1.00] points" in told


def test_a_rounding_of_zero_shot_leaves_ties(block: Make) -> None:
    found = block("binary")
    raw, zero = "test/real/roc_auc", "test/real/roc_auc_zero_shot"
    start = found.main["method"].map({"default": 0.8, "auto": 0.8 * (1 + 2e-7)})
    main = found.main.assign(**{zero: start, raw: start, found.score: 0.0})
    assert (aligned(main, "roc_auc", found.score, "default")[found.score] == 0).all()
