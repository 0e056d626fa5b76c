"""What the axial transformer tells apart, and how it is saved."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from lit_causalmix.backbones import AxialTransformer, Tab2D
from lit_causalmix.backbones.axial import network
from lit_causalmix.backbones.axial.inputs import (
    N_CELL_INPUTS,
    N_NUMBER_INPUTS,
    CellInputs,
    number_inputs,
)
from lit_causalmix.backbones.axial.targets import bin_edges, target_bins
from lit_causalmix.backbones.bins import bin_mean, bin_quantiles
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, LimitError, WeightsError
from lit_causalmix.prior import PriorSettings, draw_episode, draw_tasks

SMALL = {"dim": 16, "attention_dim": 8, "n_heads": 2, "n_layers": 2}


def model(**settings: object) -> AxialTransformer:
    """Small, with weights that use every input."""
    made = AxialTransformer(**SMALL | settings).eval()  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        made.network.cell.weight.normal_(generator=generator)
    return made


def episode(regression: bool = False, **settings: object) -> Episode:
    prior = PriorSettings(regression=regression, columns=(5, 5), **settings)  # type: ignore[arg-type]
    return draw_episode(prior, seed=2, epoch=0, index=1)


def test_an_overruled_kind_changes_the_prediction() -> None:
    e = episode(categorical_share=0, missing_share=0)
    x = torch.cat([e.x_context, e.x_query])
    x[:, 0] = torch.arange(len(x)) % 5
    e = replace(e, x_context=x[: len(e.x_context)], x_query=x[len(e.x_context) :])
    category = replace(e, categorical=torch.tensor([True, False, False, False, False]))
    assert not torch.allclose(model()(e), model()(category), atol=1e-3)


def test_a_unit_far_below_zero_goes_on_learning() -> None:
    made, e = model(), episode()
    for layer in made.network.layers:
        torch.nn.init.constant_(layer.up.bias, -3.0)  # where a rectifier would pass no gradient
    made.loss(made(e), e).backward()
    for layer in made.network.layers:
        assert (layer.up.weight.grad.abs().amax(dim=1) > 0).all()


def test_a_gap_is_not_the_mean() -> None:
    e = episode(categorical_share=0, missing_share=0)
    mean = e.x_context[:, 0].mean()
    x = e.x_query.clone()
    x[0, 0] = mean
    gap = x.clone()
    gap[0, 0] = torch.nan
    filled, empty = (model()(replace(e, x_query=q)) for q in (x, gap))
    assert not torch.allclose(filled[0], empty[0], atol=1e-4)
    torch.testing.assert_close(filled[1:], empty[1:])


def test_two_columns_of_one_distribution_are_told_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 60, 1, generator=generator)
    e = replace(
        episode(),
        x_context=torch.cat([torch.cat([first, second], 1), torch.cat([second, first], 1)]),
        y_context=torch.zeros(120, dtype=torch.long),  # the columns are alike in all they tell
        x_query=torch.tensor([[1.0, -1.0], [-1.0, 1.0]]),
        categorical=torch.zeros(2, dtype=torch.bool),
        n_classes=2,
    )
    output = model()(e)
    assert not torch.allclose(output[0], output[1], atol=1e-4)


def test_numbers_are_read_by_rank_and_by_size() -> None:
    inputs = CellInputs()
    x = torch.tensor([[[1.0], [2.0], [3.0], [4.0], [100.0]]])
    found = inputs(x, torch.tensor([[[50.0], [torch.nan]]]), torch.tensor([[False]]))
    assert found.shape == (1, 7, 1, N_CELL_INPUTS)
    place, value = found[0, :5, 0, 0], found[0, :5, 0, 1]
    torch.testing.assert_close(place.diff(), place.diff()[:1].expand(4), atol=0.02, rtol=0)
    assert value[4] - value[3] > 20 * (value[3] - value[2])
    assert (found[0, 6, 0, :N_NUMBER_INPUTS] == 0).all()
    assert found[0, 6, 0, N_NUMBER_INPUTS + 2] == 1  # a gap
    far = number_inputs(torch.zeros(2), torch.tensor([1e4, -1e4]))[:, 1]
    torch.testing.assert_close(far, torch.tensor([5.0, -5.0]), atol=1e-3, rtol=0)


def test_equal_categories_look_alike_wherever_they_stand_and_codes_may_exceed_the_table() -> None:
    inputs = CellInputs()
    inputs.codes.normal_(generator=torch.Generator().manual_seed(0))
    x = torch.tensor([[[3.0], [3.0], [7.0], [67.0]]])
    found = inputs(x, x[:, :1], torch.tensor([[True]]))[0, :, 0]
    codes = found[:, N_NUMBER_INPUTS + 3 : N_NUMBER_INPUTS + 19]
    assert torch.equal(codes[0], codes[1])
    assert torch.equal(codes[0], codes[3])  # 67 = 3 + 64
    assert not torch.allclose(codes[0], codes[2])
    share = found[:, N_NUMBER_INPUTS + 1]
    torch.testing.assert_close(share[2], torch.tensor(0.5))  # a quarter of the context


def test_bins_hold_a_normal_density() -> None:
    edges = bin_edges(128)
    torch.testing.assert_close(edges, -edges.flip(0))
    middle = (edges[1:] + edges[:-1]) / 2
    assert torch.equal(target_bins(middle, 128), torch.arange(128))
    assert target_bins(torch.tensor([-99.0, 99.0]), 128).tolist() == [0, 127]
    share = torch.from_numpy(np.diff(norm.cdf(edges.double().numpy(), 0.3, 0.5))).float()
    logits = (share + 1e-12).log()[None]
    assert float(bin_mean(logits, edges)) == pytest.approx(0.3, abs=2e-3)
    exact = bin_mean(logits, edges)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(bin_mean(logits, edges), exact)
    levels = torch.tensor([0.05, 0.5, 0.95])
    expected = norm.ppf(levels.numpy(), 0.3, 0.5)
    np.testing.assert_allclose(bin_quantiles(logits, edges, levels)[0], expected, atol=0.01)


def test_regression_ignores_the_targets_units() -> None:
    e = episode(regression=True)
    scaled = replace(
        e, y_context=7 * e.y_context - 30, y_location=30 / 7, y_scale=1 / 7, y_query=e.y_query
    )
    m = model(task="regression")
    with torch.no_grad():
        first, second = m.predict(m(e), e), m.predict(m(scaled), scaled)
    torch.testing.assert_close(first.float(), second.float(), atol=1e-3, rtol=1e-3)


def test_quantiles_are_in_the_targets_units_and_in_order() -> None:
    e = replace(episode(regression=True), y_location=100.0, y_scale=10.0)
    m = model(task="regression")
    with torch.no_grad():
        output = m(e)
        found = m.quantiles(output, e, (0.05, 0.5, 0.95))
    assert found.shape == (e.n_query, 3)
    assert (found.diff(dim=1) > 0).all()
    middle = bin_quantiles(output, bin_edges(output.shape[1]), torch.tensor([0.5]))[:, 0]
    mean, deviation = e.y_context.mean(), e.y_context.std(correction=0)
    torch.testing.assert_close(found[:, 1].float(), 100 + 10 * (mean + deviation * middle))
    with pytest.raises(LimitError, match="predicts no distribution of a number"):
        model().quantiles(output, e, (0.5,))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_gradient_in_the_query_is_finite_and_there(task: str) -> None:
    e = episode(regression=task == "regression", missing_share=1, categorical_share=0)
    x = e.x_query.clone().requires_grad_()
    m = model(task=task)
    m.loss(m(replace(e, x_query=x)), e).backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert (x.grad != 0).float().mean() > 0.3
    assert (x.grad[x.isnan()] == 0).all()


@pytest.mark.parametrize("regression", [False, True])
def test_tasks_of_unequal_length_share_a_pass(regression: bool) -> None:
    tasks = draw_tasks(
        PriorSettings(regression=regression, columns=(2, 4)), cells=5_000, seed=0, epoch=0, index=3
    )
    tasks[0] = replace(tasks[0], x_query=tasks[0].x_query[:9], y_query=tasks[0].y_query[:9])
    m = model(task="regression" if regression else "classification")
    single = torch.stack([m.loss(m(e), e) for e in tasks])
    torch.testing.assert_close(m.losses(tasks), single, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("n_keys", [1, 5, 24, 25, 90])
def test_what_a_gpu_computes_is_attention(n_keys: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_MOST_LAUNCHED", 3)  # 7 sequences in blocks
    generator = torch.Generator().manual_seed(n_keys)
    q = torch.randn(7, 2, 4, 8, generator=generator)
    k, v = torch.randn(2, 7, 2, n_keys, 8, generator=generator)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(network._on_gpu(q, k, v), expected)
    half = network._on_gpu(*(x.bfloat16() for x in (q, k, v)))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, atol=0.05, rtol=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_more_rows_than_a_launch_takes_are_computed_on_a_gpu() -> None:
    e = episode(categorical_share=0, missing_share=0)
    many = replace(
        e, x_query=e.x_query[:1].expand(70_000, -1), y_query=e.y_query[:1].expand(70_000)
    )
    with torch.no_grad():
        expected, found = model()(e)[:1], model().cuda()(many.to("cuda"))
    torch.testing.assert_close(found.cpu(), expected.expand(70_000, -1), atol=1e-3, rtol=1e-3)


def test_checkpointing_gives_the_same_gradients() -> None:
    e = episode()
    found = []
    for activation_checkpointing in (False, True):
        m = AxialTransformer(**SMALL, activation_checkpointing=activation_checkpointing)  # type: ignore[arg-type]
        m.loss(m(e), e).backward()  # type: ignore[no-untyped-call]
        found.append([p.grad for p in m.parameters()])
    for a, b in zip(*found, strict=True):
        assert a is not None
        torch.testing.assert_close(a, b)


def test_half_precision_files_lose_next_to_nothing(tmp_path: Path) -> None:
    m, e = model(), episode()
    m.save_pretrained(tmp_path / "whole")
    m.save_pretrained(tmp_path / "half", torch.float16)
    whole, half = (AxialTransformer.from_pretrained(tmp_path / n).eval() for n in ("whole", "half"))
    assert torch.equal(whole(e), m(e))
    torch.testing.assert_close(half(e), m(e), atol=0.02, rtol=0)
    sizes = [(tmp_path / n / "model.safetensors").stat().st_size for n in ("half", "whole")]
    assert sizes[0] < 0.7 * sizes[1]


def test_unusable_settings_weights_and_tasks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="multiple of n_heads, got 10 and 4"):
        AxialTransformer(attention_dim=10, n_heads=4)
    with pytest.raises(ConfigurationError, match="n_layers must be an integer >= 1, got 0"):
        AxialTransformer(n_layers=0)
    with pytest.raises(WeightsError, match=r"config.json is missing"):
        AxialTransformer.from_pretrained(tmp_path)
    model().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="are for classification, the task is regression"):
        AxialTransformer(weights=str(tmp_path), task="regression")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architecture": "tab2d"}))
    with pytest.raises(WeightsError, match="is no axial transformer"):
        AxialTransformer.from_pretrained(tmp_path)
    with pytest.raises(LimitError, match="the episode for the other task"):
        model()(episode(regression=True))
    with pytest.raises(LimitError, match="takes at most 2 classes, the episode has 3"):
        model(n_outputs=2)(replace(episode(), n_classes=3))


@pytest.mark.parametrize("kind", [AxialTransformer, Tab2D])
def test_a_task_that_there_is_not_is_refused(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match="task"):
        kind(task="ranking")
