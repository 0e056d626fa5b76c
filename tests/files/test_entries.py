"""Cache entries under damage and on disks that fail: whole, or made again, or one clear line."""

import contextlib
import json
import logging
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_causalmix.errors import FileError
from lit_causalmix.files.digests import of_json
from lit_causalmix.files.entries import is_intact, load_or_make, seconds_spent

CONTENT = "made of something slow"


def save(made: str, folder: Path) -> None:
    (folder / "part").mkdir()
    (folder / "part" / "a.txt").write_text(made)
    (folder / "b.bin").write_bytes(bytes(100))


def load(folder: Path) -> str:
    return (folder / "part" / "a.txt").read_text()


def never() -> str:
    pytest.fail("made again")


def kept(folder: Path, make: Callable[[], str] = lambda: CONTENT) -> str:
    return load_or_make(folder, load=load, make=make, save=save)


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    folder = tmp_path / "cache" / "entry-1"
    assert kept(folder) == CONTENT
    return folder


def visible(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_an_entry_is_made_once_and_found_again(entry: Path) -> None:
    assert is_intact(entry)
    assert seconds_spent(entry) >= 0
    assert kept(entry, never) == CONTENT
    assert visible(entry.parent) == ["entry-1"]


def _flip_a_bit(entry: Path) -> None:
    content = bytearray((entry / "b.bin").read_bytes())
    content[50] ^= 1
    (entry / "b.bin").write_bytes(content)


def _forge(entry: Path, **changed: object) -> None:
    manifest = json.loads((entry / "manifest.json").read_text()) | changed
    (entry / "manifest.json").write_text(json.dumps(manifest))


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    make(path)


def _another(entry: Path) -> None:
    other = entry.with_name("entry-2")
    kept(other, lambda: "something else")
    _replace(entry, other.rename)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped bit": _flip_a_bit,
    "a cut file": lambda entry: os.truncate(entry / "b.bin", 7),
    "a file more": lambda entry: (entry / "c.txt").write_text("more"),
    "a file less": lambda entry: (entry / "b.bin").unlink(),
    "a file that is a folder": lambda entry: _replace(entry / "b.bin", Path.mkdir),
    "a file that is a dangling link": lambda entry: _replace(
        entry / "b.bin", lambda path: path.symlink_to("gone")
    ),
    "a file that is a pipe": lambda entry: _replace(entry / "b.bin", os.mkfifo),
    "no manifest": lambda entry: (entry / "manifest.json").unlink(),
    "a cut manifest": lambda entry: os.truncate(entry / "manifest.json", 20),
    "an empty manifest": lambda entry: os.truncate(entry / "manifest.json", 0),
    "a manifest that is no text": lambda entry: (entry / "manifest.json").write_bytes(b"\xff\x00"),
    "a manifest that is a list": lambda entry: (entry / "manifest.json").write_text("[]"),
    "a deep manifest": lambda entry: (entry / "manifest.json").write_text("[" * 100_000),
    "a manifest that is a folder": lambda entry: _replace(entry / "manifest.json", Path.mkdir),
    "a manifest that is a pipe": lambda entry: _replace(entry / "manifest.json", os.mkfifo),
    "a manifest without files": lambda entry: _forge(entry, files=None),
    "a manifest with another time": lambda entry: _forge(entry, seconds=1e9),
    "another entry": _another,
    "a link to another entry": lambda entry: (
        kept(entry.with_name("entry-2"), lambda: "something else"),
        _replace(entry, lambda path: path.symlink_to(entry.with_name("entry-2"))),
    ),
    "a dangling link": lambda entry: _replace(entry, lambda path: path.symlink_to("gone")),
    "a link to itself": lambda entry: _replace(entry, lambda path: path.symlink_to(path)),
    "a file": lambda entry: _replace(entry, lambda path: path.write_text("no folder")),
    "an empty folder": lambda entry: _replace(entry, Path.mkdir),
    "a pipe": lambda entry: _replace(entry, os.mkfifo),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_said_and_made_good(
    entry: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    DAMAGE[name](entry)
    assert not is_intact(entry)
    assert seconds_spent(entry) != seconds_spent(entry)  # NaN
    with caplog.at_level(logging.WARNING):
        assert kept(entry) == CONTENT
    assert caplog.text.count("is damaged or half-written: rebuilding it") == 1
    assert is_intact(entry)
    assert kept(entry, never) == CONTENT
    if name == "a link to another entry":
        assert load(entry.with_name("entry-2")) == "something else"
    assert set(visible(entry.parent)) <= {"entry-1", "entry-2"}


def test_what_is_intact_and_does_not_load_is_made_again(
    entry: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = {"entry": entry.name, "files": {}, "seconds": 1.0}
    _replace(entry, Path.mkdir)
    (entry / "manifest.json").write_text(json.dumps(content | {"digest": of_json(content)}))
    assert is_intact(entry)
    with caplog.at_level(logging.WARNING):
        assert kept(entry) == CONTENT
    assert caplog.text.count("does not load") == 1
    assert kept(entry, never) == CONTENT


def test_a_failure_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    def fail(made: str, folder: Path) -> None:
        save(made, folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_or_make(tmp_path / "entry", load=load, make=lambda: CONTENT, save=fail)
    assert visible(tmp_path) == []
    assert kept(tmp_path / "entry") == CONTENT


def _killed(folder: Path) -> None:
    def die(made: str, scratch: Path) -> None:
        save(made, scratch)
        os._exit(9)

    load_or_make(folder, load=load, make=lambda: CONTENT, save=die)


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    folder, neighbour = tmp_path / "entry", tmp_path / "another"
    for name in (folder, neighbour):
        process = multiprocessing.get_context("fork").Process(target=_killed, args=(name,))
        process.start()
        process.join()
        assert process.exitcode == 9
    assert len(visible(tmp_path)) == 2
    assert kept(folder) == CONTENT
    assert len(visible(tmp_path)) == 2  # the neighbour's stays until somebody holds its lock
    assert kept(neighbour) == CONTENT
    assert visible(tmp_path) == ["another", "entry"]


HINT = "data.cache_dir, or LIT_CAUSALMIX_CACHE in the environment, puts the cache elsewhere"


def refused(folder: Path, make: Callable[[], str] = lambda: CONTENT) -> str:
    with pytest.raises(FileError) as found:
        kept(folder, make)
    assert "\n" not in str(found.value)
    assert str(found.value).startswith(f"{folder} cannot be written: ")
    assert str(found.value).endswith(HINT)
    return str(found.value)


def test_a_disk_that_fills_up_leaves_no_half_entry(small_disk: Path) -> None:
    folder = small_disk / "cache" / "entry"
    assert "No space left on device" in refused(folder, lambda: "x" * 200_000)
    assert visible(folder.parent) == []
    assert kept(folder) == CONTENT


def test_a_full_disk_is_found_before_the_slow_work(small_disk: Path) -> None:
    with contextlib.suppress(OSError):
        (small_disk / "filler").write_bytes(bytes(1 << 20))
    assert "No space left on device" in refused(small_disk / "entry", never)
    assert visible(small_disk) == ["filler"]


def test_a_read_only_disk_refuses_before_the_slow_work_and_still_gives_what_it_has(
    small_disk: Path, request: pytest.FixtureRequest
) -> None:
    assert kept(small_disk / "entry") == CONTENT
    request.getfixturevalue("read_only_disk")
    assert kept(small_disk / "entry", never) == CONTENT
    for folder in (small_disk / "other", small_disk / "new" / "other"):
        assert "Read-only file system" in refused(folder, never)


@pytest.mark.parametrize("inside", ["entry", "cache/entry"])
def test_a_cache_folder_that_is_a_file_is_one_line(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file" / inside, never)
    (tmp_path / "link").symlink_to("gone/away")
    refused(tmp_path / "link" / inside, never)


def test_a_lock_that_is_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".entry.lock").mkdir()
    refused(tmp_path / "entry", never)
