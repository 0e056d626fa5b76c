import json
import multiprocessing
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from lit_causalmix.errors import FileError, LitCausalMixError
from lit_causalmix.files.atomic import (
    finite,
    json_text,
    replacing,
    write_bytes,
    write_json,
    write_text,
)

LARGE = 200_000
WRITERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: write_bytes(path, b"x" * LARGE),
    "text": lambda path: write_text(path, "x" * LARGE),
    "json": lambda path: write_json(path, "x" * LARGE),
    "safetensors": lambda path: _save_tensors(path),
    "torch": lambda path: _torch_save(path),
}


def _save_tensors(path: Path) -> None:
    with replacing(path) as scratch:
        save_file({"a": np.zeros(LARGE)}, scratch)


def _torch_save(path: Path) -> None:
    with replacing(path) as scratch:
        torch.save(torch.zeros(LARGE), scratch)


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_written_over_another_and_nothing_else_is_left(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / "file.json"
    for _ in range(2):
        WRITERS[name](path)
        assert path.stat().st_size >= LARGE
        assert files(path.parent) == ["file.json"]


def test_text_and_json_are_utf_8_and_readable(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "é\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\n".encode()
    content = {"b": [1, 2.5, None], "a": "é"}
    write_json(tmp_path / "a.json", content)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o007])
@pytest.mark.parametrize("name", ["bytes", "safetensors"])  # safetensors' own file is the owner's
def test_permissions_are_those_of_any_new_file(tmp_path: Path, mask: int, name: str) -> None:
    before = os.umask(mask)
    try:
        WRITERS[name](tmp_path / "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there_and_no_temporary_file(
    tmp_path: Path, fault: type[BaseException]
) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")

    def fail() -> None:
        with replacing(path) as scratch:
            scratch.write_bytes(b"half")
            raise fault

    with pytest.raises(fault):
        fail()
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_leaves_what_was_there(small_disk: Path, name: str) -> None:
    path = small_disk / "file.bin"
    write_bytes(path, b"old")
    with pytest.raises(FileError, match=r"file\.bin cannot be written: .*(full|No space)") as found:
        WRITERS[name](path)
    assert "\n" not in str(found.value)
    assert path.read_bytes() == b"old"
    assert files(small_disk) == ["file.bin"]


def test_a_file_that_may_not_grow_is_one_line(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(FileError, match=r"a\.bin cannot be written: File too large$"):
            write_bytes(tmp_path / "a.bin", b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not files(tmp_path)


def test_a_read_only_disk_is_one_line(read_only_disk: Path) -> None:
    for path in (read_only_disk / "a.bin", read_only_disk / "new" / "a.bin"):
        with pytest.raises(FileError, match=r"a\.bin cannot be written: Read-only file system"):
            write_bytes(path, b"x")


def test_what_is_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="a folder of that name is in the way"):
        write_bytes(tmp_path / "folder", b"x")
    write_bytes(tmp_path / "file", b"x")
    with pytest.raises(FileError, match=r"a\.bin cannot be written: (Not a directory|File exists)"):
        write_bytes(tmp_path / "file" / "a.bin", b"x")
    with pytest.raises(FileError, match="File name too long"):
        write_bytes(tmp_path / ("x" * 300), b"x")
    assert files(tmp_path) == ["file", "folder"]
    write_bytes(tmp_path / ("é" * 127), b"x")  # 254 bytes, the longest name there is


def test_a_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"kept")
    for target in (kept, tmp_path / "gone"):
        link = tmp_path / "link"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        write_bytes(link, b"new")
        assert not link.is_symlink()
        assert link.read_bytes() == b"new"
    assert kept.read_bytes() == b"kept"
    assert not (tmp_path / "gone").exists()


def test_what_a_block_does_elsewhere_is_told_apart(tmp_path: Path) -> None:
    with (
        pytest.raises(FileError, match=r"a\.bin cannot be written: No such .*elsewhere"),
        replacing(tmp_path / "a.bin"),
    ):
        (tmp_path / "elsewhere").read_bytes()
    with pytest.raises(RuntimeError, match="other"), replacing(tmp_path / "a.bin"):
        raise RuntimeError("other")


def test_it_is_an_error_of_ours_and_of_the_system() -> None:
    assert issubclass(FileError, LitCausalMixError)
    assert issubclass(FileError, OSError)


def _write_often(path: Path, fill: int) -> None:
    for _ in range(40):
        write_bytes(path, bytes([fill]) * 100_000)


def test_readers_beside_many_writers_see_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "shared.bin"
    write_bytes(path, b"\0" * 100_000)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_often, args=(path, n)) for n in range(1, 4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        content = path.read_bytes()
        assert len(content) == 100_000
        assert len(set(content)) == 1
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert files(tmp_path) == ["shared.bin"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON)
def test_json_has_no_number_that_is_not_finite(content: object) -> None:
    def refuse(name: str) -> None:
        pytest.fail(f"{name} is no JSON")

    for text in (json_text(content), json_text(content, indent=1, sort_keys=True)):
        read = json.loads(text, parse_constant=refuse)
        assert json_text(read, sort_keys=True) == json_text(content, sort_keys=True)


def test_numbers_that_json_does_not_know_become_none() -> None:
    content = {"a": [1.5, float("nan")], "b": {"c": float("-inf"), "d": (2, "x", None, True)}}
    assert finite(content) == {"a": [1.5, None], "b": {"c": None, "d": [2, "x", None, True]}}


def test_numpys_numbers_that_are_not_finite_become_null_too() -> None:
    assert (
        json_text({"a": np.float64("nan"), "b": (float("inf"), 0.5)}) == '{"a":null,"b":[null,0.5]}'
    )
    with pytest.raises(TypeError):
        json_text({"a": object()})
