"""The script that writes the page of the evidence."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lit_causalmix.pages import markdown
from lit_causalmix.pages.content import Part, Section
from lit_causalmix.study.grid import Cell
from lit_causalmix.study.record import Record
from lit_causalmix.study.report.blocks import Block, blocks
from lit_causalmix.study.report.contents import study_of

TABLES = ("a", "b", "c", "d", "e", "f", "g")
SCORES = {"default": 1.0, "jitter": 1.5, "causalmixft": 2.0, "counterfactual": 0.5, "auto": 2.5}


@pytest.fixture
def script(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("evidence")


@pytest.fixture
def block(cell: Callable[..., Record]) -> Callable[..., Block]:
    def make(task: str, **changed: float) -> Block:
        records = [
            cell(method, score - 0.01 * place, table=table, task=task)
            for place, table in enumerate(TABLES)
            for method, score in {**SCORES, **changed}.items()
        ]
        (found,) = blocks(study_of(records, Path("trial"), "trial"), "causalmixft", "default")
        return found

    return make


def written(*content: Any) -> str:
    return markdown.render([Section("", "Title", [Part(list(content))])])


def test_each_method_has_its_difference_to_default(
    script: ModuleType, block: Callable[..., Block]
) -> None:
    text = written(script.methods(block("binary")))
    assert "| auto | 1.00 | +2.47 [+2.45, +2.49] | 0% | +1.50 [+1.50, +1.50] | 7 / 0 / 0 |" in text
    assert "| counterfactual | 5.00 | +0.47 [+0.45, +0.49] | 0% | −0.50 [−0.50, −0.50] |" in text
    assert "| default | 4.00 | +0.97 [+0.95, +0.99] | 0% |  |" in text


def test_goals_are_judged_by_intervals(script: ModuleType, block: Callable[..., Block]) -> None:
    text = written(script.goals(block("binary")))
    assert text.count("| yes |") == 4
    assert "no way of mixing" not in text
    worse = written(script.goals(block("binary", auto=-0.2, causalmixft=1.2)))
    assert worse.count("| no |") == 4
    assert "| 100% | no |" in worse


def test_in_regression_no_way_of_mixing_may_lose(
    script: ModuleType, block: Callable[..., Block]
) -> None:
    text = written(script.goals(block("regression")))
    lost = "| no way of mixing loses to default | counterfactual −0.50 [−0.50, −0.50] | no |"
    assert lost in text
    held = written(script.goals(block("regression", counterfactual=1.5)))
    assert "| no way of mixing loses to default | none | yes |" in held


def test_without_a_method_there_are_no_goals(
    script: ModuleType, block: Callable[..., Block]
) -> None:
    found = block("binary")

    def without(method: str) -> Block:
        fewer = {name: own for name, own in found.settings.items() if name != method}
        return replace(found, settings=fewer)

    assert "auto above zero-shot" in written(script.goals(found))
    assert "auto" not in written(script.goals(without("auto")))
    left = script.goals(without("jitter"))
    told = "not aimed at: auto beside the zero-shot of one split"
    assert left.rows == [(told, "+2.47 [+2.45, +2.49], 0% worse by more than .1", "")]
    both = replace(found, settings={name: found.settings[name] for name in ("default", "jitter")})
    assert script.goals(both) is None


def test_a_zero_shot_of_its_own_counts_for_the_method_and_not_for_differences(
    script: ModuleType, block: Callable[..., Block]
) -> None:
    found = block("binary")
    raw, zero = "test/real/roc_auc", "test/real/roc_auc_zero_shot"
    main = found.main.assign(**{zero: 0.8, raw: 0.8 * (1 + found.main[found.score] / 100)})
    auto = main["method"] == "auto"
    main.loc[auto, zero] = 0.81
    main.loc[auto, raw] = main.loc[main["method"] == "default", raw].to_numpy()
    main.loc[auto, found.score] = (main.loc[auto, raw] / 0.81 - 1) * 100
    text = written(script.methods(replace(found, main=main)))
    assert "| default | 3.50 | +0.97 [+0.95, +0.99] |" in text
    assert "| auto | 3.50 | −0.28 [−0.30, −0.26] | 100% | +0.00 [0.00, 0.00] |" in text
    same = replace(found, main=main.assign(**{zero: 0.8}))
    assert same.alike[found.score].equals(same.main[found.score])


def test_what_auto_took_is_told(script: ModuleType, block: Callable[..., Block]) -> None:
    found = block("binary")
    own = found.main["method"] == "auto"
    taken = ["default"] * 4 + ["zero-shot"] * 3
    told = found.main.assign(chosen=None)
    told.loc[own, "chosen"] = taken
    text = written(script.choices(replace(found, main=told)))
    assert "What auto took: default 57%, zero-shot 43%." in text
    assert script.choices(replace(found, main=found.main[~own])) is None


def test_what_a_cell_costs_is_told_where_it_was_kept(
    script: ModuleType, block: Callable[..., Block]
) -> None:
    found = block("binary")
    assert script.seconds(found) is None
    costs = {"default": 5.04, "auto": 70.0}
    kept = found.main.assign(seconds_processor=found.main["method"].map(costs))
    told = written(script.seconds(replace(found, main=kept)))
    assert "Processor seconds of a cell, mean: default 5.0, auto 70.0." in told
    without = kept[kept["method"] != "auto"]
    assert script.seconds(replace(found, main=without)) is None


def cell_of(table: str, method: str, seed: int) -> Cell:
    key = f"{method}-{seed}-{table}"
    return Cell(table, method, "nano", seed, 0.0, 0.0, {}, key, None, None)


def test_a_method_of_some_tables_is_compared_on_these_alone(script: ModuleType) -> None:
    cells = [cell_of(table, "default", 0) for table in "abc"] + [cell_of("b", "auto", 0)]
    assert {cell.method for cell in script.of_every_table(cells)} == {"default"}
    own = [cell for cell in cells if cell.table == "b"]
    assert script.of_every_table(own) == own


def test_of_a_study_under_way_the_seeds_of_the_reference_are_taken(script: ModuleType) -> None:
    names = [("default", 0), ("jitter", 0), ("auto", 0), ("default", 1), ("jitter", 1), ("auto", 1)]
    cells = [cell_of(table, method, seed) for method, seed in names for table in "ab"]
    keys = {cell.key for cell in cells if cell.labels["seed"] == 0}
    keys -= {"auto-0-b"}
    found = {(c.labels["method"], c.labels["seed"]) for c in script.begun(cells, keys)}
    assert found == {("default", 0), ("jitter", 0)}
    assert script.begun(cells, keys - {"default-0-a"}) == []
