"""A callback appended again takes the place of the one before."""

import sys
from typing import Any

import pytest
import yaml
from jsonargparse import Namespace

from lit_causalmix.commands.main import main
from lit_causalmix.configuration.callbacks import each_once
from lit_causalmix.study.fit_config import ParsedFit
from lit_causalmix.study.merging import merged
from lit_causalmix.study.starting import starting_fragment

STOPPING = "lit_causalmix.callbacks.ZeroShotEarlyStopping"
CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    with pytest.raises(SystemExit):
        main(["fit", "--data.table.source=german_credit", *options, "--print_config"])
    found: list[dict[str, Any]] = yaml.safe_load(capsys.readouterr().out)["trainer"]["callbacks"]
    return found


def names(callbacks: list[dict[str, Any]]) -> list[str]:
    return [callback["class_path"] for callback in callbacks]


def test_one_of_this_package_is_replaced_at_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    before = printed(capsys)
    after = printed(
        capsys, "--trainer.callbacks+=ZeroShotEarlyStopping", "--trainer.callbacks.patience=9"
    )
    assert names(after) == names(before)
    place = names(before).index(STOPPING)
    assert before[place]["init_args"]["patience"] == 2  # finetune/nano over default.yaml
    assert after[place]["init_args"]["patience"] == 9
    del before[place], after[place]
    assert after == before


def test_of_other_classes_there_may_be_several(capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "--trainer.callbacks+=ModelCheckpoint")
    assert names(found).count(CHECKPOINT) == 2
    mine = [Namespace(class_path="mine.Callback"), Namespace(class_path="mine.Callback")]
    assert each_once(mine) == mine


def test_a_study_reads_the_list_as_the_command_line_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    table = {"data": {"table": {"source": "german_credit"}}}
    again = {"class_path": STOPPING, "init_args": {"patience": 9}}
    config = merged(starting_fragment(), table, {"trainer": {"callbacks+": [again]}})
    found = ParsedFit(config).values(with_defaults=True)["trainer"]["callbacks"]
    assert names(found).count(STOPPING) == 1
    assert found[names(found).index(STOPPING)]["init_args"]["patience"] == 9
