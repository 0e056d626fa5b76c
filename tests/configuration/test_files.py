"""What is read as YAML: safe values within limits, and nothing built before they are known."""

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_causalmix.configuration import files
from lit_causalmix.configuration.files import check_yaml, read_mapping, with_packaged_configs
from lit_causalmix.errors import ConfigurationError

BILLION = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BILLION, "100,000 values"),
        ("[" * 900 + "]" * 900, "levels deep"),
        ("{a: " * 500 + "1" + "}" * 500, "levels deep"),
        ("a: &a {b: *a}", "names no finished value"),
        ("a: *nothing", "names no finished value"),
        ("x" * 1_000_001, "characters"),
        ("[" + "1, " * 200_000 + "1]", "100,000 values"),
    ],
    ids=["laughs", "brackets", "mappings", "circle", "no anchor", "long", "many"],
)
def test_what_grows_without_bound_is_refused_at_once(text: str, said: str) -> None:
    before = time.process_time()
    with pytest.raises(ConfigurationError, match=said):
        check_yaml(text)
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    "text", ["a: 1\nb: 2\na: 3", "x: {a: 1, 'a': 2}", "[{a: {b: 1}, c: 2, a: x}]", "a: &a 1\na: *a"]
)
def test_a_key_that_stands_twice_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="YAML key 'a' stands twice in one mapping"):
        check_yaml(text)


def test_values_and_other_mappings_may_repeat_a_key() -> None:
    check_yaml("a: a\nb: a\nc: {a: b, b: [a, a]}\nd: {? [a, a] : a, a: d}")
    check_yaml("x: &x {a: 1}\ny: &y {b: 1}\nz: {<<: *x, <<: *y, a: 2}\n? *x\n: 1")


def test_depth_counts_what_aliases_bring_along() -> None:
    text = "a: &x0 [1]\n" + "".join(f"k{i}: &x{i} [*x{i - 1}]\n" for i in range(1, 60))
    with pytest.raises(ConfigurationError, match="levels deep"):
        check_yaml(text)


words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=9)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner),
    max_leaves=30,
)


@given(st.dictionaries(words, values))
@settings(max_examples=100, deadline=None)
def test_ordinary_values_pass_and_are_read_as_they_were_written(value: dict[str, object]) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    check_yaml(text)
    assert yaml.safe_load(text) == value


def test_a_mapping_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: {b: [1, x]}\n")
    assert read_mapping(path) == {"a": {"b": [1, "x"]}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "got nothing"),
        (b"# words\n", "got nothing"),
        (b"7", "got a int"),
        (b"- a", "got a list"),
        (b"a: \xe9", "not UTF-8"),
        (b"a: [1", "not readable as YAML"),
        (b"a: 2024-99-99", "not readable as YAML"),
        (b"a: !!python/object/apply:os.system ['touch x']", "not readable as YAML"),
        (b"a: !!timestamp x", "not readable as YAML"),
        (b"a: !!int x", "not readable as YAML"),
        (b"? [a]\n: b", "not readable as YAML"),
        (b"a: 1\n---\nb: 2", "not readable as YAML"),
        (b"a: \x00", "not readable as YAML"),
        (b"x" * 1_000_001, "bytes"),
    ],
)
def test_files_that_hold_no_configuration(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        read_mapping(path)


def test_folders_and_missing_files(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            read_mapping(path)


def test_packaged_configurations_lie_far_below_the_limits() -> None:
    for path in files.config_folder().rglob("*.yaml"):
        assert path.stat().st_size < files.MAX_BYTES / 100
        read_mapping(path)


def test_a_folder_hides_no_packaged_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("quickstart", "mine"):
        Path(name).mkdir()
    found = str(files.config_folder() / "quickstart.yaml")
    assert with_packaged_configs(["--config", "quickstart"]) == ["--config", found]
    with pytest.raises(ConfigurationError, match="mine cannot be read: Is a directory"):
        with_packaged_configs(["--config", "mine"])


def test_names_that_are_no_paths_are_left_to_the_parser() -> None:
    for name in ("x" * 5000, "a\0b", "no-such"):
        assert with_packaged_configs(["--config", name])[1] == name
