from dataclasses import replace

import numpy as np
import pytest
import torch

from lit_causalmix.backbones.tabpfn_v1.backbone import Member, TabPFNV1, ensemble_members
from lit_causalmix.backbones.tabpfn_v1.network import (
    TabPFNV1Architecture,
    TabPFNV1Network,
    from_published,
    network_from,
)
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, LimitError, WeightsError
from lit_causalmix.seeding import rng
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType

SMALL = TabPFNV1Architecture(n_features=8, n_classes=4, dim=16, n_heads=2, n_layers=2, dim_hidden=8)


def small(**settings):
    return TabPFNV1(weights=None, architecture=SMALL, **settings)


def episode(n_context=20, n_query=6, n_columns=5, n_classes=3):
    g = rng(0, "episode", n_context)
    y = np.arange(n_context + n_query) % max(n_classes, 1)
    x = g.standard_normal((n_context + n_query, n_columns)) + y[:, None]
    x, y = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y)
    return Episode.of_rows(x, y, n_context, n_classes)


def published_names(network):
    """The inverse of `from_published`."""
    published = {}
    for name, tensor in network.state_dict().items():
        if ".query." in name:
            parts = [
                network.state_dict()[name.replace("query", p)] for p in ("query", "key", "value")
            ]
            name = name.replace("query.", "self_attn.in_proj_")
            tensor = torch.cat(parts)
        elif ".key." in name or ".value." in name:
            continue
        name = name.replace("x_encoder", "encoder").replace(".out.", ".self_attn.out_proj.")
        if name.startswith("layers."):
            name = f"transformer_encoder.{name}"
        published[name] = tensor
    return published


def test_shape_dtype_and_probabilities():
    backbone, e = small(), episode()
    logits = backbone(e)
    assert logits.shape == (6, 3)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(backbone.predict(logits, e).sum(dim=1), torch.ones(6))


def test_same_seed_same_bits_and_no_global_randomness():
    state = torch.random.get_rng_state()
    one, two, other = small(seed=1), small(seed=1), small(seed=2)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(one(episode()), two(episode()))
    assert not torch.allclose(one(episode()), other(episode()))


def test_query_rows_are_independent_of_each_other():
    backbone, e = small(), episode()
    together = backbone(e)
    for i in range(e.n_query):
        alone = backbone(replace(e, x_query=e.x_query[i : i + 1], y_query=e.y_query[i : i + 1]))
        torch.testing.assert_close(alone[0], together[i], rtol=1e-5, atol=1e-5)


def test_order_of_context_rows_does_not_matter_but_their_labels_do():
    backbone, e = small(), episode()
    order = torch.as_tensor(rng(0, "order").permutation(20))
    shuffled = replace(e, x_context=e.x_context[order], y_context=e.y_context[order])
    torch.testing.assert_close(backbone(shuffled), backbone(e), rtol=1e-4, atol=1e-5)
    relabelled = replace(e, y_context=(e.y_context + 1) % 3)
    assert not torch.allclose(backbone(relabelled), backbone(e), atol=1e-3)


def test_network_equals_masked_attention_of_torch():
    """One published layer is torch's post-norm encoder layer with the context mask."""
    network = small().network.eval()
    layer = network.layers[0]
    reference = torch.nn.TransformerEncoderLayer(16, 2, 8, 0.0, "gelu", batch_first=True)
    packed = {
        name.removeprefix("transformer_encoder.layers.0."): tensor
        for name, tensor in published_names(network).items()
        if name.startswith("transformer_encoder.layers.0.")
    }
    reference.load_state_dict(packed)
    rows = torch.as_tensor(rng(0, "rows").standard_normal((2, 9, 16)), dtype=torch.float32)
    mask = torch.zeros(9, 9, dtype=torch.bool)
    mask[:, 6:] = True  # nobody sees the three query rows
    expected = reference(rows, src_mask=mask)
    torch.testing.assert_close(layer(rows, 6), expected, rtol=1e-5, atol=1e-5)


def test_published_names_round_trip_and_are_strict():
    network = small(seed=3).network
    published = published_names(network)
    assert "transformer_encoder.layers.1.self_attn.in_proj_weight" in published
    rebuilt = network_from(SMALL, published)
    for name, tensor in network.state_dict().items():
        assert torch.equal(rebuilt.state_dict()[name], tensor)
    assert all(p.requires_grad and not p.is_meta for p in rebuilt.parameters())
    with pytest.raises(WeightsError, match=r"Missing key.*decoder\.2\.bias"):
        network_from(SMALL, {k: v for k, v in published.items() if k != "decoder.2.bias"})
    with pytest.raises(WeightsError, match=r"Unexpected key.*more"):
        network_from(SMALL, published | {"more": torch.zeros(1)})
    with pytest.raises(WeightsError, match="size mismatch"):
        network_from(SMALL, published | {"encoder.weight": torch.zeros(16, 9)})
    assert set(from_published(published)) == set(network.state_dict())


