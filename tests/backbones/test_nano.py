"""The embedded model: there without a download, and better than chance by far."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch

from lit_causalmix.backbones import AxialTransformer, Nano, Tab2D
from lit_causalmix.backbones.description import described, rebuilt
from lit_causalmix.backbones.nano import VERSIONS, embedded_weights
from lit_causalmix.backbones.retouched import Retouched
from lit_causalmix.commands.main import main
from lit_causalmix.datamodules import EvaluationStream
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, LimitError
from lit_causalmix.metrics.functional import log_loss, r2, roc_auc
from lit_causalmix.model import Member
from lit_causalmix.prior import PriorSettings, draw_episode
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, TableSplits, load_splits
from lit_causalmix.tables.episodes import EpisodeParts

VersionNumber = Literal[1, 2, 3]
TASKS = ["classification", "regression"]

each_version = pytest.mark.parametrize("version", list(VERSIONS))


def predict(splits: TableSplits, version: VersionNumber) -> tuple[torch.Tensor, np.ndarray]:
    encoder = Encoder.fit(splits.train)
    stream = EvaluationStream(splits.train, [EpisodeParts.of(splits.test)], encoder, n_query=10_000)
    model = Nano(version).eval()
    with torch.no_grad():
        return model.predict(model(stream[0]), stream[0]), splits.test.target


@each_version
@pytest.mark.parametrize(("name", "least"), [("breast_cancer", 0.97), ("wine", 0.97)])
def test_zero_shot_classification(name: str, least: float, version: VersionNumber) -> None:
    probabilities, y = predict(load_splits(TableSpec(f"sklearn:{name}"), SplitSpec()), version)
    assert torch.allclose(probabilities.sum(1), torch.ones(len(y)), atol=1e-5)
    assert roc_auc(probabilities, torch.tensor(y).long()).value > least


@each_version
def test_zero_shot_regression_in_the_targets_units(version: VersionNumber) -> None:
    values, y = predict(load_splits(TableSpec("sklearn:diabetes"), SplitSpec()), version)
    assert r2(values, torch.tensor(y)).value > 0.3


@each_version
@pytest.mark.parametrize("n_classes", [2, 0])
def test_a_retouche_of_columns_without_spread_has_a_loss(
    n_classes: int, version: VersionNumber
) -> None:
    x = torch.randn(49, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long() if n_classes else x[:, 0].clone()
    x[:, 1] = torch.arange(49) % 2
    x[:40, 1], x[:40, 2] = 0.0, torch.nan
    categorical = torch.tensor([False, True, False, False])
    episode = Episode.of_rows(x, y, 40, n_classes, categorical=categorical)
    model = Retouched(Nano(version), n_columns=4).train()
    loss = model.losses([episode]).sum()
    loss.backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    assert torch.isfinite(loss)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in trained)
    assert any(p.grad is not None and p.grad.any() for p in trained)


@each_version
@pytest.mark.parametrize("task", TASKS)
def test_weights_come_with_the_package_and_are_small(task: str, version: VersionNumber) -> None:
    files = {path.name: path.stat().st_size for path in embedded_weights(task, version).iterdir()}
    assert set(files) == {"config.json", "model.safetensors"}
    assert files["model.safetensors"] < 12_000_000


def test_the_half_that_the_task_does_not_use_is_frozen() -> None:
    model = Nano()
    model.specialise(load_splits(TableSpec("sklearn:diabetes"), SplitSpec()).train.schema)
    assert not any(p.requires_grad for p in model.classifier.parameters())
    assert all(p.requires_grad for p in model.regressor.parameters())


@each_version
def test_the_half_of_the_table_is_saved_alone(tmp_path: Path, version: VersionNumber) -> None:
    model = Nano(version, n_ensemble=1).eval()
    with pytest.raises(ConfigurationError, match="which half"):
        model.save_pretrained(tmp_path)
    splits = load_splits(TableSpec("sklearn:diabetes"), SplitSpec())
    model.specialise(splits.train.schema)
    with torch.no_grad():
        model.regressor.parameter_groups()["head"][0].mul_(1.5)
    model.save_pretrained(tmp_path / "weights")
    episode = draw_episode(PriorSettings(regression=True), seed=0, epoch=0, index=0)
    kind = Tab2D if version == 1 else AxialTransformer
    again = kind(task="regression", weights=str(tmp_path / "weights")).eval()
    assert torch.equal(model(episode), again(episode))


@each_version
def test_groups_hold_every_parameter_once(version: VersionNumber) -> None:
    model = Nano(version)
    grouped = [id(p) for group in model.parameter_groups().values() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_limits_are_those_of_its_halves() -> None:
    schema = load_splits(TableSpec("sklearn:wine"), SplitSpec()).train.schema
    with pytest.raises(LimitError, match="Nano takes at most 3 feature columns"):
        Nano(max_columns=3).check(schema, 10)
    assert Nano().limits.regression


@pytest.mark.parametrize("version", [1, 2])
def test_the_ensemble_predicts_better_than_its_first_member(version: VersionNumber) -> None:
    settings = PriorSettings(context_rows=(40, 100), columns=(3, 8), query_rows=96)
    single, many = Nano(version, n_ensemble=1).eval(), Nano(version).eval()
    losses = []
    with torch.no_grad():
        for index in range(12):
            e = draw_episode(settings, seed=3, epoch=0, index=index, stream="val")
            losses.append([log_loss(m.predict(m(e), e), e.y_query).value for m in (single, many)])
    first, average = np.mean(losses, axis=0)
    assert average < first


def test_training_takes_the_table_as_it_is() -> None:
    e = draw_episode(PriorSettings(context_rows=(40, 40), columns=(3, 3)), seed=0, epoch=0, index=0)
    model = Nano(n_ensemble=2)
    with torch.no_grad():
        assert torch.equal(model.train()(e), model.classifier(e))
        assert not torch.equal(model.eval()(e), model.classifier(e))


@each_version
@pytest.mark.parametrize("regression", [False, True])
def test_gradients_reach_the_query_rows_and_no_query_row_another(
    regression: bool, version: VersionNumber
) -> None:
    settings = PriorSettings(
        regression=regression, context_rows=(40, 40), columns=(3, 3), query_rows=20, missing_share=0
    )
    e = draw_episode(settings, seed=0, epoch=0, index=0)
    model = Nano(version).eval()
    x = e.x_query.clone().requires_grad_(True)
    output = model(replace(e, x_query=x))
    torch.autograd.grad(output[3].square().sum(), x, retain_graph=True)
    (gradient,) = torch.autograd.grad(output[3].square().sum(), x)
    assert gradient[3].abs().sum() > 0
    assert gradient.any(dim=1).nonzero().flatten().tolist() == [3]


def test_of_many_columns_it_reads_the_telling_ones_and_says_so() -> None:
    generator = torch.Generator().manual_seed(0)
    e = draw_episode(PriorSettings(context_rows=(60, 60), columns=(2, 2)), seed=0, epoch=0, index=0)
    wide = replace(
        e,
        x_context=torch.cat([torch.randn(60, 90, generator=generator), e.x_context], dim=1),
        x_query=torch.cat([torch.randn(e.n_query, 90, generator=generator), e.x_query], dim=1),
        categorical=torch.cat([torch.zeros(90, dtype=torch.bool), e.categorical]),
    )
    model = Nano(read_columns=8).eval()
    with torch.no_grad():
        assert model(wide).shape == (e.n_query, e.n_classes)
    schema = load_splits(TableSpec("sklearn:breast_cancer"), SplitSpec()).train.schema
    with pytest.warns(UserWarning, match="reads 8 of the 30 feature columns"):
        model.check(schema, 100)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="n_ensemble must be >= 1, got 0"):
        Nano(n_ensemble=0)
    with pytest.raises(ConfigurationError, match="version must be one of 1, 2, 3, got 4"):
        Nano(4)  # type: ignore[arg-type]
    assert Nano.starting_checksum({"version": 4}) is None


@each_version
def test_a_kept_model_is_of_its_version(version: VersionNumber) -> None:
    model = Nano(version, n_ensemble=3)
    again = rebuilt(described(model))
    assert isinstance(again, Nano)
    assert (again.version, again.n_ensemble) == (version, 3)


def test_what_was_kept_before_there_were_versions_is_of_the_first() -> None:
    description = described(Nano(1))
    del description["arguments"]["version"]
    again = rebuilt(description)
    again.load_state_dict(Nano(1).state_dict())
    assert isinstance(again, Nano)
    assert again.version == 1


@pytest.mark.slow
def test_fine_tuning_on_more_classes_and_columns_than_pre_training_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lit-causalmix"])
    rng = np.random.default_rng(0)
    labels = np.arange(260) % 13
    x = rng.normal(size=(260, 70))
    x[:, 30:34] += 4 * rng.normal(size=(13, 4))[labels]
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(70)])
    frame.assign(target=[f"class {label}" for label in labels]).to_csv("many.csv", index=False)
    line = ["fit", "--data.table.source=many.csv", "--data.table.target=target"]
    brief = ["--trainer.max_epochs=1", "--data.episodes_per_epoch=1", "--data.synthetic_ratio=0"]
    quiet = ["--trainer.enable_progress_bar=false", "--model.backbone=Nano"]
    few = ["--model.backbone.init_args.n_ensemble=1", "--model.backbone.init_args.read_columns=8"]
    with pytest.warns(UserWarning, match="reads 8 of the 70 feature columns"):
        assert main([*line, *brief, *quiet, *few]) == 0
    report = json.loads(next(Path("runs").rglob("report.json")).read_text())
    scores = {r["metric"]: r for r in report["rows"] if r["stage"] == "test"}
    assert scores["accuracy"]["zero_shot"]["value"] > 0.5  # chance: 1 / 13
    assert scores["roc_auc"]["fine_tuned"]["value"] > 0.9


@each_version
@pytest.mark.parametrize("task", TASKS)
def test_the_model_card_and_the_published_scores_are_of_these_weights(
    task: str, version: VersionNumber
) -> None:
    folder = embedded_weights(task, version)
    digits = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:12]
    card = (folder.parent / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"`{folder.name}` {digits}" in " ".join(card.split())
    results = pd.read_csv(Path(__file__).parents[2] / "docs" / "results" / "nano.csv")
    nano = results[results["method"] == f"Nano {version}"]
    measured = nano[(nano["task"] == "regression") == (task == "regression")]
    assert set(measured["version"]) == {digits}
    assert measured["table"].nunique() == (70 if task == "regression" else 133)


@each_version
def test_a_kind_that_is_overruled_reaches_the_predictions(version: VersionNumber) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"zip": generator.integers(0, 6, 120), "x": generator.normal(size=120)})
    frame["y"] = np.isin(frame["zip"] + generator.integers(0, 2, 120), (1, 4)).astype(int)
    found: dict[Any, np.ndarray] = {}
    for kind in ("categorical", "ordinal", "numerical"):
        spec = TableSpec(frame, target="y", kinds={"zip": kind})
        train = load_splits(spec, SplitSpec()).train
        for views in (1, 4):
            member = Member(Nano(version, n_ensemble=views), Encoder.fit(train), train, 50)
            found[kind, views] = member.predict(train.values[:20])
    # One view of version 1 reads codes as numbers.
    assert np.allclose(found["categorical", 1], found["numerical", 1], atol=1e-5) == (version == 1)
    assert not np.allclose(found["categorical", 4], found["numerical", 4], atol=1e-3)
    same = np.allclose(found["ordinal", 4], found["numerical", 4], atol=1e-5)
    assert same == (version == 1)
