import json

import pytest

from lit_causalmix.errors import WeightsError
from lit_causalmix.paths import cache_root
from lit_causalmix.weights import REGISTRY, load, locate
from lit_causalmix.weights.files import cached_file, convert, verify


@pytest.fixture
def converted(source, official, tmp_path):
    path = tmp_path / "tiny.cpkt"
    path.write_bytes(official)
    convert(path, source, cached_file(source))
    return cached_file(source)


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("LIT_CAUSALMIX_CACHE")
    assert "lit-causalmix" in str(cache_root())


def test_name_that_has_not_been_pulled(source):
    with pytest.raises(WeightsError, match="run `lit-causalmix weights pull tabpfn-v1`"):
        locate("tabpfn-v1")


def test_neither_name_nor_file():
    with pytest.raises(WeightsError, match=r"'nowhere\.cpkt' is neither a weight file nor a known"):
        locate("nowhere.cpkt")


def test_record_says_where_the_weights_come_from(converted, source):
    record = json.loads(converted.with_suffix(".json").read_text())
    assert record["provenance"]["licence"] == "Apache-2.0"
    assert record["provenance"]["sha256"] == source.sha256
    assert record["architecture"]["n_layers"] == 1


def test_converted_file_works_elsewhere_with_its_record(converted, tmp_path):
    for suffix in (".safetensors", ".json"):
        (tmp_path / f"mine{suffix}").write_bytes(converted.with_suffix(suffix).read_bytes())
    mine = tmp_path / "mine.safetensors"
    assert locate(str(mine)) == mine
    assert "criterion.weight" not in load(mine, expected="tabpfn-v1").tensors
    mine.with_suffix(".json").unlink()
    with pytest.raises(WeightsError, match=r"needs mine\.json beside it"):
        locate(mine)


def test_one_changed_bit_is_found(converted):
    content = bytearray(converted.read_bytes())
    content[-1] ^= 1
    converted.write_bytes(content)
    with pytest.raises(WeightsError, match=r"expected sha256 [0-9a-f]{64}, found [0-9a-f]{64}"):
        load("tabpfn-v1", expected="tabpfn-v1")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"size": "x", "sha256": ""}'])
def test_record_that_is_none(converted, text):
    converted.with_suffix(".json").write_text(text)
    with pytest.raises(WeightsError, match="is not a weight record"):
        locate("tabpfn-v1")


def test_cut_official_file_is_refused_by_name(source, official, tmp_path):
    path = tmp_path / "tiny.cpkt"
    path.write_bytes(official[:-7])
    expected = rf"tiny\.cpkt is cut.*expected {source.size} bytes, found {source.size - 7}"
    with pytest.raises(WeightsError, match=expected):
        locate(path)


def test_altered_official_file_is_refused_under_any_name(source, official, tmp_path):
    path = tmp_path / "renamed.bin"
    path.write_bytes(official[:-1] + b"?")
    with pytest.raises(WeightsError, match=rf"renamed\.bin is damaged.*{source.sha256}"):
        locate(path)


def test_unknown_file_is_refused_before_it_is_read(source, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"cposix\nsystem\n")
    with pytest.raises(
        WeightsError, match=r"model\.pt is not a known weight file: it has 14 bytes"
    ):
        load(path, expected="tabpfn-v1")


def test_weights_of_another_model_are_refused(converted):
    with pytest.raises(WeightsError, match="holds the weights 'tabpfn-v1', needed are 'other'"):
        load(converted, expected="other")


def test_verify_says_what_is_missing(tmp_path):
    with pytest.raises(WeightsError, match="there is no weight file"):
        verify(tmp_path / "gone", size=1, sha256="")


def test_the_registry_is_complete():
    for name, source in REGISTRY.items():
        assert source.name == name
        assert len(source.sha256) == 64
        assert source.size > 1_000_000
