"""What every backbone of the package promises, whatever it computes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from lit_causalmix import backbones
from lit_causalmix.backbones import (
    AxialTransformer,
    Backbone,
    ManyClasses,
    Mitra,
    MitraV2,
    Nano,
    Tab2D,
    TabICL,
    TabPFN,
    TabPFNV1,
)
from lit_causalmix.backbones.description import described, rebuilt
from lit_causalmix.backbones.retouched import Retouched
from lit_causalmix.backbones.tabicl import TabICLSizes
from lit_causalmix.backbones.tabpfn import TabPFNSizes
from lit_causalmix.backbones.tabpfn_v1.network import TabPFNV1Architecture
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, LimitError
from lit_causalmix.names import public_name
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType
from lit_causalmix.training import Retouche

SMALL = TabPFNV1Architecture(dim=16, n_heads=2, n_layers=2, dim_hidden=16)


@dataclass(frozen=True)
class Case:
    """A backbone for one kind of task.

    Attributes:
        kind: Its class.
        make: Makes it small; the seed governs random weights.
        n_classes: Of the episodes it is given; 0 for regression.
        column_order: Whether it promises that the order of columns does not matter.
        package: What it needs beyond the package's own dependencies.
    """

    kind: type[Backbone]
    make: Callable[[int], Backbone]
    n_classes: int
    column_order: bool = True
    package: str | None = None


def tab2d(seed: int, **settings: object) -> Tab2D:
    return Tab2D(**{"dim": 16, "n_layers": 2, "n_heads": 2, "seed": seed} | settings)  # type: ignore[arg-type]


def mitra(kind: type[Mitra], seed: int, **settings: object) -> Mitra:
    sizes = {"weights": None, "dim": 16, "n_layers": 2, "n_heads": 2, "seed": seed}
    return kind(**sizes | settings)  # type: ignore[arg-type]


def axial(seed: int, task: Literal["classification", "regression"]) -> AxialTransformer:
    return AxialTransformer(16, 8, 2, n_layers=2, task=task, seed=seed)


def tabpfn(seed: int, task: Literal["classification", "regression"]) -> TabPFN:
    sizes = TabPFNSizes(dim=16, n_heads=2, n_layers=2, n_buckets=50)
    return TabPFN(None, task, sizes=sizes, seed=seed)


def tabicl(seed: int, task: Literal["classification", "regression"]) -> TabICL:
    sizes = TabICLSizes(16, 2, 1, 1, 2, n_inducing=8, n_summaries=2, n_quantiles=9)
    return TabICL(None, task, sizes=sizes, seed=seed)


CASES = {
    "AxialTransformer": Case(
        AxialTransformer, lambda seed: axial(seed, "classification"), 3, column_order=False
    ),
    "AxialTransformer, bins": Case(
        AxialTransformer, lambda seed: axial(seed, "regression"), 0, column_order=False
    ),
    "Tab2D": Case(Tab2D, tab2d, 3),
    "Tab2D, number": Case(Tab2D, lambda seed: tab2d(seed, task="regression"), 0),
    "Tab2D, bins": Case(Tab2D, lambda seed: tab2d(seed, task="regression", n_outputs=50), 0),
    "Mitra": Case(Mitra, lambda seed: mitra(Mitra, seed), 3),
    "Mitra, number": Case(Mitra, lambda seed: mitra(Mitra, seed, task="regression"), 0),
    "MitraV2": Case(MitraV2, lambda seed: mitra(MitraV2, seed), 3),
    "MitraV2, bins": Case(MitraV2, lambda seed: mitra(MitraV2, seed, task="regression"), 0),
    "MitraV2, many classes, wide": Case(
        MitraV2, lambda seed: mitra(MitraV2, seed, read_columns=3), 12
    ),
    "MitraV2, bins, wide": Case(
        MitraV2, lambda seed: mitra(MitraV2, seed, task="regression", read_columns=3), 0
    ),
    "TabPFNV1": Case(
        TabPFNV1, lambda seed: TabPFNV1(None, architecture=SMALL, seed=seed), 3, column_order=False
    ),
    "TabPFN": Case(
        TabPFN, lambda seed: tabpfn(seed, "classification"), 3, column_order=False, package="tabpfn"
    ),
    "TabPFN, bars": Case(
        TabPFN, lambda seed: tabpfn(seed, "regression"), 0, column_order=False, package="tabpfn"
    ),
    "TabICL": Case(
        TabICL, lambda seed: tabicl(seed, "classification"), 3, column_order=False, package="tabicl"
    ),
    "TabICL, quantiles": Case(
        TabICL, lambda seed: tabicl(seed, "regression"), 0, column_order=False, package="tabicl"
    ),
    "ManyClasses": Case(ManyClasses, lambda seed: ManyClasses(tab2d(seed, n_outputs=4)), 9),
    "ManyClasses, few": Case(ManyClasses, lambda seed: ManyClasses(tab2d(seed)), 3),
    # Its weights are given, and evaluation averages views that go by the place of a column.
    "Nano": Case(Nano, lambda _: Nano(), 3, column_order=False),
    "Nano, one view": Case(Nano, lambda _: Nano(n_ensemble=1), 3, column_order=False),
    "Nano 1": Case(Nano, lambda _: Nano(1), 3, column_order=False),
    "Nano 1, one view": Case(Nano, lambda _: Nano(1, n_ensemble=1), 3),
    "Nano, many classes": Case(Nano, lambda _: Nano(), 12, column_order=False),
    "Nano, regression": Case(Nano, lambda _: Nano(), 0, column_order=False),
}


def retouched(backbone: Backbone) -> Backbone:
    """A Retouche that has been trained a little."""
    found = Retouched(backbone, rank=2, n_columns=5)
    torch.nn.init.normal_(found.correction.last_up, generator=torch.Generator().manual_seed(0))
    return found


WRAPPED = {
    "Retouched": Case(Retouched, lambda seed: retouched(tab2d(seed)), 3, column_order=False),
    "Retouched, Nano": Case(Retouched, lambda _: retouched(Nano()), 3, column_order=False),
    "Retouched, bins": Case(
        Retouched,
        lambda seed: retouched(tab2d(seed, task="regression", n_outputs=50)),
        0,
        column_order=False,
    ),
}
"""Backbones that an adapter makes; no configuration names them."""

R, Q, C = 40, 7, 5


def make_episode(n_classes: int) -> Episode:
    """Gaps, a category, a constant column; every class is in the context."""
    g = torch.Generator().manual_seed(3)
    x = torch.randn(R + Q, C, generator=g)
    x[:, 1] = torch.randint(3, (R + Q,), generator=g)
    x[::9, 2] = torch.nan
    x[:, 4] = 1.0
    y = torch.arange(R + Q) % n_classes if n_classes else x[:, 0] + 0.3 * x[:, 1]
    categorical = torch.tensor([False, True, False, False, False])
    units = {} if n_classes else {"y_location": 5.0, "y_scale": 2.0}
    return Episode.of_rows(x, y, R, n_classes, categorical=categorical, **units)


def make_schema(n_classes: int, n_columns: int = C) -> Schema:
    features = tuple(Column(f"x{i}", ColumnKind.NUMERICAL) for i in range(n_columns))
    if not n_classes:
        return Schema(features, Column("y", ColumnKind.NUMERICAL), TaskType.REGRESSION)
    task = TaskType.BINARY if n_classes == 2 else TaskType.MULTICLASS
    labels = tuple(map(str, range(n_classes)))
    return Schema(features, Column("y", ColumnKind.CATEGORICAL, labels), task)


def prepared(case: Case, seed: int = 0) -> Backbone:
    """In evaluation, and specialised as the datamodule has it done."""
    backbone = case.make(seed).eval()
    backbone.specialise(make_schema(case.n_classes))
    return backbone


def prediction(backbone: Backbone, episode: Episode) -> Tensor:
    with torch.no_grad():
        return backbone.predict(backbone(episode), episode)


def assert_same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=5e-5, rtol=1e-4)


@pytest.fixture(params=[*CASES, *WRAPPED])
def case(request: pytest.FixtureRequest) -> Case:
    case = (CASES | WRAPPED)[request.param]
    if case.package is not None:
        pytest.importorskip(case.package, reason=f"the extra {case.package} is not installed")
    return case


@pytest.fixture
def episode(case: Case) -> Episode:
    return make_episode(case.n_classes)


def test_every_backbone_of_the_package_is_here() -> None:
    exported = {getattr(backbones, name) for name in backbones.__all__}
    kinds = {k for k in exported if issubclass(k, Backbone) and k is not Backbone}
    assert {case.kind for case in CASES.values()} == kinds


def test_every_backbone_has_a_configuration_by_name() -> None:
    folder = Path(__file__).parents[2] / "configs" / "backbones"
    contents = [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml"))]
    named = {content["model"]["backbone"]["class_path"] for content in contents}
    assert named == {public_name(case.kind) for case in CASES.values()}


def test_predictions_are_probabilities_or_values(case: Case, episode: Episode) -> None:
    found = prediction(prepared(case), episode)
    assert torch.isfinite(found).all()
    if not case.n_classes:
        assert found.shape == (Q,)
        return
    assert found.shape == (Q, case.n_classes)
    assert_same(found.sum(dim=1), torch.ones(Q, dtype=found.dtype))


def test_the_same_seed_gives_the_same_bits_and_no_global_state_moves(
    case: Case, episode: Episode
) -> None:
    state = torch.random.get_rng_state()
    first = prediction(prepared(case, seed=1), episode)
    assert torch.equal(prediction(prepared(case, seed=1), episode), first)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_order_of_context_rows_does_not_matter(case: Case, episode: Episode) -> None:
    order = torch.randperm(R, generator=torch.Generator().manual_seed(0))
    turned = replace(
        episode, x_context=episode.x_context[order], y_context=episode.y_context[order]
    )
    backbone = prepared(case)
    assert_same(prediction(backbone, turned), prediction(backbone, episode))


def test_the_order_of_columns_does_not_matter_where_promised(case: Case, episode: Episode) -> None:
    if not case.column_order:
        pytest.skip("this backbone, as published or by its views, reads columns by their place")
    order = torch.tensor([3, 0, 4, 1, 2])
    turned = replace(
        episode,
        x_context=episode.x_context[:, order],
        x_query=episode.x_query[:, order],
        categorical=episode.categorical[order],
    )
    backbone = prepared(case)
    assert_same(prediction(backbone, turned), prediction(backbone, episode))


def test_no_query_row_sees_another_nor_a_query_label(case: Case, episode: Episode) -> None:
    backbone = prepared(case)
    alone = replace(
        episode,
        x_query=episode.x_query[2:3],
        y_query=episode.y_query[2:3] * 0,
        query_origin=episode.query_origin[2:3],
        query_row=episode.query_row[2:3],
    )
    assert_same(prediction(backbone, alone)[0], prediction(backbone, episode)[2])


def test_an_encoded_context_predicts_as_the_plain_path(case: Case, episode: Episode) -> None:
    backbone = prepared(case)
    expected = prediction(backbone, episode).double()
    state = torch.random.get_rng_state()
    with torch.no_grad():
        encoded = backbone.encode_context(replace(episode, x_query=episode.x_query[:0]))
        chunks = [
            backbone.predict_with(encoded, replace(episode, x_query=rows))
            for rows in episode.x_query.split(3)
        ]
    assert torch.equal(torch.random.get_rng_state(), state)
    found = torch.cat(chunks).double()
    scale = 1.0 if case.n_classes else episode.y_scale
    torch.testing.assert_close(found, expected, atol=1e-6 * scale, rtol=1e-6)
    assert backbone.context_bytes(episode) >= 0


def test_gradients_reach_every_parameter_that_is_trained(case: Case, episode: Episode) -> None:
    backbone = prepared(case).train()
    loss = backbone.losses([episode, make_episode(case.n_classes)])
    assert loss.shape == (2,)
    loss.mean().backward()
    trained = {n: p for n, p in backbone.named_parameters() if p.requires_grad}
    assert trained
    assert [n for n, p in trained.items() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_gradients_reach_the_inputs_or_a_retouche_is_refused(case: Case, episode: Episode) -> None:
    backbone = prepared(case).train()
    if not backbone.differentiable:
        with pytest.raises(ConfigurationError, match=rf"{case.kind.__name__} gives no gradient in"):
            Retouche().insert(backbone)
        return
    inputs = [x.clone().requires_grad_() for x in (episode.x_context, episode.x_query)]
    asked = replace(episode, x_context=inputs[0], x_query=inputs[1])
    for loss in (backbone.losses([asked]).sum(), backbone.loss(backbone(asked), asked)):
        for x, gradient in zip(inputs, torch.autograd.grad(loss, inputs), strict=True):
            assert torch.isfinite(gradient).all()
            assert (gradient[:, 0] != 0).any()
            assert (gradient[x.isnan()] == 0).all()
    plain = prepared(case).train()  # that a gradient is asked for changes no prediction
    with torch.no_grad():
        expected = plain.losses([episode])
    assert torch.equal(backbone.losses([asked]).detach(), expected)


def test_columns_without_spread_leave_gradients_finite(case: Case, episode: Episode) -> None:
    backbone = prepared(case).train()
    if not backbone.differentiable:
        pytest.skip("gives no gradient in its inputs")
    context = episode.x_context.clone()
    context[:, 1], context[:, 2] = 0.0, torch.nan  # one code alone, and nothing but gaps
    inputs = context.requires_grad_(), episode.x_query.clone().requires_grad_()
    loss = backbone.losses([replace(episode, x_context=inputs[0], x_query=inputs[1])]).sum()
    assert torch.isfinite(loss)
    for gradient in torch.autograd.grad(loss, inputs):
        assert torch.isfinite(gradient).all()
        assert (gradient[:, 0] != 0).any()


def test_losses_are_those_of_each_episode(case: Case, episode: Episode) -> None:
    backbone = prepared(case).train()
    other = replace(episode, x_query=-episode.x_query)
    single = [backbone.loss(backbone(e), e) for e in (episode, other)]
    assert_same(backbone.losses([episode, other]), torch.stack(single))


def test_groups_hold_each_parameter_once(case: Case) -> None:
    backbone = case.make(0)
    grouped = [p for group in backbone.parameter_groups().values() for p in group]
    assert len({id(p) for p in grouped}) == len(grouped)
    assert {id(p) for p in grouped} == {id(p) for p in backbone.parameters()}


def test_bfloat16_runs_both_ways_and_stays_near(case: Case, episode: Episode) -> None:
    backbone = prepared(case)
    exact = prediction(backbone, episode)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = prediction(backbone, episode)
        loss = backbone.train().losses([episode]).mean()
    loss.backward()
    scale = 1.0 if case.n_classes else float(exact.std().clamp_min(1.0))
    assert float((rough.double() - exact.double()).abs().max()) < 0.1 * scale


def test_saved_weights_give_the_same_bits(case: Case, episode: Episode, tmp_path: Path) -> None:
    trained = prepared(case)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=generator))
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    fresh = prepared(case, seed=9)
    before = prediction(fresh, episode)
    fresh.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    expected = prediction(trained, episode)
    assert torch.equal(prediction(fresh, episode), expected)
    assert not torch.equal(before, expected)


def test_regression_is_in_the_targets_units(case: Case, episode: Episode) -> None:
    if case.n_classes:
        pytest.skip("classification")
    backbone = prepared(case)
    moved = replace(episode, y_location=-300.0, y_scale=7.0)
    standard = (prediction(backbone, episode).double() - 5.0) / 2.0
    assert_same(prediction(backbone, moved).double(), -300.0 + 7.0 * standard)


def test_what_exceeds_the_limits_is_refused_by_name_and_number(case: Case) -> None:
    backbone = case.make(0)
    refusing = backbone.backbone if isinstance(backbone, Retouched) else backbone
    limits, name = backbone.limits, type(refusing).__name__
    fitting = make_schema(case.n_classes)
    backbone.check(fitting, R)
    if limits.context_rows is not None:
        with pytest.raises(LimitError, match=rf"{name} takes at most {limits.context_rows} con"):
            backbone.check(fitting, limits.context_rows + 1)
    if limits.columns is not None:
        with pytest.raises(LimitError, match=rf"{name} takes at most {limits.columns} feature"):
            backbone.check(make_schema(case.n_classes, limits.columns + 1), R)
    if limits.classes:
        with pytest.raises(LimitError, match=rf"{name} takes at most {limits.classes} classes"):
            backbone.check(make_schema(limits.classes + 1), R)
    if not limits.regression:
        with pytest.raises(LimitError, match="classification only"):
            backbone.check(make_schema(0), R)


def test_many_classes_up_to_the_limit_are_predicted(case: Case) -> None:
    backbone = case.make(0)
    most = backbone.limits.classes
    if not most or not case.n_classes:
        pytest.skip("regression")
    episode = make_episode(min(most, R))
    found = prediction(backbone.eval(), episode)
    assert found.shape == (Q, episode.n_classes)
    assert torch.isfinite(found).all()


def test_json_makes_a_backbone_of_the_same_form(case: Case) -> None:
    backbone = prepared(case, seed=1)
    kept = json.loads(json.dumps(described(backbone)))
    assert kept["class"] == public_name(type(backbone))
    again = rebuilt(kept).eval()
    again.load_state_dict(backbone.state_dict())
    again.specialise(make_schema(case.n_classes))
    episode = make_episode(case.n_classes)
    assert torch.equal(prediction(again, episode), prediction(backbone, episode))
    assert again.limits == backbone.limits
    assert {"weights", "licence"} <= backbone.origin().keys()


def test_distributions_over_bins_have_quantiles_and_nothing_else_has(case: Case) -> None:
    backbone, episode = prepared(case), make_episode(case.n_classes)
    levels = (0.05, 0.5, 0.95)
    with torch.no_grad():
        output = backbone(episode)
    if case.n_classes or output.ndim == 1:
        with pytest.raises(LimitError, match="predicts no distribution of a number"):
            backbone.quantiles(output, episode, levels)
        return
    found = backbone.quantiles(output, episode, levels)
    assert found.shape == (Q, 3)
    assert found.dtype == torch.float64
    assert (found.diff(dim=1) >= 0).all()
    moved = replace(episode, y_location=105.0)
    torch.testing.assert_close(backbone.quantiles(output, moved, levels), found + 100.0)
