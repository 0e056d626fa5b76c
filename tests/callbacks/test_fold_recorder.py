"""What a fold leaves behind is what its fit scored, and the weights that it had then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lit_causalmix.callbacks import FoldRecorder, MemberPredictions, WeightInterpolation
from lit_causalmix.ensembles import HeldOut, choose, member_weights
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.selection import RealValidation

Fit = Callable[..., Any]


def test_one_fold_chooses_what_its_own_fit_selects(fit: Fit, tmp_path: Path) -> None:
    _, task = fit("run", callbacks=[FoldRecorder()], epochs=3)
    held_out = HeldOut.load(tmp_path / "run")
    choice = choose([held_out], RealValidation(), classification=True)
    selected = task.scoreboard.selected
    assert selected is not None
    assert choice.step == selected.step > 0
    assert choice.score == selected.score
    scores = {entry.step: entry.scores["real/roc_auc"] for entry in task.scoreboard.history}
    assert {e.step: e.scores["real/roc_auc"] for e in choice.history} == scores

    changed = member_weights(tmp_path / "run", choice.step)
    now = task.state_dict()  # a fit returns the selected weights
    assert changed
    assert all(torch.equal(now[name], value) for name, value in changed.items())
    with task.pretrained():
        start = task.state_dict()
        assert all(torch.equal(start[n], now[n]) for n in start if n not in changed)


def test_a_member_is_the_pretrained_model_with_what_training_changed(
    fit: Fit, tmp_path: Path
) -> None:
    trainer, task = fit("run", callbacks=[FoldRecorder()], epochs=2)
    member = MemberPredictions(member_weights(tmp_path / "run", 6))
    _, plain = fit("plain", epochs=0)
    trainer.callbacks = [member]
    trainer.test(plain, datamodule=trainer.datamodule, verbose=False)
    assert member.zero_shot is not None
    assert member.predicted is not None
    assert not torch.equal(member.zero_shot.predictions, member.predicted.predictions)
    assert torch.equal(
        torch.cat([v.flatten() for v in plain.state_dict().values()]),
        torch.cat(
            [
                member_weights(tmp_path / "run", 6).get(n, v).flatten()
                for n, v in task.state_dict().items()
            ]
        ),
    )


def test_weights_of_another_model_are_refused(fit: Fit) -> None:
    trainer, task = fit("run", epochs=1)
    trainer.callbacks = [MemberPredictions({"backbone.other": torch.zeros(1)})]
    with pytest.raises(ConfigurationError, match=r"'backbone.other', which the model has not"):
        trainer.test(task, datamodule=trainer.datamodule, verbose=False)


def test_weights_that_one_fold_chooses_are_refused(fit: Fit) -> None:
    with pytest.raises(ConfigurationError, match="WeightInterpolation, which chooses weights"):
        fit("run", callbacks=[FoldRecorder(), WeightInterpolation()])
