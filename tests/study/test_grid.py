from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from lit_causalmix.backbones import Nano, Tab2D
from lit_causalmix.errors import ConfigurationError, LitCausalMixError
from lit_causalmix.files.digests import of_module
from lit_causalmix.generators import Generator, JitterGenerator, SCMGenerator
from lit_causalmix.names import key_name
from lit_causalmix.study.grid import Cell, plan
from lit_causalmix.study.identity import RECIPE, asked_for, cell_key, content_hash
from lit_causalmix.study.runner import distinct, in_order
from lit_causalmix.study.spec import StudySpec, read_study

Spec = Callable[..., StudySpec]


def labels(cells: list[Cell], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(cell.labels[name] for name in names) for cell in cells]


def test_a_grid_is_every_combination_seed_by_seed(spec: Spec) -> None:
    cells = plan(spec())
    assert len(cells) == len({cell.key for cell in cells}) == 2 * 3 * 2
    assert labels(cells, "seed", "table", "method")[:4] == [
        (0, "first", "default"),
        (0, "first", "jitter"),
        (0, "first", "causalmixft"),
        (0, "second", "default"),
    ]
    data = cells[-1].config["data"]
    assert (data["seed"], data["split"]["seed"], data["split"]["max_train_rows"]) == (1, 1, 60)


def test_axes_vary_the_methods_that_have_synthetic_rows(spec: Spec) -> None:
    cells = plan(spec(tables=[spec().tables[0]], seeds=[0], sizes=[0, 1, None], ratios=[0.5, 1.0]))
    by_method: dict[str, list[tuple[Any, ...]]] = {}
    for cell in cells:
        by_method.setdefault(cell.method, []).append((cell.ratio, cell.size))
    assert by_method["default"] == [(0, 0)]
    assert by_method["jitter"] == [(0, 0), (0.5, 1), (0.5, None), (1, 1), (1, None)]
    # No synthetic row is left at size 0: the same fit as default fine-tuning, and run once.
    none = [cell for cell in cells if cell.ratio == 0]
    assert len(none) == 3
    assert len({cell.key for cell in none}) == 1
    assert {cell.generator for cell in none} == {None}
    assert distinct(cells)[0].labels == cells[0].labels
    assert len(distinct(cells)) == len(cells) - 2


def test_a_schedule_takes_the_place_of_the_ratios(spec: Spec) -> None:
    methods = {"falling": {"config": ["baselines/jitter", "schedules/cosine"]}}
    cells = plan(spec(methods=methods, ratios=[0.25, 0.75], sizes=[1, 2], seeds=[0]))
    assert {(cell.ratio, cell.size) for cell in cells} == {(0.5, 1), (0.5, 2)}


def test_grids_are_united(spec: Spec) -> None:
    grids = [
        {"sizes": [0, 1], "methods": ["jitter"]},
        {"ratios": [0.0, 0.5], "seeds": [0], "methods": ["jitter"]},
    ]
    cells = plan(spec(grids=grids, tables=[spec().tables[0]]))
    assert labels(cells, "seed", "ratio", "size") == [
        (0, 0, 0),
        (0, 0.5, 1),
        (1, 0, 0),
        (1, 0.5, 1),
        (0, 0.5, None),
    ]


def test_what_the_command_line_says_holds_in_every_grid_that_says_it(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    content = {
        "tables": ["a", "b"],
        "methods": {"x": None, "y": None},
        "grids": [{"methods": ["x"], "sizes": [0, 1]}, {"methods": ["y"], "tables": ["b"]}],
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    grids = read_study(path, {"tables": ["c"], "sizes": [2], "seeds": [5]}).each_grid()
    assert [grid.tables for grid in grids] == [["c"], ["c"]]
    assert [grid.sizes for grid in grids] == [[2], []]  # the second is not varied over sizes
    assert [grid.seeds for grid in grids] == [[5], [5]]


def test_cells_of_one_table_seed_and_settings_share_a_generator(spec: Spec) -> None:
    cells = plan(spec(ratios=[0.25, 0.5], methods=["default", "causalmixft"]))
    keys = [cell.generator for cell in cells if cell.generator]
    assert len(keys) == 2 * 2 * 2
    assert len(set(keys)) == 2 * 2
    ordered = in_order(cells)
    assert sorted(c.key for c in ordered) == sorted(c.key for c in cells)
    assert [c.seed for c in ordered] == sorted(c.seed for c in cells)
    first = [c for c in ordered if c.seed == 0]
    fits = [c.generator for c in first if c.generator]
    assert len(set(fits[:2])) == 2  # every generator's first cell before any second one


@pytest.mark.parametrize(
    "same",
    [
        {"trainer": {"log_every_n_steps": 7, "enable_progress_bar": True}},
        {"data": {"cache_dir": "elsewhere", "num_workers": 2, "progress": True}},
        {"data": {"query_fraction": 0.2}, "model": {"l2_sp": 0.0}},  # the defaults, spelled out
        {"data": {"context": "both"}},
        {"trainer": {"callbacks+": ["lit_causalmix.callbacks.RunReport"]}},
    ],
)
def test_a_key_does_not_depend_on_where_and_how_a_cell_runs(
    spec: Spec, same: dict[str, Any]
) -> None:
    keys = [cell.key for cell in plan(spec(methods=["jitter"]))]
    assert [cell.key for cell in plan(spec(methods=["jitter"], base=same))] == keys


@pytest.mark.parametrize(
    "other",
    [
        {"data": {"query_fraction": 0.3}},
        {"data": {"context": "train"}},
        {"data": {"split": {"max_train_rows": 50}}},
        {"data": {"table": {"missing_values": ["?"]}}},
        {"model": {"optimizer": {"init_args": {"lr": 0.002}}}},
        {"trainer": {"max_epochs": 3}},
        {"trainer": {"callbacks+": ["lit_causalmix.callbacks.ScoreTrajectory"]}},
    ],
)
def test_a_key_depends_on_what_is_asked(spec: Spec, other: dict[str, Any]) -> None:
    keys = {cell.key for cell in plan(spec(methods=["jitter"]))}
    assert not keys & {cell.key for cell in plan(spec(methods=["jitter"], base=other))}


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ({"version": 1}, {"permute_codes": True}),
        ({"version": 1, "permute_codes": False}, {}),
        ({"version": 1, "n_ensemble": 1}, {"n_ensemble": 1}),
        ({"version": 1, "n_ensemble": 1, "permute_codes": False}, {"n_ensemble": 1}),
        ({"version": 1, "n_ensemble": 8}, {"n_ensemble": 8, "permute_codes": True}),
        ({"version": 1, "n_ensemble": 4}, {"permute_codes": True}),
        ({"version": 2}, {"version": 2, "permute_codes": True}),
        ({"version": 2, "n_ensemble": 2}, {"version": 2, "permute_codes": True}),
        ({}, {"version": 3, "permute_codes": True}),
        ({"n_ensemble": 1}, {"version": 3, "permute_codes": True}),
        ({"version": 2, "n_ensemble": 1}, {"version": 2, "n_ensemble": 1}),
    ],
)
def test_a_key_names_what_the_first_results_did_not_have(
    arguments: dict[str, Any], asked: dict[str, Any]
) -> None:
    backbone = {"class_path": key_name(Nano), "init_args": arguments}
    config = {"model": {"backbone": backbone}, "data": {"synthetic_ratio": 0.0}}
    assert asked_for(config, {})["model"]["backbone"]["init_args"] == asked


