"""Bodies of requests as tables, and what is said where they are none."""

import json

import pandas as pd
import pytest

from lit_causalmix.errors import TableError
from lit_causalmix.serving.rows import Body, RequestError, read_levels, read_rows


def read(content: bytes, media_type: str = "application/json") -> pd.DataFrame:
    return read_rows(Body(content, media_type), max_rows=3, max_columns=4)


def test_json_and_csv_give_the_same_cells() -> None:
    rows = [{"age": "31", "job": "nurse"}, {"age": "5.5", "job": ""}]
    table = read(json.dumps(rows).encode())
    assert table.equals(read(b"age,job\n31,nurse\n5.5,\n", "text/csv"))
    assert table.equals(read(b"age;job\r\n31;nurse\r\n5.5;\r\n", "text/csv"))


def test_cells_of_json_are_left_as_they_are() -> None:
    cells = [1, 1.0, True, None, "1", 10**30]
    table = read_rows(
        Body(json.dumps([{"x": cell} for cell in cells]).encode()), max_rows=9, max_columns=1
    )
    assert [(type(cell), cell) for cell in table["x"]] == [(type(cell), cell) for cell in cells]


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 400, "cannot be read as JSON"),
        (b"{", 400, "cannot be read as JSON"),
        (b"\xff\xfe", 400, "cannot be read as JSON: 'utf-8' codec"),
        (b'[{"a": NaN}]', 400, "NaN is no number in JSON, send null"),
        (b'[{"a": 1, "a": 2}]', 400, "a name stands twice"),
        (b'[{"a": 1' + b"0" * 5000 + b"}]", 400, "cannot be read as JSON"),
        (b"[" * 200_000, 400, "nested too deeply"),
        (b"null", 400, "a list of one or more rows"),
        (b"[]", 400, "a list of one or more rows"),
        (b'{"a": 1}', 400, r"a list of one or more rows, .* got \{'a': 1\}"),
        (b"[[1, 2]]", 400, "a list of one or more rows"),
        (
            b'[{"a": 1}, {"b": 1}]',
            400,
            r"row 1 \(counted from 0\) .* differ in 'a', 'b': send null",
        ),
        (b'[{"a": 1}, {"a": 1}, {"a": 1}, {"a": 1}]', 413, "4 rows, and this server takes 3"),
        (b'[{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}]', 413, "5 columns, and this .* takes 4"),
    ],
)
def test_a_body_that_is_no_json_of_rows_is_one_line(content: bytes, status: int, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        read(content)
    assert caught.value.status == status
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the body is empty"),
        (b"a,b\n1\n", r"the body, line 2: 1 cells, the header has 2"),
        (b"a,b\n\xff,1\n", "the body is not UTF-8"),
        (b"a,b,c,d,e\n1,2,3,4,5\n", "5 columns, and this server takes 4"),
        (b"\n\r\na,b,c,d,e\n1,2,3,4,5\n", "5 columns, and this server takes 4"),
        (b'"a\nz",b,c,d,e\n1,2,3,4,5\n', "5 columns, and this server takes 4"),
        (b"a;b;c;d;e\n1;2;3;4;5\n", "5 columns, and this server takes 4"),
        (b"a,b\n" + b"1,2\n" * 4, "4 rows, and this server takes 3"),
    ],
)
def test_csv_that_is_no_table_is_one_line(content: bytes, said: str) -> None:
    with pytest.raises((TableError, RequestError), match=said):
        read(content, "text/csv")


def test_delimiters_within_quotes_are_no_columns() -> None:
    assert list(read(b'"a,b,c,d,e",f\n1,2\n', "text/csv")) == ["a,b,c,d,e", "f"]


def test_another_type_is_named() -> None:
    with pytest.raises(RequestError, match="'text/html'") as caught:
        read(b"[]", "text/html")
    assert caught.value.status == 415


def test_levels_are_numbers() -> None:
    assert read_levels("") == ()
    assert read_levels("0.05, .5") == (0.05, 0.5)
    with pytest.raises(RequestError, match="got 'half'"):
        read_levels("half")
