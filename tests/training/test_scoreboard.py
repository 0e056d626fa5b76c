"""The scoreboard as an object, and the seal of a checkpoint that carries it."""

import math
from typing import Any

import pytest
import torch

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.digests import of_tensors
from lit_causalmix.metrics import Score
from lit_causalmix.training.kept_weights import check_seal, seal, unsealed
from lit_causalmix.training.scoreboard import Scoreboard, Selected, Validation


def board() -> Scoreboard:
    filled = Scoreboard()
    val = filled.sheet("val", rows="abc")
    val.zero_shot = {"real/roc_auc": Score(0.5), "real/log_loss": Score(math.nan, "one class")}
    val.scores = {"real/roc_auc": Score(0.75), "real/log_loss": Score(0.4)}
    attacked = filled.sheet("perturbed", rows="abc 0.1", stage="test")
    attacked.scores = {"perturbed_0.1/roc_auc": Score(0.6)}
    filled.add(Validation(0, val.zero_shot))
    filled.add(Validation(5, val.scores))
    filled.undefined["val/real/log_loss"] = "one class"
    filled.selected = Selected(
        5, 0.4, 0.4, "validation", "f" * 64, "best.ckpt", 0.5, ((0.0, math.inf), (0.5, 0.4))
    )
    return filled


def test_it_comes_back_from_plain_values_as_it_was(tmp_path: Any) -> None:
    state = board().state()
    torch.save(state, tmp_path / "state")
    again = Scoreboard.of_state(torch.load(tmp_path / "state", weights_only=True))
    assert str(again.state()) == str(state)
    assert again.selected == board().selected
    assert again.sheets["val"].zero_shot["real/log_loss"].note == "one class"


def test_normalised_scores_follow_both_others() -> None:
    sheet = board().sheet("val", rows="abc")
    assert sheet.normalized["real/roc_auc"].value == pytest.approx(50.0)
    sheet.scores = {"real/roc_auc": Score(0.25)}
    assert sheet.normalized["real/roc_auc"].value == pytest.approx(-50.0)


def test_other_rows_have_none_of_the_scores() -> None:
    filled = board()
    assert filled.sheet("val", rows="abc").scores
    other = filled.sheet("val", rows="abd")
    assert (other.scores, other.zero_shot, other.normalized) == ({}, None, {})


def test_a_stage_shows_its_own_sheet_first() -> None:
    filled = board()
    filled.sheet("test", rows="abc").scores = {"real/roc_auc": Score(0.7)}
    assert [list(s.scores) for s in filled.of_stage("test")] == [
        ["real/roc_auc"],
        ["perturbed_0.1/roc_auc"],
    ]


def test_a_validation_that_is_repeated_after_a_restart_stands_once() -> None:
    filled = board()
    filled.add(Validation(5, {"real/roc_auc": Score(0.8)}))
    assert [entry.step for entry in filled.history] == [0, 5]
    assert filled.history[-1].scores["real/roc_auc"].value == 0.8


def sealed(*, complete: bool) -> dict[str, Any]:
    own, selected = {"w": torch.arange(6.0)}, {"w": torch.arange(6.0) - 1}
    filled = board()
    digest = of_tensors(selected)
    filled.selected = Selected(5, 0.4, 0.4, "validation", digest)
    checkpoint = {"state_dict": own} | ({"optimizer_states": []} if complete else {})
    seal(checkpoint, filled.state(), selected)
    check_seal(checkpoint)
    return checkpoint


def test_a_complete_checkpoint_carries_the_selected_weights() -> None:
    content, weights = unsealed(sealed(complete=True))
    assert content["selected"]["step"] == 5
    assert torch.equal(weights["w"], torch.arange(6.0) - 1)
    assert unsealed(sealed(complete=False))[1] is None
    assert unsealed({"state_dict": {}}) == (None, None)


@pytest.mark.parametrize("part", ["state_dict", "selected_state_dict"])
@pytest.mark.parametrize("bit", [0, 13, 31])
def test_one_flipped_bit_of_a_weight_is_noticed(part: str, bit: int) -> None:
    checkpoint = sealed(complete=True)
    words = checkpoint[part]["w"].view(torch.int32)
    words[3] ^= (1 << bit) if bit < 31 else -(1 << 31)
    with pytest.raises(ConfigurationError, match=r"damaged: its (selected )?weights are not"):
        check_seal(checkpoint)


def test_a_changed_score_and_a_missing_part_are_noticed() -> None:
    checkpoint = sealed(complete=True)
    checkpoint["scoreboard"]["selected"]["score"] = 0.39999
    with pytest.raises(ConfigurationError, match="its scores are not"):
        check_seal(checkpoint)
    for name in ("scoreboard", "checksums"):
        checkpoint = sealed(complete=True)
        checkpoint.pop(name)
        with pytest.raises(ConfigurationError, match="its contents are not"):
            check_seal(checkpoint)
