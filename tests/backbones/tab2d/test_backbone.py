import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lit_causalmix.backbones.tab2d import Tab2D
from lit_causalmix.backbones.tab2d.preprocessing import quantile_features
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, LimitError, WeightsError

SMALL: dict[str, Any] = {"dim": 16, "n_layers": 2, "n_heads": 2}
KINDS = {"classes": (3, "classification", None), "number": (0, "regression", None)}
KINDS |= {"bins": (0, "regression", 100)}


def episode(n_classes: int = 3, rows: int = 24, queries: int = 6, columns: int = 4) -> Episode:
    g = torch.Generator().manual_seed(7)
    n = rows + queries
    x = torch.randn(n, columns, generator=g)
    x[:, 0] = x[:, 0].round()
    y = torch.randint(n_classes, (n,), generator=g) if n_classes else x.sum(1)
    return Episode.of_rows(x, y, rows, n_classes, y_location=5.0, y_scale=2.0)


@pytest.fixture(params=list(KINDS))
def pair(request: pytest.FixtureRequest) -> tuple[Tab2D, Episode]:
    n_classes, task, n_outputs = KINDS[request.param]
    return Tab2D(**SMALL, task=task, n_outputs=n_outputs), episode(n_classes)


def prediction(model: Tab2D, e: Episode) -> Tensor:
    with torch.no_grad():
        return model.predict(model(e), e)


def assert_same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-5)


def test_context_row_order_does_not_matter(pair: tuple[Tab2D, Episode]) -> None:
    model, e = pair
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    shuffled = replace(e, x_context=e.x_context[order], y_context=e.y_context[order])
    assert_same(prediction(model, shuffled), prediction(model, e))


def test_column_order_does_not_matter(pair: tuple[Tab2D, Episode]) -> None:
    model, e = pair
    order = [2, 0, 3, 1]
    turned = replace(e, x_context=e.x_context[:, order], x_query=e.x_query[:, order])
    assert_same(prediction(model, turned), prediction(model, e))


def test_queries_neither_see_each_other_nor_their_labels(pair: tuple[Tab2D, Episode]) -> None:
    model, e = pair
    alone = replace(e, x_query=e.x_query[2:3], y_query=-e.y_query[2:3])
    assert_same(prediction(model, alone)[0], prediction(model, e)[2])


def test_context_labels_and_values_do_matter(pair: tuple[Tab2D, Episode]) -> None:
    model, e = pair
    base = prediction(model, e)
    labels = replace(e, y_context=e.y_context.flip(0))
    values = replace(e, x_context=-e.x_context)
    assert not torch.allclose(prediction(model, labels), base, atol=1e-4)
    assert not torch.allclose(prediction(model, values), base, atol=1e-4)


def test_increasing_maps_of_a_column_change_nothing_at_context_values() -> None:
    model, e = Tab2D(**SMALL), episode(rows=40)
    e = replace(e, x_query=e.x_context[:6])
    scaled = replace(e, x_context=4 * e.x_context, x_query=4 * e.x_query)  # exact in binary
    assert torch.equal(prediction(model, scaled), prediction(model, e))


def test_constant_and_empty_columns_count_for_nothing(pair: tuple[Tab2D, Episode]) -> None:
    model, e = pair

    def widen(x: Tensor, constant: float) -> Tensor:
        filler = torch.full((len(x), 1), constant)
        return torch.cat([x, filler, torch.full((len(x), 1), torch.nan)], dim=1)

    wide = replace(e, x_context=widen(e.x_context, 3.0), x_query=widen(e.x_query, -8.0))
    assert torch.equal(prediction(model, wide), prediction(model, e))


def test_only_constant_columns_still_predict(pair: tuple[Tab2D, Episode]) -> None:
    model, e = pair
    e = replace(e, x_context=torch.ones_like(e.x_context))
    rows = prediction(model, e)
    assert torch.isfinite(rows).all()
    assert_same(rows, rows[:1].expand_as(rows))


def test_missing_values_are_the_context_mean() -> None:
    model, e = Tab2D(**SMALL), episode()
    mean = e.x_context[:, 1].mean()
    filled, gappy = e.x_query.clone(), e.x_query.clone()
    filled[0, 1], gappy[0, 1], gappy[1, 1], filled[1, 1] = mean, torch.nan, torch.inf, mean
    expected = prediction(model, replace(e, x_query=filled))
    assert_same(prediction(model, replace(e, x_query=gappy)), expected)


