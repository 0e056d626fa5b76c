"""Admission of rows by held-out training rows: known answers, harmful rows, exact restarts."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lit_causalmix.backbones import Nano
from lit_causalmix.backbones.base import Backbone, Limits
from lit_causalmix.datamodules.stream import MixtureStream
from lit_causalmix.episode import Episode, RowOrigin
from lit_causalmix.tables import Encoder, SplitSpec, Table, TableSpec, load_splits
from lit_causalmix.training.admission import RowAdmission


class Slope(Backbone):
    """Predicts w · x, or with classes w · x as the logit of the second one."""

    def __init__(self, *w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    @property
    def limits(self) -> Limits:
        return Limits(regression=True)

    def forward(self, episode: Episode) -> Tensor:
        slope = episode.x_query @ self.w
        if not episode.is_classification:
            return slope
        return torch.stack([torch.zeros_like(slope), slope], dim=1)


def episode(
    context: list[tuple[float, float, bool]],
    query: list[tuple[float, float, bool]],
    classes: int = 0,
) -> Episode:
    """Rows of (x, y, whether it is synthetic)."""
    x, y, made = (torch.tensor(part) for part in zip(*context, *query, strict=True))
    y = y.long() if classes else y
    found = Episode.of_rows(x[:, None], y, len(context), classes)
    origin = torch.where(made, RowOrigin.SYNTHETIC, RowOrigin.REAL).to(torch.int8)
    found.context_origin.copy_(origin[: len(context)])
    found.query_origin.copy_(origin[len(context) :])
    return found


def test_rows_that_pull_with_the_held_out_row_are_admitted_and_others_are_not() -> None:
    """At w = 0 the held-out row (1, 1) wants a larger w: so do (2, 1) and (-1, -3), not (1, -1)."""
    backbone = Slope(0.0)
    mixed = episode(
        [(1.0, 1.0, False), (1.0, -1.0, True), (-1.0, -3.0, True)],
        [(1.0, 1.0, False), (2.0, 1.0, True), (-1.0, 1.0, True)],
    )
    gated = RowAdmission()(backbone, [mixed])
    assert gated.passed == 0.5
    assert gated.by_domain == {0: 0.5}
    # The mean over the real query row and (2, 1), whose errors at w = 0 are both 1.
    assert gated.loss.item() == pytest.approx(1.0)
    gradient = torch.autograd.grad(gated.loss, backbone.w)[0].item()
    assert gradient == pytest.approx((-2.0 * 1 - 2.0 * 2) / 2)
    assert backbone.w.item() == 0.0


def test_what_is_not_admitted_leaves_the_context() -> None:
    seen = []

    class Watching(Slope):
        def forward(self, episode: Episode) -> Tensor:
            seen.append((episode.x_context[:, 0].tolist(), episode.x_query[:, 0].tolist()))
            return super().forward(episode)

    mixed = episode([(5.0, 1.0, False), (1.0, -1.0, True), (3.0, 1.0, True)], [(1.0, 1.0, False)])
    RowAdmission()(Watching(0.0), [mixed])
    asked, tried, trained = seen
    assert asked == tried == ([5.0], [1.0, 1.0, 3.0])  # judged in the context of real rows alone
    assert trained == ([5.0, 3.0], [1.0])


def test_without_anything_to_judge_or_to_judge_by_nothing_changes() -> None:
    backbone = Slope(0.3)
    real = episode([(1.0, 1.0, False)], [(1.0, 2.0, False)])
    made = episode([(1.0, 1.0, True)], [(1.0, 2.0, True), (1.0, 2.0, False)])
    alone = episode([(1.0, 1.0, False)], [(1.0, 2.0, True)])
    for one, passed in ((real, None), (made, 1.0), (alone, 1.0)):
        gated = RowAdmission()(backbone, [one])
        assert gated.passed == passed
        assert torch.equal(gated.loss, backbone.losses([one]).mean())
    level = Slope(2.0)  # the held-out row is predicted as it is: it says nothing
    mixed = episode([(1.0, 1.0, False)], [(1.0, 2.0, False), (1.0, -2.0, True)])
    assert RowAdmission()(level, [mixed]).passed == 1.0


def test_classes_that_the_real_context_does_not_show_cannot_be_judged() -> None:
    """(-1, class 0) pulls with the held-out rows of class 1, which a larger w explains."""
    query = [(1.0, 1.0, False), (2.0, 1.0, False), (1.0, 1.0, True), (1.0, 0.0, False)]
    shown = [(1.0, 1.0, False), (1.0, 0.0, False), (-1.0, 0.0, True)]
    assert RowAdmission()(Slope(0.0), [episode(shown, query, classes=2)]).passed == 1.0
    gated = RowAdmission()(Slope(0.0), [episode(shown[::2], query, classes=2)])
    assert gated.passed == 0.5
    # Without the synthetic row of class 0 the context shows class 1 alone, and so does the query.
    assert gated.loss.item() == pytest.approx(np.log(2))


class Rows:
    """Draws rows that a table keeps back, with targets that fit, or that do harm."""

    def __init__(self, rows: Table, how: str) -> None:
        self.rows, self.how = rows, how

    def draw(self, n: int, epoch: int, index: int, /) -> NDArray[np.float64]:
        generator = np.random.default_rng([epoch, index])
        drawn = self.rows.values[generator.choice(len(self.rows), n, replace=False)].copy()
        if self.how == "shuffled":
            drawn[:, -1] = generator.permutation(drawn[:, -1])
        elif self.how == "opposite":
            drawn[:, -1] = 1 - drawn[:, -1]
        return drawn


def test_harmful_rows_are_admitted_less_than_faithful_ones(make_frame: Any) -> None:
    """True rows of the table, the same with shuffled labels, and with the opposite ones."""
    frame: pd.DataFrame = make_frame(500)
    splits = load_splits(
        TableSpec(frame, target="target"), SplitSpec(val_fraction=0.4, test_fraction=0)
    )
    backbone, encoder = Nano(n_ensemble=1), Encoder.fit(splits.train)

    def share(how: str) -> float:
        stream = MixtureStream(
            splits.train,
            encoder,
            Rows(splits.val, how),
            ratio=0.5,
            placement="both",
            n_context=120,
            n_query=40,
            episodes_per_epoch=8,
            seed=0,
        )
        gated = RowAdmission()(backbone, [stream.episode(0, index) for index in range(24)])
        assert gated.passed is not None
        return gated.passed

    faithful, shuffled, opposite = map(share, ("faithful", "shuffled", "opposite"))
    assert faithful > shuffled + 0.03
    assert shuffled > opposite + 0.03


def last(folder: Path) -> dict[str, Tensor]:
    content: dict[str, Tensor] = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    return content


def test_a_resumed_fit_has_the_same_bits_and_the_same_curves(fit: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "epochs": 3,
        "data": {"synthetic_ratio": 0.5},
        "model": {"gate": RowAdmission()},
    }
    runner, task = fit("whole", **settings)
    assert 0.0 < float(runner.callback_metrics["train/synthetic_passed"]) < 1.0
    middle = next((tmp_path / "whole").glob("step*4.ckpt"))  # within an epoch of three steps
    _, again = fit("resumed", ckpt=middle, **settings)
    whole, resumed = last(tmp_path / "whole"), last(tmp_path / "resumed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    shares = [entry.passed for entry in task.scoreboard.history]
    assert shares == [entry.passed for entry in again.scoreboard.history]
    assert [sorted(passed) for passed in shares] == [[], *[["synthetic"]] * 3]
    page = (tmp_path / "whole" / "report.html").read_text(encoding="utf-8")
    assert "synthetic rows that passed" in page
    assert f"{shares[-1]['synthetic']:.4f}" in page
