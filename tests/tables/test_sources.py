import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lit_causalmix.errors import TableError
from lit_causalmix.tables import BUILTIN_TABLES, SplitSpec, TableSpec, load_splits
from lit_causalmix.tables.sources import read_source

Write = Callable[..., str]


def read(source: object) -> pd.DataFrame:
    return read_source(TableSpec(source)).frame


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_delimiters_are_found_and_cells_stay_text(write: Write, delimiter: str) -> None:
    lines = [["name", "size"], ["a b", "01"], ["", "1.50"], ['"x, y; z"', "2"]]
    frame = read(write("\n".join(delimiter.join(line) for line in lines)))
    assert list(frame.columns) == ["name", "size"]
    assert frame["size"].tolist() == ["01", "1.50", "2"]
    assert frame["name"].tolist() == ["a b", "", "x, y; z"]


def test_bom_blank_lines_gzip_and_tsv(write: Write) -> None:
    text = b"\xef\xbb\xbfa\tb\n\n1\t2\n3\t4\n"
    plain = read(write(text, "t.tsv"))
    packed = read(write(gzip.compress(text), "t.tsv.gz"))
    assert plain.to_dict("list") == packed.to_dict("list") == {"a": ["1", "3"], "b": ["2", "4"]}


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("", "t.csv", "t.csv is empty"),
        (" \n\n", "t.csv", "t.csv is empty"),
        ("a\n1\n2\n", "t.csv", "single column when read with comma, semicolon, tab"),
        ("a,b\n1,2\n1,2,3\n", "t.csv", "line 3: 3 cells, the header has 2"),
        ("a,b\n1,2\n1\n", "t.csv", "line 3: 1 cells, the header has 2"),
        ('a,b\n1,"2\n3,4\n', "t.csv", "unexpected end of data"),
        ("a,a,b\n1,2,3\n1,2,4\n", "t.csv", "column names must differ, but 'a' occur"),
        (",a\n0,1\n1,2\n", "t.csv", "column 1 of 2 has no name"),
        (b"a,b\n1,caf\xe9\n", "t.csv", r"not UTF-8: byte 0xe9 at offset 9; .*iconv -f ISO-8859-1"),
        (b"a,b\n1,\x80\n", "t.csv", r"not UTF-8: byte 0x80 at .*iconv -f WINDOWS-1252"),
        ("a,b\n1,2\n".encode("utf-16"), "t.csv", r"offset 0; .*iconv -f UTF-16"),
        (b"\xef\xbb\xbfa,b\n\xff,2\n", "t.csv", "byte 0xff at offset 7"),
        ("a,b\n1," + "x" * 200_000, "t.csv", "line 2: field larger than field limit"),
        ("a,b\r1,2\r3,4\r", "t.csv", "line 1: new-line character"),
        (b"not gzip", "t.csv.gz", "not a whole gzip file"),
        (gzip.compress(b"a,b\n" * 99, mtime=0)[:-12], "t.csv.gz", "not a whole gzip file"),
        (b"not parquet at all", "t.parquet", "not a whole Parquet file"),
        ("{}", "t.json", "has none of the endings .csv"),
    ],
)
def test_bad_files_are_named(write: Write, content: str | bytes, name: str, message: str) -> None:
    with pytest.raises(TableError, match=message) as caught:
        read(write(content, name))
    assert "\n" not in str(caught.value)


def test_a_wide_file_is_no_long_cell(write: Write) -> None:
    header = ",".join(f"column {number}" for number in range(20_000))
    row = ",".join(["1"] * 20_000)
    assert read(write(f"{header}\n{row}\n")).shape == (1, 20_000)


def test_a_missing_file_lists_near_names() -> None:
    with pytest.raises(TableError, match=r"no table 'german_credits'.*did you mean german_credit"):
        read("german_credits")
    with pytest.raises(TableError, match="these are german_credit, sklearn:breast_cancer"):
        read("/nowhere/q.csv")


@pytest.mark.parametrize("content", ["a,y\n", "a,y\n1,2\n"])
def test_a_table_without_two_rows_is_refused(write: Write, content: str) -> None:
    with pytest.raises(TableError, match=r"needs two or more rows, 'table' has [01]"):
        load_splits(TableSpec(write(content), target="y"), SplitSpec())


@pytest.mark.parametrize("source", [31, None, ["a.csv"]])
def test_sources_of_other_types_are_refused(source: object) -> None:
    with pytest.raises(
        TableError, match=f"openml:ID or a pandas DataFrame, got {type(source).__name__}"
    ):
        read(source)


def test_paths_may_be_path_objects(write: Write) -> None:
    raw = read_source(TableSpec(Path(write("a,b\n1,2\n", "some.table.csv"))))
    assert (raw.name, raw.target, raw.domain) == ("some", None, "unlabelled")


