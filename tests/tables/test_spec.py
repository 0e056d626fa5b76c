import pandas as pd
import pytest
from jsonargparse import ArgumentParser

from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits


def test_both_specs_parse_from_the_command_line_with_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--table", type=TableSpec)
    parser.add_argument("--split", type=SplitSpec)
    arguments = ["--table.source=a.csv", "--table.kinds.a=categorical"]
    arguments += ["--table.order", '{"b": ["1", "2"]}', "--split.max_train_rows=10"]
    parsed = parser.instantiate(parser.parse_args(arguments))
    assert parsed.table == TableSpec("a.csv", kinds={"a": "categorical"}, order={"b": ["1", "2"]})
    assert parsed.split == SplitSpec(max_train_rows=10)
    parser.print_help()
    assert "Rows that share this column's value never straddle" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kinds": {"a": "number"}}, r"kind of column 'a' is one of numerical, .*got 'number'"),
        ({"kinds": {"a": "numerical"}, "order": {"a": ["1", "2"]}}, "'a' has an order"),
        ({"order": {"a": ["1"]}}, r"order of column 'a' needs two or more different levels"),
        ({"order": {"a": ["1", "1"]}}, r"order of column 'a' needs two or more different levels"),
        ({"task": "ranking"}, "task is one of binary, multiclass, regression, got 'ranking'"),
        ({"max_categories": 1}, "max_categories is at least 2, got 1"),
        ({"domain": "synthetic"}, "real, synthetic, perturbed say where .*, got 'synthetic'"),
        ({"domain": "real"}, "a table has a domain of its own: .*, got 'real'"),
        ({"domain": "perturbed"}, "a table has a domain of its own: .*, got 'perturbed'"),
        ({"target": "y", "drop": ["y"]}, "'y' is named both as drop and as target"),
        ({"group_column": "g", "split_column": "g"}, "'g' is named both as group_column and as"),
        ({"target": 2019, "drop": [2019]}, "'2019' is named both as drop and as target"),
        ({"kinds": {True: "date"}}, "kinds names the column True, read as bool, .* quote it as"),
        ({"drop": [1000.0]}, "drop names the column 1000.0, read as float, .* quote it as"),
    ],
)
def test_contradictory_table_settings_are_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        TableSpec("a.csv", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "columns", [[2018, 2019, 2020, 2021, "y"], ["2018", "2019", "2020", "2021", "y"]]
)
def test_columns_named_by_whole_numbers_go_by_their_text(columns: list[object]) -> None:
    cells = [range(40), [1, 2] * 20, ["low", "high"] * 20, range(40), ["a", "a", "b", "b"] * 10]
    frame = pd.DataFrame(dict(enumerate(cells))).set_axis(columns, axis=1)
    spec = TableSpec(
        frame,
        target="y",
        drop=[2018],  # type: ignore[list-item]
        kinds={2019: "categorical"},  # type: ignore[dict-item]
        order={2020: ["low", "high"]},  # type: ignore[dict-item]
    )
    features = load_splits(spec, SplitSpec()).train.schema.features
    assert [(column.name, column.kind) for column in features] == [
        ("2019", "categorical"),
        ("2020", "ordinal"),
        ("2021", "numerical"),
    ]
    with pytest.raises(TableError, match="the table has no column '2017', named as kinds: did you"):
        load_splits(TableSpec(frame, target="y", kinds={2017: "date"}), SplitSpec())  # type: ignore[dict-item]


def test_a_column_named_by_a_whole_number_in_yaml() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--table", type=TableSpec)
    line = ["--table.source=a.csv", "--table.kinds", "{2019: categorical}"]
    parsed = parser.instantiate(parser.parse_args(line))
    assert parsed.table.kinds == {"2019": "categorical"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"val_fraction": 1.0}, r"val_fraction lies in \[0, 1\), got 1.0"),
        ({"test_fraction": -0.1}, r"test_fraction lies in \[0, 1\), got -0.1"),
        ({"seed": -1}, "seed is an integer >= 0, got -1"),
        ({"max_train_rows": 1}, "max_train_rows is at least 2, got 1"),
        ({"max_test_rows": 0}, "max_test_rows is at least 1, got 0"),
    ],
)
def test_split_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SplitSpec(**settings)  # type: ignore[arg-type]
