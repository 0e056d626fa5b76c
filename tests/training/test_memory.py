"""What a fit takes is foreseen, and what would fit does."""

from functools import partial
from typing import Any

import pytest
import torch
from torch.optim import SGD, AdamW

from lit_causalmix.backbones import AxialTransformer, Backbone, Mitra, Nano, Tab2D
from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.training import MuonAdamW
from lit_causalmix.training.memory import (
    COPIES,
    Forecast,
    fitted,
    held_bytes,
    refusal,
    state_shares,
    would_fit,
)

SHAPE = StepShape(400, 100, columns=20, n_classes=3, name="a training step")
MIB = 2**20


def forecast(backbone: Backbone) -> Forecast:
    states = state_shares(backbone, AdamW)
    return Forecast(backbone, held_bytes(backbone, torch.device("cpu"), states))


@pytest.mark.parametrize(
    ("make", "states"),
    [
        (AdamW, {"embedding": 2.0, "layers": 2.0, "head": 2.0}),
        (partial(SGD, lr=0.1), {"embedding": 0.0, "layers": 0.0, "head": 0.0}),
        (partial(SGD, lr=0.1, momentum=0.9), {"embedding": 1.0, "layers": 1.0, "head": 1.0}),
        (MuonAdamW, {"embedding": 2.0, "layers": 1.0, "head": 2.0}),
    ],
)
def test_states_of_optimisers_are_counted(make: Any, states: dict[str, float]) -> None:
    before = torch.get_rng_state()
    assert state_shares(Tab2D(dim=8, n_layers=1, n_heads=2), make) == states
    assert torch.equal(torch.get_rng_state(), before)


def test_an_optimiser_that_cannot_be_tried_has_no_forecast() -> None:
    assert state_shares(Tab2D(dim=8, n_layers=1, n_heads=2), torch.optim.LBFGS) is None


def test_weights_gradients_states_and_copies_are_held() -> None:
    backbone = Tab2D(dim=16, n_layers=2)
    weights = sum(p.numel() * 4 for p in backbone.parameters())
    states = state_shares(backbone, AdamW)
    assert held_bytes(backbone, torch.device("cpu"), states) == (COPIES + 1 + 2) * weights
    assert held_bytes(backbone, torch.device("cpu"), None) == COPIES * weights
    backbone.requires_grad_(False)
    assert held_bytes(backbone, torch.device("cpu"), {}) == COPIES * weights


@pytest.mark.parametrize("make", [Nano, AxialTransformer, partial(Tab2D, n_layers=5)])
def test_more_of_anything_takes_more(make: Any) -> None:
    from dataclasses import replace

    told = forecast(make())
    base = told.bytes(SHAPE)
    assert base is not None
    larger = ({"context_rows": 800}, {"query_rows": 200}, {"columns": 40}, {"tables": 2})
    assert all((told.bytes(replace(SHAPE, **more)) or 0) > base for more in larger)
    smaller = ({"training": False}, {"checkpointing": True})
    assert all((told.bytes(replace(SHAPE, **less)) or base) < base for less in smaller)


def test_code_words_keep_a_graph_each_and_are_predicted_one_by_one() -> None:
    from dataclasses import replace

    backbone = Mitra(None, dim=16, n_layers=2)
    few, many = SHAPE, replace(SHAPE, n_classes=30)
    assert backbone.step_bytes(many) == 2 * (backbone.step_bytes(few) or 0)
    few, many = (replace(shape, training=False) for shape in (few, many))
    assert backbone.step_bytes(many) == backbone.step_bytes(few)


def test_what_fits_is_the_first_halving_that_does() -> None:
    told = forecast(Nano())
    need = told.bytes(SHAPE) or 0
    assert fitted(SHAPE, need, told) == SHAPE
    less = fitted(SHAPE, need - 1, told)
    assert less is not None
    assert (less.context_rows, less.query_rows) == (200, 100)
    assert fitted(SHAPE, told.held, told) is None


def test_the_line_says_forecast_room_and_every_way_that_fits() -> None:
    told = forecast(Tab2D(dim=128, n_layers=6))
    need = told.bytes(SHAPE) or 0
    ways = list(would_fit(SHAPE, need * 2 // 3, told))
    assert [way.split(" (")[0] for way in ways[:1]] == ["activation checkpointing"]
    assert ways[-1] == "model.memory: fit, which halves the rows"
    line = refusal(SHAPE, need * 2 // 3, told, "this machine")
    start = "a training step of 400 context and 100 query rows with 20 columns takes about "
    assert line.startswith(start + f"{need / MIB:.0f} MiB of memory (forecast), this machine has ")
    assert f"{need * 2 // 3 / MIB:.0f} MiB available" in line
    assert "data.episode_rows" in line
    assert "columns (data.table.drop)" in line
    assert "\n" not in line


def test_rows_and_columns_that_are_named_are_the_most_that_fit() -> None:
    from dataclasses import replace

    told = forecast(Tab2D(dim=64, n_layers=4))
    available = (told.bytes(SHAPE) or 0) // 2
    (columns,) = [way for way in would_fit(SHAPE, available, told) if "data.table.drop" in way]
    n = int(columns.split()[0])
    assert (told.bytes(replace(SHAPE, columns=n)) or 0) <= available
    assert (told.bytes(replace(SHAPE, columns=n + 1)) or 0) > available


def test_where_nothing_is_left_to_lower_the_line_says_so() -> None:
    told = forecast(Nano())
    assert "a smaller backbone alone" in refusal(SHAPE, 1000, told, "this machine")
