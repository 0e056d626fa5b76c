"""The command line starts from what its backbone recommends, wherever it is named."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix.commands.asked import model_pieces
from lit_causalmix.commands.main import main
from lit_causalmix.study.starting import starting_fragment


def test_pieces_keep_the_order_of_the_line(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_text("model: {backbone: TabPFNV1}\ndata: {synthetic_ratio: 0.25}\n")
    line = [f"--config={file}", "--model.backbone", "{class_path: Nano}", "--data.seed", "3"]
    assert model_pieces(["fit", *line, "--model.backbone.n_ensemble=1"]) == [
        {"model": {"backbone": "TabPFNV1"}},
        {"model": {"backbone": {"class_path": "Nano"}}},
        {"model": {"backbone": {"n_ensemble": 1}}},
    ]


@pytest.mark.parametrize("text", ["{", "x" * 5_000, "[" * 60 + "]" * 60, "\0", "!!python/name:os"])
def test_what_cannot_be_read_is_left_to_the_parser(text: str) -> None:
    assert model_pieces([f"--model.backbone={text}", "--config", text]) == [
        {"model": {"backbone": text}}
    ]


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as end:
        main(["fit", "--data.table.source=german_credit", *options, "--print_config"])
    assert end.value.code == 0
    content: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return content


def test_a_fit_starts_from_what_its_backbone_recommends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    nano = starting_fragment()["model"]["optimizer"]["init_args"]
    plain = printed(capsys)["model"]["optimizer"]["init_args"]
    assert {name: plain[name] for name in nano} == nano
    v1 = printed(capsys, "--model.backbone=TabPFNV1")
    assert v1["model"]["optimizer"]["init_args"]["lr"] == 1e-5
    Path("own.yaml").write_text("model: {backbone: {class_path: MitraV2}}")
    for line in (["--config=backbones/mitra-v2-classifier"], ["--config", "own.yaml"]):
        mitra = printed(capsys, *line)
        assert mitra["model"]["lr_scheduler"]["class_path"].endswith("LinearLR")
        assert mitra["trainer"]["max_epochs"] == 50


def test_what_the_user_says_goes_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    found = printed(capsys, "--model.optimizer.lr=0.5", "--config=caps/two-cores")
    assert found["model"]["optimizer"]["init_args"]["lr"] == 1e-4
    found = printed(capsys, "--config=caps/two-cores", "--model.optimizer.lr=0.5")
    assert found["model"]["optimizer"]["init_args"]["lr"] == 0.5


def test_a_configuration_on_the_line_may_be_longer_than_the_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    text = "{data: {synthetic_ratio: 0.25}, trainer: {max_epochs: 3%s}}" % (" " * 300)
    found = printed(capsys, "--config", text)
    assert (found["data"]["synthetic_ratio"], found["trainer"]["max_epochs"]) == (0.25, 3)
