"""A kept model on disk: the same bits again, and a clear word on whatever is wrong with it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

import lit_causalmix
from lit_causalmix.errors import FileError, ModelError
from lit_causalmix.files.digests import of_json
from lit_causalmix.model import Predictor
from lit_causalmix.model import folder as files
from lit_causalmix.model.folder import CARD_FILE, FORMAT, MODEL_FILE

Maker = Callable[..., Predictor]


def data_files(folder: Path, kind: str = "") -> list[Path]:
    return sorted(folder.glob(f"{kind}*.safetensors"))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes `model.json` as a program would that keeps its digest right."""
    content = json.loads((folder / MODEL_FILE).read_text())
    del content["sha256"]
    change(content)
    (folder / MODEL_FILE).write_text(json.dumps(content | {"sha256": of_json(content)}))


@pytest.mark.parametrize("n_members", [1, 3])
def test_what_is_read_again_predicts_the_same_bits(
    make_model: Maker, frame: pd.DataFrame, tmp_path: Path, n_members: int
) -> None:
    model = make_model(n_members)
    model.temperature = 1.5
    model.save(tmp_path / "m")
    again = lit_causalmix.load_model(tmp_path / "m")
    assert np.array_equal(again.predict_proba(frame), model.predict_proba(frame))
    assert again.classes == model.classes
    assert again.feature_names == ("age", "income", "colour", "member")
    assert again.record == model.record
    assert again.spec == model.spec
    again.save(tmp_path / "again")
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert {path.name for path in (tmp_path / "again").iterdir()} == names
    for name in names:
        first, second = (tmp_path / part / name for part in ("m", "again"))
        assert first.read_bytes() == second.read_bytes(), name


def test_frozen_parts_stay_frozen_as_they_bear_on_the_bits(
    make_model: Maker, tmp_path: Path
) -> None:
    model = make_model()
    first = next(iter(dict(model.members[0].backbone.named_parameters())))
    model.members[0].backbone.get_parameter(first).requires_grad_(False)
    model.save(tmp_path / "m")
    kept = lit_causalmix.load_model(tmp_path / "m").members[0].backbone
    assert [n for n, p in kept.named_parameters() if not p.requires_grad] == [first]


def test_members_share_equal_weights_and_rows(make_model: Maker, tmp_path: Path) -> None:
    one, two = make_model(1), make_model(2)
    Predictor([*one.members, *one.members], one.spec, {}).save(tmp_path / "same")
    assert len(data_files(tmp_path / "same")) == 2
    two.save(tmp_path / "other")
    assert len(data_files(tmp_path / "other")) == 4


def test_the_context_rows_stand_in_the_folder_and_the_card_says_so(
    make_model: Maker, folder: Path
) -> None:
    model = make_model()
    (context,) = data_files(folder, "context")
    kept, values = load_file(context)["values"].numpy(), model.members[0].context.values
    assert np.array_equal(kept, values, equal_nan=True)
    card = (folder / CARD_FILE).read_text()
    assert f"This folder holds {len(model.members[0].context)} rows of the training table" in card
    for column in (*model.feature_names, "target"):
        assert column in card


CODE = """
import sys, numpy as np, lit_causalmix
model = lit_causalmix.load_model(sys.argv[1])
np.save(sys.argv[3], model.predict_proba(sys.argv[2]))
heavy = {"dowhy", "causallearn", "lightning", "sklearn", "torchmetrics", "matplotlib", "peft"}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
"""


