"""FGSM: a linear model has a known answer; on real backbones the loss must rise."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_causalmix.backbones import Backbone, Limits, Nano, TabPFNV1
from lit_causalmix.backbones.tabpfn_v1.network import TabPFNV1Architecture
from lit_causalmix.episode import Episode, RowOrigin
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.adversarial import attack_direction, fgsm, perturbed

WEIGHTS = torch.tensor([2.0, -0.5, 0.0, 1.0])


class Linear(Backbone):
    """Logit of class 1, or value: a fixed weight per column."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(WEIGHTS.clone())

    @property
    def limits(self) -> Limits:
        return Limits(regression=True)

    def forward(self, episode: Episode) -> Tensor:
        value = torch.nan_to_num(episode.x_query) @ self.weight
        return torch.stack([-value, value], 1) if episode.is_classification else value


class Blind(Linear):
    """Sees nothing of the query rows."""

    def forward(self, episode: Episode) -> Tensor:
        return torch.zeros(episode.n_query, 2) * self.weight.sum()


def make_episode(*, regression: bool = False, n_context: int = 80, n_query: int = 40) -> Episode:
    """Three numerical columns and one of categories; the target is linear in them, with noise."""
    generator = torch.Generator().manual_seed(0)
    n = n_context + n_query
    x = torch.randn(n, 4, generator=generator)
    x[:, 3] = torch.randint(0, 3, (n,), generator=generator).float()
    signal = x @ WEIGHTS + 0.3 * torch.randn(n, generator=generator)
    y = signal / signal.std() if regression else (signal > signal.median()).long()
    x[-1, 0] = math.nan
    categorical = torch.tensor([False, False, False, True])
    return Episode.of_rows(x, y, n_context, 0 if regression else 2, categorical=categorical)


def test_a_linear_classifier_is_attacked_along_its_weights() -> None:
    episode = make_episode()
    moved = fgsm(Linear(), episode, 0.3)
    step = moved.x_query - episode.x_query
    # The loss of class 1 rises against the weights, that of class 0 along them.
    side = torch.where(episode.y_query == 1, -1.0, 1.0)[:, None]
    expected = 0.3 * side * WEIGHTS.sign() * torch.tensor([1.0, 1.0, 1.0, 0.0])
    known = ~episode.x_query.isnan()
    assert torch.allclose(step[known], expected[known], atol=1e-6)


def test_a_linear_regression_is_pushed_away_from_its_target() -> None:
    episode = make_episode(regression=True)
    direction = attack_direction(Linear(), episode)
    residual = torch.nan_to_num(episode.x_query) @ WEIGHTS - episode.y_query
    expected = residual.sign()[:, None] * WEIGHTS.sign()
    assert torch.equal(direction[:-1, :3], expected[:-1, :3])


def test_categorical_and_missing_cells_and_the_context_stay() -> None:
    episode = make_episode()
    moved = fgsm(Linear(), episode, 0.5)
    assert torch.equal(moved.x_query[:, 3], episode.x_query[:, 3])
    assert moved.x_query[-1, 0].isnan()
    assert not torch.equal(moved.x_query[:, 0], episode.x_query[:, 0])
    assert moved.x_context is episode.x_context
    assert torch.equal(moved.y_query, episode.y_query)
    assert (moved.query_origin == RowOrigin.PERTURBED).all()
    assert (episode.query_origin == RowOrigin.REAL).all()


def test_epsilon_zero_keeps_every_bit() -> None:
    episode = make_episode()
    assert torch.equal(
        fgsm(Linear(), episode, 0.0).x_query.nan_to_num(9), episode.x_query.nan_to_num(9)
    )


def test_it_works_in_inference_mode_and_leaves_the_model_alone() -> None:
    backbone, outside = Linear().train(), make_episode()
    expected = attack_direction(backbone, outside)
    with torch.inference_mode():
        inside = outside.to("cpu", copy=True)
        assert inside.x_query.is_inference()
        assert torch.equal(attack_direction(backbone, inside), expected)
    assert backbone.training
    assert backbone.weight.grad is None
    assert not outside.x_query.requires_grad


def test_a_backbone_without_a_gradient_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Blind gives no gradient in x_query"):
        attack_direction(Blind(), make_episode())
    frozen = Blind().requires_grad_(False)
    with pytest.raises(ConfigurationError, match="Blind gives no gradient in x_query"):
        attack_direction(frozen, make_episode())


@pytest.mark.parametrize("regression", [False, True])
def test_the_embedded_models_loss_rises_with_epsilon(regression: bool) -> None:
    episode, backbone = make_episode(regression=regression), Nano().eval()
    direction = attack_direction(backbone, episode)
    numerical = direction[:-1, :3]
    assert (numerical != 0).float().mean() > 0.9  # none beyond the tails and in gaps
    with torch.no_grad():
        losses = [
            float(backbone.loss(backbone(e), e))
            for e in (perturbed(episode, direction, eps) for eps in (0.0, 0.1, 0.2, 0.4))
        ]
        backwards = perturbed(episode, -direction, 0.2)
        relief = float(backbone.loss(backbone(backwards), backwards))
        signs = torch.randint(0, 2, direction.shape, generator=torch.Generator().manual_seed(1))
        random = perturbed(episode, (2 * signs - 1) * direction.abs(), 0.2)
        noise = float(backbone.loss(backbone(random), random))
    assert np.all(np.diff(losses) > 0)
    assert relief < losses[0]
    assert noise < losses[2]


def test_the_gradient_of_tabpfn_v1_is_that_of_finite_differences() -> None:
    small = TabPFNV1Architecture(
        n_features=8, n_classes=3, dim=16, n_heads=2, n_layers=2, dim_hidden=32
    )
    backbone = TabPFNV1(weights=None, architecture=small).eval()
    episode = make_episode(n_query=1, n_context=30)
    episode = replace(episode, x_query=torch.tensor([[0.4, -0.7, 0.2, 1.0]]))
    direction = attack_direction(backbone, episode)
    for column in range(3):
        nudge = torch.zeros(1, 4)
        nudge[0, column] = 1.0
        with torch.no_grad():
            up, down = (
                float(backbone.loss(backbone(e), e))
                for e in (perturbed(episode, nudge, 1e-2), perturbed(episode, nudge, -1e-2))
            )
        assert direction[0, column] == math.copysign(1.0, up - down)
