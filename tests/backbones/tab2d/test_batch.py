from dataclasses import replace
from typing import Any

import pytest
import torch

from lit_causalmix.backbones import Backbone, Tab2D
from lit_causalmix.backbones.tab2d.batch import stacks
from lit_causalmix.episode import Episode
from lit_causalmix.errors import LimitError
from lit_causalmix.prior import PriorSettings, draw_episode, draw_tasks

MODELS = [
    {"task": "classification"},
    {"task": "regression"},
    {"task": "regression", "n_outputs": 50},
]


def tasks(regression: bool, **settings: Any) -> list[Episode]:
    """Two shapes, queries of different length, a constant column, gaps."""
    prior = PriorSettings(
        regression,
        query_rows=12,
        context_rows=(16, 40),
        columns=(2, 5),
        missing_share=1,
        **settings,
    )
    drawn = [
        *draw_tasks(prior, cells=1_500, seed=0, epoch=0, index=0),
        *draw_tasks(prior, cells=1_500, seed=0, epoch=0, index=1),
    ]
    constant = drawn[1].x_context.clone()
    constant[:, 0] = 2.0
    drawn[1] = replace(drawn[1], x_context=constant)
    rows = slice(0, 3)
    drawn[2] = replace(drawn[2], x_query=drawn[2].x_query[rows], y_query=drawn[2].y_query[rows])
    return [drawn[i] for i in torch.randperm(len(drawn), generator=torch.Generator()).tolist()]


@pytest.mark.parametrize("sizes", MODELS, ids=["classes", "number", "bins"])
def test_stacked_losses_are_the_single_ones(sizes: dict[str, Any]) -> None:
    model = Tab2D(dim=16, n_layers=2, **sizes)
    episodes = tasks(sizes["task"] == "regression")
    assert 1 < len(stacks(episodes)) < len(episodes)
    torch.testing.assert_close(model.losses(episodes), Backbone.losses(model, episodes))


@pytest.mark.parametrize("sizes", MODELS, ids=["classes", "number", "bins"])
def test_stacked_gradients_are_the_single_ones(sizes: dict[str, Any]) -> None:
    model = Tab2D(dim=16, n_layers=2, **sizes)
    episodes = tasks(sizes["task"] == "regression")
    gradients = []
    for losses in (model.losses(episodes), Backbone.losses(model, episodes)):
        model.zero_grad()
        losses.mean().backward()
        parameters = [p for p in model.parameters() if p.grad is not None]
        gradients.append(torch.cat([p.grad.flatten() for p in parameters]))  # type: ignore[union-attr]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-5)


def test_bfloat16_on_the_cpu_stays_near_float32() -> None:
    model, episodes = Tab2D(dim=32, n_layers=2), tasks(False)
    exact = model.losses(episodes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model.losses(episodes)
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, rtol=0.05, atol=0.02)


def test_the_wrong_task_is_refused() -> None:
    with pytest.raises(LimitError, match="for classification"):
        Tab2D(dim=16, n_layers=1).losses(
            [draw_episode(PriorSettings(True), seed=0, epoch=0, index=0)]
        )
