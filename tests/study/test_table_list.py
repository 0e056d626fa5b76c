import json
from pathlib import Path

import pandas as pd
import pytest

from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.study.table_list import find_tables, source_fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    entries = [
        {"name": "loans", "task": "binary", "domain": "finance", "categorical": ["job"]},
        {"name": "soil", "task": "multiclass", "domain": "nature", "categorical": []},
        {"name": "houses", "task": "regression", "domain": "housing", "categorical": []},
    ]
    for entry in entries:
        entry |= {"file": f"{entry['name']}.csv", "target": "y"}
    (tmp_path / "index.json").write_text(json.dumps(entries))
    return tmp_path


def test_tables_are_found_by_name_group_and_mapping(folder: Path) -> None:
    own = {"source": "a/mine.csv", "target": "t"}
    found = find_tables(["houses", "sklearn:iris", own], str(folder))
    assert list(found) == ["houses", "sklearn:iris", "mine"]
    assert found["houses"]["source"] == str(folder / "houses.csv")
    assert found["mine"] == own  # no such file: for the reader of tables to say
    assert find_tables(["loans"], str(folder))["loans"]["kinds"] == {"job": "categorical"}
    assert list(find_tables(["classification"], str(folder))) == ["loans", "soil"]
    assert list(find_tables(["regression"], str(folder))) == ["houses"]
    assert list(find_tables(["all"], str(folder))) == ["loans", "soil", "houses"]


def test_halves_alternate_alphabetically_within_each_kind(tmp_path: Path) -> None:
    kinds = {"b": "binary", "a": "multiclass", "d": "binary", "c": "binary", "e": "binary"}
    kinds |= {"z": "regression", "y": "regression", "x": "regression"}
    entries = [
        {"name": n, "task": t, "domain": "d", "categorical": [], "file": f"{n}.csv", "target": "y"}
        for n, t in kinds.items()
    ]
    (tmp_path / "index.json").write_text(json.dumps(entries))
    assert set(find_tables(["development"], str(tmp_path))) == {"a", "c", "e", "x", "z"}
    assert set(find_tables(["report"], str(tmp_path))) == {"b", "d", "y"}


def test_the_folder_comes_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIT_CAUSALMIX_DATA", str(folder))
    assert list(find_tables(["soil"], None)) == ["soil"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["lones"], "no table 'lones'.*did you mean loans"),
        ([{"target": "y"}], "needs a source"),
        ([{"source": {"a": 1}, "target": "y"}], "needs a source, .*'a': 1"),
        ([{"source": ["a", "b"], "target": "y"}], "needs a source"),
    ],
)
def test_an_unknown_table_is_refused(folder: Path, names: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        find_tables(names, str(folder))


def test_a_group_needs_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIT_CAUSALMIX_DATA", raising=False)
    with pytest.raises(ConfigurationError, match="set tables_dir or LIT_CAUSALMIX_DATA"):
        find_tables(["all"], None)
    with pytest.raises(ConfigurationError, match=r"index\.json"):
        find_tables(["all"], str(tmp_path))
    (tmp_path / "index.json").write_text('[{"name": "x"}]')
    with pytest.raises(ConfigurationError, match="no index of tables"):
        find_tables(["all"], str(tmp_path))


def test_a_source_is_known_by_its_content(tmp_path: Path, frame: pd.DataFrame) -> None:
    for name in ("a.csv", "b.csv"):
        frame.to_csv(tmp_path / name, index=False)
    frame.iloc[1:].to_csv(tmp_path / "c.csv", index=False)
    prints = [source_fingerprint(str(tmp_path / name)) for name in ("a.csv", "b.csv", "c.csv")]
    assert prints[0] == prints[1] != prints[2]
    assert len(source_fingerprint("sklearn:iris")) == 64
    with pytest.raises(TableError, match="no table"):
        source_fingerprint(str(tmp_path / "d.csv"))
