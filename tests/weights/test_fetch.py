import io
import subprocess
import sys
import tarfile

import pytest

from lit_causalmix.backbones.tabpfn_v1 import TabPFNV1
from lit_causalmix.errors import WeightsError
from lit_causalmix.paths import cache_root
from lit_causalmix.weights import load, locate, pull
from lit_causalmix.weights.fetch import extract_member

MEMBER = "models/tiny.cpkt"


def archive(folder, files):
    path = folder / "tiny_weights-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"tiny_weights-1.0/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def cached_names():
    folder = cache_root() / "weights"
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_pull_through_real_pip_then_use(source, index, files, capfd):
    archive(index, files)
    path = pull("tabpfn-v1")
    assert cached_names() == ["tabpfn-v1.json", "tabpfn-v1.safetensors"]
    assert locate("tabpfn-v1") == path
    said = capfd.readouterr()
    assert said.out == ""
    assert "pip: " in said.err
    assert "unpacking tabpfn-v1" in said.err
    # there is nothing to fetch the second time
    assert pull("tabpfn-v1", pip=["no-such-command"]) == path
    backbone = TabPFNV1()
    assert backbone.limits.columns == 6
    assert backbone.limits.classes == 3
    original = index.parent / "copy.cpkt"
    original.write_bytes(files[MEMBER])
    loaded = load(original, expected="tabpfn-v1")
    for name, tensor in load("tabpfn-v1", expected="tabpfn-v1").tensors.items():
        assert tensor.equal(loaded.tensors[name])


def test_a_corrupt_cache_is_fetched_again(source, index, files, capfd):
    archive(index, files)
    path = pull("tabpfn-v1", progress=False)
    assert capfd.readouterr().err == ""
    intact = path.read_bytes()
    path.write_bytes(intact[:-1])
    with pytest.raises(WeightsError, match=r"expected \d+ bytes, found \d+; run `lit-causalmix"):
        locate("tabpfn-v1")
    pull("tabpfn-v1")
    assert "fetching again" in capfd.readouterr().err
    assert path.read_bytes() == intact


def test_pip_that_finds_nothing(source, index):
    with pytest.raises(WeightsError, match=r"pip ended with status 1.*tiny-weights==1\.0") as error:
        pull("tabpfn-v1", progress=False)
    assert "\n" not in str(error.value)
    assert cached_names() == []


def test_pip_command_that_does_not_exist(source):
    with pytest.raises(WeightsError, match="cannot run 'no-such-command'"):
        pull("tabpfn-v1", pip=["no-such-command"], progress=False)


def test_environment_without_pip(source):
    # -I -S hides site-packages, and pip with them
    without = [sys.executable, "-I", "-S", "-m", "pip"]
    assert subprocess.run(without, capture_output=True, check=False).returncode != 0
    with pytest.raises(WeightsError, match="install it with `python -m ensurepip`"):
        pull("tabpfn-v1", pip=without, progress=False)


def test_archive_with_another_file_in_its_place(source, index, files):
    archive(index, files | {MEMBER: files[MEMBER][:-1] + b"?"})
    with pytest.raises(WeightsError, match=rf"has sha256 [0-9a-f]{{64}}, expected {source.sha256}"):
        pull("tabpfn-v1", progress=False)
    assert cached_names() == []


def test_archive_member_of_another_size(source, tmp_path, files):
    path = archive(tmp_path, files | {MEMBER: b"short"})
    with pytest.raises(WeightsError, match=f"has 5 bytes, expected {source.size}"):
        extract_member(path, source, tmp_path / "out", progress=False)


def test_archive_without_the_member(source, tmp_path, files):
    del files[MEMBER]
    path = archive(tmp_path, files)
    with pytest.raises(WeightsError, match=f"has no member {MEMBER}"):
        extract_member(path, source, tmp_path / "out", progress=False)


def test_cut_archive(source, tmp_path, files):
    path = archive(tmp_path, files)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="cannot be unpacked"):
        extract_member(path, source, tmp_path / "out", progress=False)


def test_cache_that_cannot_be_written(source, index, files, monkeypatch, tmp_path):
    archive(index, files)
    blocked = tmp_path / "a file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", str(blocked))
    with pytest.raises(WeightsError, match="cannot store the weights 'tabpfn-v1'"):
        pull("tabpfn-v1", progress=False)


def test_unknown_name():
    with pytest.raises(
        WeightsError, match="no weights are called 'tabpfn-v9': known are tabpfn-v1"
    ):
        pull("tabpfn-v9")