def test_official_size():
    with torch.device("meta"):
        network = TabPFNV1Network(TabPFNV1Architecture())
    assert sum(p.numel() for p in network.parameters()) == 25_821_706


def test_gradients_reach_every_parameter_and_the_query():
    backbone, e = small().train(), episode()
    e.x_query.requires_grad_(True)
    backbone.loss(backbone(e), e).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in backbone.parameters())
    assert torch.isfinite(e.x_query.grad).all()
    assert e.x_query.grad.abs().sum() > 0


def test_activation_checkpointing_changes_no_bit():
    gradients = []
    for activation_checkpointing in (False, True):
        backbone, e = small(activation_checkpointing=activation_checkpointing).train(), episode()
        backbone.loss(backbone(e), e).backward()
        gradients.append([p.grad for p in backbone.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        assert torch.equal(plain, checkpointed)


def test_fine_tuning_learns_the_table():
    backbone, e = small().train(), episode(n_context=60, n_query=60)
    optimiser = torch.optim.AdamW(backbone.parameters(), lr=3e-3)
    first = backbone.loss(backbone(e), e).item()
    for _ in range(60):
        optimiser.zero_grad()
        loss = backbone.loss(backbone(e), e)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.6 * first


def test_bfloat16_runs_forward_and_backward():
    backbone, e = small().to(torch.bfloat16).train(), episode()
    backbone.loss(backbone(e), e).backward()
    assert backbone.network.x_encoder.weight.grad.dtype == torch.bfloat16
    full = small()(e)
    torch.testing.assert_close(backbone(e), full, rtol=0.1, atol=0.2)


def test_parameter_groups_hold_each_parameter_once():
    backbone = small()
    groups = backbone.parameter_groups()
    assert list(groups) == ["encoder", "layers", "decoder"]
    ids = [id(p) for group in groups.values() for p in group]
    assert sorted(ids) == sorted(id(p) for p in backbone.parameters())


def test_ensemble_is_the_mean_of_its_members_and_only_in_evaluation():
    backbone, e = small(n_ensemble=4).eval(), episode()
    members = ensemble_members(4, 3, 5)
    assert [m.power for m in members] == [False, True, False, True]
    assert len(set(members)) == 4
    mean = sum(backbone.predict_members(e, [m]) for m in members) / 4
    torch.testing.assert_close(backbone(e), mean)
    assert torch.equal(backbone.train()(e), small()(e))
    assert ensemble_members(1, 3, 5) == [Member()]
    assert len(ensemble_members(1000, 3, 5)) == 2 * 3 * 5


def test_shifting_classes_and_columns_of_the_table_is_a_member():
    backbone, e = small(), episode()
    columns = [2, 3, 4, 0, 1]
    moved = replace(
        e,
        x_context=e.x_context[:, columns],
        x_query=e.x_query[:, columns],
        y_context=(e.y_context + 1) % 3,
    )
    expected = backbone(moved)[:, [1, 2, 0]]
    found = backbone.predict_members(e, [Member(class_shift=1, feature_shift=2)])
    torch.testing.assert_close(found, expected)


def schema(n_columns=3, n_classes=2, task=TaskType.BINARY):
    features = tuple(Column(f"c{i}", ColumnKind.NUMERICAL) for i in range(n_columns))
    labels = tuple(str(i) for i in range(n_classes))
    return Schema(features, Column("y", ColumnKind.CATEGORICAL, labels), task)


def test_limits():
    backbone = small(max_context_rows=50)
    backbone.check(schema(), 50)
    for wrong, n_context in (
        (schema(n_columns=9), 50),
        (schema(n_classes=5, task=TaskType.MULTICLASS), 50),
        (schema(task=TaskType.REGRESSION), 50),
        (schema(), 51),
    ):
        with pytest.raises(LimitError, match="TabPFNV1"):
            backbone.check(wrong, n_context)
    for e in (episode(n_columns=9), episode(n_classes=5), episode(n_classes=0)):
        with pytest.raises(LimitError, match=f"{e.x_context.shape[1]} columns and {e.n_classes}"):
            backbone(e)


def test_bad_settings_are_refused():
    with pytest.raises(ConfigurationError, match="bring their own architecture"):
        TabPFNV1("tabpfn-v1", architecture=SMALL)
    with pytest.raises(ConfigurationError, match="n_ensemble must be at least 1"):
        small(n_ensemble=0)
    with pytest.raises(ConfigurationError, match="n_heads must divide dim"):
        TabPFNV1Architecture(dim=10, n_heads=3)


def test_weights_that_are_not_there_are_refused_at_construction(monkeypatch, tmp_path):
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="lit-causalmix weights pull tabpfn-v1"):
        TabPFNV1()
