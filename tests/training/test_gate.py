"""The projection of gradients: known answers, what it leaves alone, and exact restarts."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lit_causalmix.backbones import Tab2D
from lit_causalmix.backbones.base import Backbone, Limits
from lit_causalmix.episode import Episode, RowOrigin
from lit_causalmix.training.gate import GradientProjection, split_loss


class Slope(Backbone):
    """Predicts w · x, so that gradients are known."""

    def __init__(self, *w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    @property
    def limits(self) -> Limits:
        return Limits(regression=True)

    def forward(self, episode: Episode) -> Tensor:
        return episode.x_query @ self.w


def episode(x: list[list[float]], y: list[float], synthetic: list[bool]) -> Episode:
    return with_origin(Episode.of_rows(torch.tensor(x), torch.tensor(y), 0, 0), synthetic)


def with_origin(made: Episode, synthetic: list[bool]) -> Episode:
    origin = torch.where(torch.tensor(synthetic), RowOrigin.SYNTHETIC, RowOrigin.REAL)
    made.query_origin.copy_(origin.to(torch.int8))
    return made


def gradient(loss: Tensor, backbone: Slope) -> list[float]:
    found: list[float] = torch.autograd.grad(loss, backbone.w)[0].tolist()
    return found


def test_what_opposes_the_real_gradient_is_taken_away() -> None:
    """Squared errors of w · x at w = 0 have gradient -2 y x, here halved, one of two rows each."""
    backbone = Slope(0.0, 0.0)
    one = episode([[1.0, 0.0], [1.0, 1.0]], [1.0, -1.0], [False, True])
    gated = GradientProjection()(backbone, [one])
    # real (-1, 0), synthetic (1, 1): its part along the real one goes, (0, 1) stays.
    assert gradient(gated.loss, backbone) == pytest.approx([-1.0, 1.0])
    assert gated.passed == pytest.approx(0.5)
    assert gated.loss.item() == pytest.approx(backbone.losses([one]).item())


def test_what_agrees_passes_whole() -> None:
    backbone = Slope(0.0, 0.0)
    one = episode([[1.0, 0.0], [1.0, 1.0]], [1.0, 1.0], [False, True])
    gated = GradientProjection()(backbone, [one])
    assert gated.passed == 1.0
    plain = gradient(backbone.losses([one]).mean(), backbone)
    assert gradient(gated.loss, backbone) == pytest.approx(plain)


def test_what_is_opposite_does_not_pass_at_all() -> None:
    backbone = Slope(0.0, 0.0)
    one = episode([[1.0, 2.0], [1.0, 2.0]], [1.0, -3.0], [False, True])
    gated = GradientProjection()(backbone, [one])
    assert gated.passed == pytest.approx(0.0, abs=1e-9)
    assert gradient(gated.loss, backbone) == pytest.approx([-1.0, -2.0])


@pytest.mark.parametrize(("synthetic", "passed"), [(False, None), (True, 1.0)])
def test_rows_of_one_kind_are_left_alone(synthetic: bool, passed: float | None) -> None:
    backbone = Slope(0.3, -0.1)
    one = episode([[1.0, 2.0], [0.5, 2.0]], [1.0, -3.0], [synthetic] * 2)
    gated = GradientProjection()(backbone, [one])
    assert gated.passed == passed
    plain = gradient(backbone.losses([one]).mean(), backbone)
    assert gradient(gated.loss, backbone) == pytest.approx(plain)


def test_a_real_gradient_of_zero_opposes_nothing() -> None:
    backbone = Slope(1.0, 0.0)
    one = episode([[1.0, 0.0], [1.0, 1.0]], [1.0, -1.0], [False, True])
    gated = GradientProjection()(backbone, [one])
    assert gated.passed == 1.0
    assert gradient(gated.loss, backbone) == pytest.approx([2.0, 2.0])


def test_the_parts_sum_to_the_mean_loss_of_several_episodes() -> None:
    backbone = Tab2D(dim=8, n_layers=1)
    episodes = []
    for n, seed in ((12, 1), (20, 2)):
        draws = torch.Generator().manual_seed(seed)
        x, y = torch.randn(n, 3, generator=draws), torch.arange(n) % 2
        origin = [k % 3 == 0 for k in range(n - 6)]
        episodes.append(with_origin(Episode.of_rows(x, y, 6, 2), origin))
    real, synthetic = split_loss(backbone, episodes)
    assert real is not None
    assert synthetic is not None
    mean = backbone.losses(episodes).mean().item()
    assert (real + synthetic).item() == pytest.approx(mean, rel=1e-5)


def test_query_rows_are_taken_with_all_that_belongs_to_them() -> None:
    one = episode([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], [False, True, False])
    part = one.take_query(torch.tensor([False, True, True]))
    assert part.x_query.ravel().tolist() == part.y_query.tolist() == [2.0, 3.0]
    assert part.query_row.tolist() == [1, 2]
    assert part.query_origin.tolist() == [RowOrigin.SYNTHETIC, RowOrigin.REAL]


def last(folder: Path) -> dict[str, Tensor]:
    content: dict[str, Tensor] = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    return content


def test_a_resumed_fit_has_the_same_bits_and_the_share_is_logged(fit: Any, tmp_path: Path) -> None:
    mixed: dict[str, Any] = {"epochs": 3, "data": {"synthetic_ratio": 0.5}}
    settings = mixed | {"model": {"gate": GradientProjection()}}
    runner, _ = fit("whole", **settings)
    assert 0.0 <= float(runner.callback_metrics["train/synthetic_passed"]) <= 1.0
    middle = next((tmp_path / "whole").glob("step*4.ckpt"))
    fit("resumed", ckpt=middle, **settings)
    whole, resumed = last(tmp_path / "whole"), last(tmp_path / "resumed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    plain, _ = fit("plain", **mixed)
    assert "train/synthetic_passed" not in plain.callback_metrics
    assert not all(torch.equal(whole[k], v) for k, v in last(tmp_path / "plain").items())