def test_parquet_equals_the_frame(tmp_path: Path, mixed_frame: pd.DataFrame) -> None:
    mixed_frame["grade"] = pd.Categorical(
        mixed_frame["grade"], ["low", "mid", "high"], ordered=True
    )
    mixed_frame.to_parquet(tmp_path / "t.parquet")
    stored = load_splits(TableSpec(str(tmp_path / "t.parquet"), target="y"), SplitSpec())
    direct = load_splits(TableSpec(mixed_frame, target="y"), SplitSpec())
    assert stored.train.fingerprint() == direct.train.fingerprint()
    assert stored.train.schema.features[4].categories == ("low", "mid", "high")


@pytest.mark.parametrize("most", [None, 50])
def test_a_named_index_of_a_parquet_file_is_a_column(
    tmp_path: Path, mixed_frame: pd.DataFrame, most: int | None
) -> None:
    kept, indexed = tmp_path / "kept.parquet", tmp_path / "indexed.parquet"
    first = mixed_frame.columns[0]
    mixed_frame[[first, *mixed_frame.columns[1:]]].to_parquet(kept, index=False)
    mixed_frame.set_index(first).to_parquet(indexed)
    found = [
        read_source(TableSpec(str(path), target="y", max_rows=most)) for path in (kept, indexed)
    ]
    assert list(found[1].frame.columns) == list(found[0].frame.columns)
    pd.testing.assert_frame_equal(found[1].frame, found[0].frame, check_dtype=False)


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.parquet").touch()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TableError, match=r"needs pyarrow: pip install 'lit-causalmix\[parquet\]'"):
        read(str(tmp_path / "t.parquet"))


def test_frames_with_repeated_names_or_strange_cells_are_refused() -> None:
    with pytest.raises(TableError, match="column names must differ, but '1' occur"):
        read(pd.DataFrame(np.ones((3, 2)), columns=[1, "1"]))
    strange = pd.DataFrame({"a": [[1], [2], [3]], "y": [0, 1, 0]})
    with pytest.raises(TableError, match="column 'a' holds values that are neither text"):
        load_splits(TableSpec(strange, target="y"), SplitSpec())


@pytest.mark.parametrize("name", sorted(BUILTIN_TABLES))
def test_built_in_tables_load_with_their_defaults(name: str) -> None:
    splits = load_splits(TableSpec(name), SplitSpec())
    expected = {
        "german_credit": ("binary", "finance", 20, 1000),
        "sklearn:breast_cancer": ("binary", "medicine", 30, 569),
        "sklearn:diabetes": ("regression", "medicine", 10, 442),
        "sklearn:digits": ("multiclass", "images", 64, 1797),
        "sklearn:iris": ("multiclass", "biology", 4, 150),
        "sklearn:wine": ("multiclass", "food chemistry", 13, 178),
    }[name]
    schema = splits.train.schema
    rows = sum(len(part) for part in (splits.train, splits.val, splits.test))
    assert (schema.task, splits.train.domain, len(schema.features), rows) == expected
    assert splits.test.name == name.rpartition(":")[2]


def test_the_users_name_and_domain_win() -> None:
    raw = read_source(TableSpec("sklearn:iris", name="flowers", domain="botany"))
    assert (raw.name, raw.domain, raw.target) == ("flowers", "botany", "target")


def test_openml_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.setenv("no_proxy", "")
    for scheme in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(scheme, "http://127.0.0.1:9")  # nothing listens on the discard port
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # scikit-learn waits between tries
    with pytest.raises(TableError, match=r"openml:31 could not be fetched .* needs a network"):
        read("openml:31")
    with pytest.raises(TableError, match="openml:ID with a whole number, got 'credit'"):
        read("openml:credit")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_one_column_will_do_where_it_may(write: Write, delimiter: str) -> None:
    path = write('x\n1\n""\na b\n')
    frame = read_source(TableSpec(path), one_column=True).frame
    assert frame.to_dict("list") == {"x": ["1", "", "a b"]}
    more = read_source(TableSpec(write(f"x{delimiter}y\n1{delimiter}2\n")), one_column=True).frame
    assert more.to_dict("list") == {"x": ["1"], "y": ["2"]}
    with pytest.raises(TableError, match="line 2: 2 cells, the header has 1"):
        read_source(TableSpec(write("x\n1,5\n")), one_column=True)
    with pytest.raises(TableError, match="line 2: field larger than field limit"):
        read_source(TableSpec(write("x\n" + "1" * 200_000)), one_column=True)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_blank_line_of_one_column_is_a_gap_unless_it_ends_the_file(
    write: Write, end: str
) -> None:
    path = write(end.join(["", "x", "0.5", "", "", "-2", "", "", ""]))
    frame = read_source(TableSpec(path), one_column=True).frame
    assert frame.to_dict("list") == {"x": ["0.5", "", "", "-2"]}
    path = write(end.join(["", "x,y", "0.5,1", "", "-2,1", ""]))
    frame = read_source(TableSpec(path), one_column=True).frame
    assert frame.to_dict("list") == {"x": ["0.5", "-2"], "y": ["1", "1"]}


def test_a_table_of_its_target_alone_is_refused(write: Write) -> None:
    with pytest.raises(TableError, match="has a single column"):
        load_splits(TableSpec(write("y\n1\n2\n3\n"), target="y"), SplitSpec())
