"""Where a model is written and read: the user's own folder, and a run's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lit_causalmix import load_model
from lit_causalmix.errors import ModelError
from lit_causalmix.model import Predictor


def test_a_tilde_is_the_users_folder(
    make_model: Callable[..., Predictor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    make_model().save("~/model")
    assert (tmp_path / "home" / "model" / "model.json").is_file()
    assert not list(Path().iterdir())
    assert load_model(Path("~/model")).feature_names == ("age", "income", "colour", "member")


def test_the_folder_of_a_run_names_its_model(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"is the folder of a run: its model is .*model, name"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match=r"holds no model: its model\.json"):
        load_model(empty)
