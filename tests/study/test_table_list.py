import json
import os
from pathlib import Path

import pandas as pd
import pytest

from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.study.halves import FIRST_HALF, TUNED_ON
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


def test_two_tables_of_one_name_are_refused_unless_they_are_one(folder: Path) -> None:
    one, other = ({"source": f"{place}/data.csv", "target": "t"} for place in "xy")
    with pytest.raises(ConfigurationError, match=r"two have the name 'data': x/data.csv and y/d"):
        find_tables([one, other], str(folder))
    assert list(find_tables([one, {**other, "name": "data of y"}], str(folder))) == [
        "data",
        "data of y",
    ]
    years = [{"source": f"a.{year}.csv", "target": "t"} for year in (2020, 2021)]
    with pytest.raises(ConfigurationError, match="two have the name 'a"):
        find_tables(years, str(folder))
    assert len(find_tables(["loans", "classification", one, one], str(folder))) == 3


def write_index(folder: Path, kinds: dict[str, str]) -> str:
    """A folder that lists tables of these tasks; the files themselves are not needed."""
    folder.mkdir(exist_ok=True)
    entries = [
        {"name": n, "task": t, "domain": "d", "categorical": [], "file": f"{n}.csv", "target": "y"}
        for n, t in kinds.items()
    ]
    (folder / "index.json").write_text(json.dumps(entries))
    return str(folder)


KINDS = {"b": "binary", "a": "multiclass", "d": "binary", "c": "binary", "e": "binary"}
KINDS |= {"z": "regression", "y": "regression", "x": "regression"}


def test_halves_alternate_alphabetically_within_each_kind(tmp_path: Path) -> None:
    folder = write_index(tmp_path, KINDS)
    assert set(find_tables(["development"], folder)) == {"a", "c", "e", "x", "z"}
    assert set(find_tables(["report"], folder)) == {"b", "d", "y"}


def test_halves_are_drawn_over_all_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = write_index(tmp_path / "more", {"aa": "binary", "w": "regression"})
    folders = os.pathsep.join([write_index(tmp_path / "first", KINDS), more])
    assert list(find_tables(["all"], folders)) == [*KINDS, "aa", "w"]
    monkeypatch.setenv("LIT_CAUSALMIX_DATA", folders)
    assert set(find_tables(["development"], None)) == {"a", "b", "d", "w", "y"}
    assert set(find_tables(["report"], None)) == {"aa", "c", "e", "x", "z"}
    assert find_tables(["aa"], None)["aa"]["source"] == str(tmp_path / "more" / "aa.csv")


def test_what_was_tuned_on_is_for_development_wherever_the_rule_puts_it(tmp_path: Path) -> None:
    folder = write_index(tmp_path, {"a": "binary", "splice": "binary", "t": "binary"})
    assert set(find_tables(["development"], folder)) == {"a", "splice", "t"}
    assert "concrete" in TUNED_ON
    with_tuned = write_index(tmp_path / "b", dict.fromkeys([*TUNED_ON, "zz", "zzz"], "regression"))
    assert set(find_tables(["report"], with_tuned)) <= {"zz", "zzz"}


def test_the_real_tables_fall_into_halves_that_keep_the_first_one(real_data: Path) -> None:
    folders = [real_data, real_data.parent / "more"]
    if not (folders[1] / "index.json").is_file():
        pytest.skip(f"the further real tables are absent from {folders[1]}")
    place = os.pathsep.join(map(str, folders))
    development, report = (set(find_tables([h], place)) for h in ("development", "report"))
    assert development >= FIRST_HALF
    assert not development & report
    assert development | report == set(find_tables(["all"], place))
    assert abs(len(development) - len(report)) <= 2 * len(TUNED_ON)


def test_two_tables_of_one_name_are_refused(tmp_path: Path) -> None:
    folders = [write_index(tmp_path / f, {"a": "binary", f: "binary"}) for f in ("p", "q")]
    with pytest.raises(ConfigurationError, match="list 'a' more than once"):
        find_tables(["p"], os.pathsep.join(folders))


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
