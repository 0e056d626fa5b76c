"""The parts of a study that may be compared."""

from collections.abc import Callable
from pathlib import Path

from lit_causalmix.study.record import Record
from lit_causalmix.study.report.blocks import blocks
from lit_causalmix.study.report.comparison import paper_table
from lit_causalmix.study.report.contents import study_of


def test_a_method_that_chooses_has_no_share_of_its_own(cell: Callable[..., Record]) -> None:
    records = [cell("default", 1.0, table=table) for table in "ab"]
    records += [cell("auto", 2.0, table=t, ratio=0.0) | {"chosen": "zero-shot"} for t in "ab"]
    (block,) = blocks(study_of(records, Path("trial"), "trial"), "auto", "default")
    assert block.setting_of("auto") == "chooses among its candidates"
    assert block.setting_of("default") == "real rows alone"
    (file,) = paper_table(block).files.values()
    assert b"auto,chooses among its candidates," in file
