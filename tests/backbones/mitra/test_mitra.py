"""Mitra v1 and v2 by name: sizes, limits, and the reduction of large tables."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn.decomposition import PCA
from sklearn.feature_selection import f_classif
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lit_causalmix.backbones import Mitra, MitraV2, Tab2D
from lit_causalmix.backbones.bins import bin_mean
from lit_causalmix.backbones.mitra import reduction
from lit_causalmix.backbones.mitra.reduction import (
    Projection,
    Reduction,
    continuous_share,
    support_rows,
)
from lit_causalmix.backbones.tab2d.preprocessing import bin_edges
from lit_causalmix.commands.main import main
from lit_causalmix.episode import Episode
from lit_causalmix.errors import WeightsError
from lit_causalmix.files.digests import of_module
from lit_causalmix.tables.schema import Column, ColumnKind, Schema, TaskType

SMALL = {"weights": None, "dim": 16, "n_layers": 1, "n_heads": 2}


def table(n: int, n_columns: int, n_classes: int, seed: int = 0) -> Episode:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n + 9, n_columns, generator=g)
    x[torch.rand(x.shape, generator=g) < 0.05] = torch.nan
    signal = torch.nan_to_num(x[:, :3]).sum(dim=1)
    y = signal if not n_classes else (signal.argsort().argsort() * n_classes) // len(signal)
    return Episode.of_rows(x, y, n, n_classes)


def test_the_official_sizes() -> None:
    with torch.device("meta"):
        sizes = {cls: cls(weights=None, task="regression").config for cls in (Mitra, MitraV2)}
    assert {(c.dim, c.n_layers, c.n_heads) for c in sizes.values()} == {(512, 12, 4)}
    assert [c.dim_output for c in sizes.values()] == [1, 1_000]


def test_a_thousand_bins_stand_on_the_published_grid() -> None:
    edges = bin_edges(1_000, torch.device("cpu"))
    np.testing.assert_allclose(edges.numpy(), np.linspace(-0.5, 1.5, 1_001), atol=1e-6)
    middle = torch.full((1_000,), -100.0)
    middle[250] = 100.0
    assert float(bin_mean(middle, edges)) == pytest.approx(-0.5 + 2 * 250.5 / 1_000, abs=1e-6)


def test_a_folder_is_read_and_written_as_tab2d_does(tmp_path: Path) -> None:
    model = MitraV2(**SMALL, seed=3).eval()
    model.save_pretrained(tmp_path)
    again, plain = MitraV2(str(tmp_path)).eval(), Tab2D(weights=str(tmp_path)).eval()
    episode = table(30, 4, 3)
    with torch.no_grad():
        assert torch.equal(again(episode), model(episode))
        assert torch.equal(plain(episode), model(episode))


def test_weights_that_were_not_pulled_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", str(tmp_path))
    for cls, name in ((Mitra, "mitra-classifier"), (MitraV2, "mitra-v2-classifier")):
        with pytest.raises(WeightsError, match=rf"weights pull {name}"):
            cls()
    assert MitraV2.starting_checksum({}) is None
    assert MitraV2.starting_checksum(SMALL) == of_module(MitraV2(**SMALL))


class TestRows:
    def test_two_classes_are_balanced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reduction, "MOST_ROWS_BINARY", 20)
        y = (torch.arange(100) % 10 == 0).long()
        rows = support_rows(y, 2)
        assert rows is not None
        assert torch.equal(rows, rows.unique())
        assert y[rows].bincount().tolist() == [10, 10]
        rare = (torch.arange(100) < 3).long()
        rows = support_rows(rare, 2)
        assert rows is not None
        assert rare[rows].bincount().tolist() == [17, 3]

    def test_others_are_drawn_uniformly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reduction, "MOST_ROWS", 30)
        assert support_rows(torch.zeros(30), 0) is None
        rows = support_rows(torch.zeros(1_000), 0)
        assert rows is not None
        assert len(rows.unique()) == 30
        assert abs(float(rows.float().mean()) - 500) < 200

    def test_predictions_are_those_of_the_rows_that_are_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reduction, "MOST_ROWS", 25)
        model = MitraV2(**SMALL, task="regression").eval()
        episode = table(80, 3, 0)
        rows = support_rows(episode.y_context, 0)
        short = replace(
            episode, x_context=episode.x_context[rows], y_context=episode.y_context[rows]
        )
        with torch.no_grad():
            found = model.predict(model(episode), episode)
            assert torch.equal(found, model.predict(model(short), short))
            assert torch.equal(model.loss(model(episode), episode), model.losses([short])[0])

    def test_quantiles_are_those_of_the_rows_that_are_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reduction, "MOST_ROWS", 100)
        model = MitraV2(**SMALL, task="regression").eval()
        plain = table(300, 3, 0)
        rows = support_rows(plain.y_context, 0)
        assert rows is not None
        unread = next(k for k in range(300) if k not in rows.tolist())
        y = plain.y_context.clone()
        y[unread] = 50.0
        found = []
        with torch.no_grad():
            for episode in (plain, replace(plain, y_context=y)):
                found.append(model.quantiles(model(episode), episode, [0.1, 0.5, 0.9]))
        assert torch.equal(*found)


class TestColumns:
    def test_components_are_those_of_scikit_learn(self) -> None:
        episode = table(60, 40, 0)
        found = Projection.of(episode.x_context, 12)
        pipeline = make_pipeline(SimpleImputer(), StandardScaler(), PCA(12, svd_solver="full"))
        expected = pipeline.fit(episode.x_context.numpy()).transform(episode.x_query.numpy())
        mine = found(episode.x_query).numpy()
        signs = np.sign((mine * expected).sum(axis=0))
        np.testing.assert_allclose(mine, expected * signs, atol=1e-4)

    def test_directions_without_variance_are_left_out(self) -> None:
        found = Projection.of(table(10, 40, 0).x_context, 256)
        assert found.components.shape == (40, 9)

    def test_the_query_takes_no_part_and_gets_a_gradient(self) -> None:
        episode = table(60, 12, 0)
        one = Reduction.of(episode, 5)(episode)
        other = Reduction.of(replace(episode, x_query=episode.x_query * 3), 5)(episode)
        assert torch.equal(one.x_query, other.x_query)
        x = torch.nan_to_num(episode.x_query).requires_grad_(True)
        Reduction.of(episode, 5)(replace(episode, x_query=x)).x_query.sum().backward()
        assert x.grad is not None
        assert (x.grad != 0).all()

    def test_classification_keeps_the_columns_that_tell_most(self) -> None:
        g = torch.Generator().manual_seed(0)
        x = torch.randn(400, 20, generator=g)
        y = ((x[:, 4] + x[:, 11]) > 0).long()
        episode = Episode.of_rows(x, y, 300, 2)
        kept = Reduction.of(episode, 2).columns
        assert kept is not None
        assert kept.tolist() == [4, 11]
        best = np.argsort(f_classif(x[:300].numpy(), y[:300].numpy())[0])[-2:]
        assert sorted(best.tolist()) == [4, 11]

    def test_tables_of_flags_stay_whole(self) -> None:
        x = (torch.arange(400).reshape(40, 10) % 3 == 0).float()
        assert continuous_share(x) == 0
        episode = Episode.of_rows(x, torch.arange(40) % 2, 30, 2)
        assert Reduction.of(episode, 4).columns is None
        assert continuous_share(torch.tensor([[0.0, 1], [1, torch.nan], [2, 1]])) == 0.5


def test_what_is_left_out_is_said() -> None:
    model = MitraV2(**SMALL)
    features = tuple(Column(f"x{i}", ColumnKind.NUMERICAL) for i in range(300))
    target = Column("y", ColumnKind.CATEGORICAL, ("a", "b"))
    schema = Schema(features, target, TaskType.BINARY)
    with pytest.warns(UserWarning, match="at most 16384 context rows, there are 20000"):
        model.check(schema, 20_000)
    with pytest.warns(UserWarning, match="at most 256 feature columns, there are 300"):
        model.check(schema, 100)


def test_a_fit_by_the_published_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights; few of the 50 steps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    backbone = {"class_path": "lit_causalmix.backbones.MitraV2", "init_args": SMALL}
    Path("model.yaml").write_text(yaml.safe_dump({"model": {"backbone": backbone}}))
    tiny = Path(__file__).parents[2] / "conf" / "tiny.yaml"
    configs = [str(tiny), "finetune/mitra-v2", "model.yaml"]
    arguments = [part for name in configs for part in ("--config", name)]
    table_arguments = ["--data.table.source", "sklearn:wine", "--trainer.max_epochs", "3"]
    assert main(["fit", *arguments, *table_arguments]) == 0
    (report,) = tmp_path.rglob("report.json")
    content = json.loads(report.read_text())
    assert all(math.isfinite(row["zero_shot"]["value"]) for row in content["rows"])