def test_regression_is_equivariant_under_affine_maps_of_the_target() -> None:
    e = episode(0)
    for n_outputs in (1, 100):
        model = Tab2D(**SMALL, task="regression", n_outputs=n_outputs)
        base = (prediction(model, e) - e.y_location) / e.y_scale
        moved = replace(e, y_context=3 * e.y_context + 2, y_location=0.0, y_scale=1.0)
        torch.testing.assert_close(prediction(model, moved), 3 * base + 2, atol=1e-3, rtol=1e-4)


def test_constant_regression_context_gives_finite_values() -> None:
    model, e = Tab2D(**SMALL, task="regression"), episode(0)
    e = replace(e, y_context=torch.ones(24))
    assert torch.isfinite(prediction(model, e)).all()
    assert torch.isfinite(model.loss(model(e), e))


def test_loss_falls_on_a_fixed_task(pair: tuple[Tab2D, Episode]) -> None:
    model, e = pair
    model = Tab2D(
        dim=32, n_layers=2, task=model.config.task.lower(), n_outputs=model.config.dim_output
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        loss = model.loss(model(e), e)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_seed_alone_decides_the_weights_and_the_global_generator_rests() -> None:
    before = torch.get_rng_state()
    a, b, c = Tab2D(**SMALL, seed=1), Tab2D(**SMALL, seed=1), Tab2D(**SMALL, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    states = [m.state_dict() for m in (a, b, c)]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert not torch.equal(
        states[0]["network.final_layer.weight"], states[2]["network.final_layer.weight"]
    )


def test_groups_partition_the_parameters() -> None:
    model = Tab2D(**SMALL)
    grouped = [p for group in model.parameter_groups().values() for p in group]
    assert len(grouped) == len({id(p) for p in grouped})
    assert {id(p) for p in grouped} == {id(p) for p in model.parameters()}


def test_activation_checkpointing_changes_no_gradient(pair: tuple[Tab2D, Episode]) -> None:
    model, e = pair
    gradients = []
    for on in (False, True):
        model.network.activation_checkpointing = on
        model.zero_grad()
        model.loss(model(e), e).backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(list(model.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_bfloat16_stays_near_float32(pair: tuple[Tab2D, Episode]) -> None:
    model, e = pair
    expected = prediction(model, e)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        autocast = prediction(model, e)
    for output in (autocast, prediction(model.to(torch.bfloat16), e)):
        assert output.dtype == (torch.float32 if e.is_classification else torch.float64)
        torch.testing.assert_close(output, expected, atol=0.1, rtol=0.1)


def test_network_compiles_without_graph_breaks(pair: tuple[Tab2D, Episode]) -> None:
    model, e = pair
    x, y = e.x_context[None], e.y_context[None]
    y = y if e.is_classification or model.config.dim_output == 1 else torch.zeros(1, 24).long()
    compiled = torch.compile(model.network, fullgraph=True, backend="aot_eager")
    assert_same(compiled(x, y, e.x_query[None]), model.network(x, y, e.x_query[None]))


def test_batch_of_tables_equals_one_at_a_time() -> None:
    model, e = Tab2D(**SMALL), episode()
    x = torch.stack([e.x_context, e.x_context.flip(0) ** 2])
    y, q = torch.stack([e.y_context, 2 - e.y_context]), torch.stack([e.x_query, e.x_query + 1])
    batch = model.network(x, y, q)
    for i in range(2):
        assert_same(batch[i : i + 1], model.network(x[i : i + 1], y[i : i + 1], q[i : i + 1]))


def test_query_gradient_is_defined_and_leaves_the_values_alone() -> None:
    model, e = Tab2D(**SMALL), episode(rows=200)
    plain = model(e)
    x = e.x_query.clone().requires_grad_()
    output = model(replace(e, x_query=x))
    assert torch.equal(output, plain)
    (gradient,) = torch.autograd.grad(output.square().sum(), x)
    assert torch.isfinite(gradient).all()
    assert (gradient != 0).float().mean() > 0.8


def test_query_gradient_is_the_slope_of_the_quantile_place() -> None:
    context = torch.linspace(0, 1, 2001)[None, :, None]
    query = torch.tensor([0.3, 0.5, 2.0])[None, :, None].requires_grad_()
    _, places = quantile_features(context, query)
    (gradient,) = torch.autograd.grad(places.sum(), query)
    slope = 12**0.5  # a standardised uniform variable on [0, 1]; flat outside the context
    torch.testing.assert_close(
        gradient[0, :, 0], torch.tensor([slope, slope, 0.0]), rtol=0.02, atol=0
    )


def test_wrong_task_or_too_many_classes_is_refused() -> None:
    with pytest.raises(LimitError, match="set the backbone's task"):
        Tab2D(**SMALL, task="regression")(episode(3))
    with pytest.raises(LimitError, match="at most 2 classes, the episode has 3"):
        Tab2D(**SMALL, n_outputs=2)(episode(3))


@pytest.mark.parametrize(
    ("sizes", "rule"),
    [
        ({"dim": 10, "n_heads": 4}, "multiple of n_heads"),
        ({"n_layers": 0}, ">= 1"),
        ({"n_outputs": 1}, "dim_output >= 2"),
        ({"task": "ranking", "n_outputs": 2}, "task is CLASSIFICATION or REGRESSION"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        Tab2D(**sizes)


class TestFiles:
    def test_round_trip(self, pair: tuple[Tab2D, Episode], tmp_path: Path) -> None:
        model, e = pair
        model.save_pretrained(tmp_path)
        again = Tab2D.from_pretrained(tmp_path, max_columns=9)
        assert torch.equal(prediction(again, e), prediction(model, e))
        assert again.limits.columns == 9

    def test_task_must_agree(self, tmp_path: Path) -> None:
        Tab2D(**SMALL, task="regression").save_pretrained(tmp_path)
        with pytest.raises(WeightsError, match="are for regression, the task is classification"):
            Tab2D(weights=str(tmp_path))

    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match="no such folder"):
            Tab2D.from_pretrained(tmp_path / "absent")
        (tmp_path / "file").touch()
        with pytest.raises(WeightsError, match="is a file"):
            Tab2D.from_pretrained(tmp_path / "file")

    def test_hub_id_without_the_hub_client(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # its import fails
        with pytest.raises(WeightsError, match=r"pip install 'lit-causalmix\[hub\]'"):
            Tab2D.from_pretrained("somebody/some-model")

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
    def test_missing_and_cut_files(self, name: str, tmp_path: Path) -> None:
        Tab2D(**SMALL).save_pretrained(tmp_path)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(WeightsError, match=name):
            Tab2D.from_pretrained(tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(WeightsError, match=f"{name} is missing"):
            Tab2D.from_pretrained(tmp_path)

    @pytest.mark.parametrize(
        ("change", "rule"),
        [
            ({"dim": 32}, "has shape"),
            ({"n_layers": 3}, "lacks 'layers.2"),
            ({"n_layers": 1}, "holds unexpected 'layers.1"),
            ({"dim": "16"}, "integers >= 1"),
            ({"task": "classification"}, "CLASSIFICATION or REGRESSION"),
            ({"dim": None}, "integers >= 1"),
        ],
    )
    def test_config_that_does_not_fit(
        self, change: dict[str, Any], rule: str, tmp_path: Path
    ) -> None:
        Tab2D(**SMALL).save_pretrained(tmp_path)
        path = tmp_path / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(WeightsError, match=rule):
            Tab2D.from_pretrained(tmp_path)

    def test_other_json_and_broken_numbers(self, tmp_path: Path) -> None:
        model = Tab2D(**SMALL)
        with torch.no_grad():
            model.network.final_layer.bias[0] = torch.nan
        model.save_pretrained(tmp_path)
        with pytest.raises(WeightsError, match=r"'final_layer\.bias' holds values"):
            Tab2D.from_pretrained(tmp_path)
        (tmp_path / "config.json").write_text('{"model_type": "bert"}')
        with pytest.raises(WeightsError, match="no Tab2D configuration"):
            Tab2D.from_pretrained(tmp_path)


def test_a_flipped_bit_in_saved_weights_is_noticed(tmp_path: Path) -> None:
    Tab2D(**SMALL).save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 0b100  # a mantissa's bit: the value stays finite
    file.write_bytes(content)
    with pytest.raises(WeightsError, match="is damaged: its weights are not those"):
        Tab2D(weights=str(tmp_path))