@pytest.mark.parametrize("rows", [None, 300, 301])
@pytest.mark.parametrize("generator", [SCMGenerator, JitterGenerator])
def test_only_keys_of_many_rows_say_how_mechanisms_are_chosen(
    generator: type[Generator], rows: int | None
) -> None:
    chosen = {"class_path": key_name(generator), "init_args": {}}
    split = {} if rows is None else {"max_train_rows": rows}
    asked = {"data": {"generator": chosen, "split": {"seed": 0, **split}}}
    plain = content_hash({"recipe": RECIPE, "asked": asked, "weights": "sum"})
    screened = generator is SCMGenerator and rows != 300
    assert (cell_key(asked, "sum") != plain) is screened


def test_a_key_follows_the_tables_content_not_its_path(spec: Spec, tmp_path: Path) -> None:
    before = [cell.key for cell in plan(spec(methods=["jitter"], seeds=[0]))]
    (tmp_path / "moved").mkdir()
    for name in ("first", "second"):
        (tmp_path / f"{name}.csv").rename(tmp_path / "moved" / f"{name}.csv")
    tables = [table | {"source": f"moved/{table['source']}"} for table in spec().tables]
    moved = [cell.key for cell in plan(spec(methods=["jitter"], seeds=[0], tables=tables))]
    assert moved == before


def test_a_key_follows_the_backbones_weights(spec: Spec) -> None:
    def keys(**arguments: Any) -> list[str]:
        backbone = {"class_path": "Tab2D", "init_args": {"dim": 16, "n_layers": 1} | arguments}
        backbones = {"small": {"model": {"backbone": backbone}}}
        return [c.key for c in plan(spec(methods=["jitter"], backbones=backbones))]

    assert keys() == keys(seed=0)
    assert not set(keys()) & set(keys(seed=1))
    first, other = Tab2D(dim=16, n_layers=1), Tab2D(dim=16, n_layers=1, seed=1)
    assert of_module(first) == of_module(Tab2D(dim=16, n_layers=1))
    assert of_module(first) != of_module(other)
    with torch.no_grad():
        next(first.parameters()).view(-1)[0] += 1e-3
    assert of_module(first) != of_module(Tab2D(dim=16, n_layers=1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"methods": {"x": "baselines/nope"}}, "no configuration 'baselines/nope'"),
        ({"methods": {"x": {"data": {"ratio": 1}}}}, "method 'x' on backbone 'small'.*'ratio'"),
        ({"methods": {"x": {"data": {"synthetic_ratio": 2}}}}, "method 'x'.*2"),
        ({"methods": {"x": {"data": {"table": {"drop": []}}}}}, "belongs to the tables"),
        ({"methods": {"x": {"model": 1e308}}}, "method 'x'.*model is a mapping.*got 1e"),
        ({"base": {"data": None}}, "data is a mapping of settings, got None"),
        ({"methods": {"x": 3}}, "a mapping or the name of a YAML file, got 3"),
        ({"tables": [{"source": "gone.csv", "target": "y"}]}, "no table 'gone.csv'"),
        ({"tables": [{"source": "first.csv", "targt": "y"}]}, "targt"),
        ({"base": {"trainer": {"callbacks": []}}}, "needs the callbacks ZeroShotBaseline"),
        ({"grids": [{"ratio": [1]}]}, "may replace tables, methods"),
        ({"grids": [{"methods": ["jiter"]}]}, "grids name 'jiter' of methods"),
        ({"seeds": [-1]}, "seeds is a list of integers >= 0"),
        ({"ratios": [2]}, r"numbers in \[0, 1\]"),
        ({"seeds": []}, "one or more seeds, got none"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is(
    spec: Spec, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(LitCausalMixError, match=message) as refused:
        plan(spec(**fields))
    assert isinstance(refused.value, ConfigurationError)
