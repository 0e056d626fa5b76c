import pytest
from jsonargparse import ArgumentParser

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables import SplitSpec, TableSpec


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
    ],
)
def test_contradictory_table_settings_are_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        TableSpec("a.csv", **settings)  # type: ignore[arg-type]


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