def test_a_fresh_process_needs_no_library_of_training(
    make_model: Maker, frame: pd.DataFrame, csv: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "found.npy"
    command = [sys.executable, "-c", CODE, str(folder), str(csv), str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert np.array_equal(np.load(out), make_model().predict_proba(csv))


@pytest.mark.parametrize("kind", ["weights", "context"])
def test_damage_of_one_bit_is_noticed(folder: Path, kind: str) -> None:
    (path,) = data_files(folder, kind)
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{path.name} is damaged: its SHA-256"):
        lit_causalmix.load_model(folder)


@pytest.mark.parametrize("kind", ["weights", "context"])
def test_a_file_that_is_cut_or_gone_is_named(folder: Path, kind: str) -> None:
    (path,) = data_files(folder, kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=rf"{path.name} is cut .* {len(whole) // 2:,} bytes"):
        lit_causalmix.load_model(folder)
    path.unlink()
    with pytest.raises(ModelError, match=f"{path.name} is missing: copy the whole folder"):
        lit_causalmix.load_model(folder)


def test_a_description_that_is_cut_or_changed_is_damaged(folder: Path) -> None:
    path = folder / MODEL_FILE
    text = path.read_text()
    for cut in (len(text) // 2, len(text) - 5, 0):
        path.write_text(text[:cut])
        with pytest.raises(ModelError, match=r"model.json is damaged or no JSON"):
            lit_causalmix.load_model(folder)
    path.write_text(text.replace('"temperature": 1.0', '"temperature": 2.0'))
    with pytest.raises(ModelError, match="its content is not what was written"):
        lit_causalmix.load_model(folder)
    path.write_text("[1, 2]")
    with pytest.raises(ModelError, match="describes no model"):
        lit_causalmix.load_model(folder)


def test_half_a_folder_is_no_model(folder: Path, tmp_path: Path) -> None:
    (folder / MODEL_FILE).unlink()
    with pytest.raises(ModelError, match=r"holds no model: its model\.json, which is written last"):
        lit_causalmix.load_model(folder)
    with pytest.raises(ModelError, match="it is no folder"):
        lit_causalmix.load_model(tmp_path / "nowhere")


def test_a_newer_version_is_named_before_anything_else(folder: Path) -> None:
    path = folder / MODEL_FILE
    content = json.loads(path.read_text())
    content |= {"format": FORMAT + 1, "version": "9.9", "members": "of another form"}
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"newer version of lit-causalmix, 9\.9 .* update"):
        lit_causalmix.load_model(folder)


def test_names_in_the_description_are_no_paths(folder: Path, tmp_path: Path) -> None:
    (weights,) = data_files(folder, "weights")
    outside = tmp_path / weights.name
    outside.write_bytes(weights.read_bytes())

    def lead_out(content: dict[str, Any]) -> None:
        name = f"../{weights.name}"
        content["files"][name] = content["files"][weights.name]
        content["members"][0]["weights"] = name

    rewrite(folder, lead_out)
    with pytest.raises(ModelError, match="names a file that is none of the model"):
        lit_causalmix.load_model(folder)


def test_what_this_version_cannot_read_is_one_line(folder: Path) -> None:
    rewrite(folder, lambda content: content["members"][0].pop("encoder"))
    with pytest.raises(ModelError, match="is no model that this version reads: KeyError"):
        lit_causalmix.load_model(folder)


def test_weights_of_another_form_are_refused(folder: Path) -> None:
    rewrite(folder, lambda c: c["members"][0]["backbone"]["arguments"].update(n_layers=2))
    with pytest.raises(ModelError, match=r"the weights in .* are not those of .*Tab2D"):
        lit_causalmix.load_model(folder)


def test_a_folder_with_other_files_is_left_alone(make_model: Maker, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ModelError, match=r"holds other files \('thesis.tex'\)"):
        make_model().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_readme_without_a_model_beside_it_is_the_users(make_model: Maker, tmp_path: Path) -> None:
    (tmp_path / CARD_FILE).write_text("my project")
    with pytest.raises(ModelError, match=r"holds other files \('README.md'\): name a new folder"):
        make_model().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [CARD_FILE]
    assert (tmp_path / CARD_FILE).read_text() == "my project"


def test_a_model_takes_the_place_of_an_older_one_and_leaves_nothing_of_it(
    make_model: Maker, frame: pd.DataFrame, tmp_path: Path
) -> None:
    make_model(2).save(tmp_path / "m")
    new = make_model(1, dim=8)
    new.save(tmp_path / "m")
    new.save(tmp_path / "fresh")
    names = [sorted(p.name for p in (tmp_path / part).iterdir()) for part in ("m", "fresh")]
    assert names[0] == names[1]
    again = lit_causalmix.load_model(tmp_path / "m")
    assert np.array_equal(again.predict_proba(frame), new.predict_proba(frame))


def test_saving_that_fails_half_way_leaves_the_older_model(
    make_model: Maker, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_model(2)
    old.save(tmp_path / "m")

    def full(*_: object) -> None:
        raise FileError("the disk is full")

    monkeypatch.setattr(files, "write_json", full)
    with pytest.raises(FileError):
        make_model(1, dim=8).save(tmp_path / "m")
    monkeypatch.undo()
    kept = lit_causalmix.load_model(tmp_path / "m")
    assert np.array_equal(kept.predict_proba(frame), old.predict_proba(frame))
    old.save(tmp_path / "m")  # and what was left of the other one goes
    assert len(data_files(tmp_path / "m")) == 4


def test_a_full_disk_is_one_line(make_model: Maker, small_disk: Path) -> None:
    with pytest.raises(FileError, match="cannot be written"):
        make_model(dim=128).save(small_disk / "m")
