"""TabPFN v2 and later: our wrapper beside the package's own estimators."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_causalmix.backbones import ManyClasses, TabPFN
from lit_causalmix.backbones.tabpfn import TabPFNSizes
from lit_causalmix.backbones.tabpfn.checkpoint import Checkpoint, _network, read, write
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, LimitError, WeightsError
from lit_causalmix.training.adversarial import attack_direction
from lit_causalmix.weights import REGISTRY
from lit_causalmix.weights.files import cached_file

tabpfn = pytest.importorskip("tabpfn", reason="the extra tabpfn is not installed")

SIZES = TabPFNSizes(dim=16, n_heads=2, n_layers=2, n_buckets=60)
OFFICIAL = "tabpfn-v2-regressor"
needs_official = pytest.mark.skipif(
    not cached_file(REGISTRY[OFFICIAL]).is_file(), reason=f"{OFFICIAL} has not been pulled"
)


def table(n: int, n_classes: int, *, gaps: bool = True, seed: int = 0) -> Episode:
    """n context rows and 13 query rows with numbers, two categories, gaps and a constant."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n + 13, 7, generator=g)
    x[:, 1] = torch.randint(3, (n + 13,), generator=g)
    x[:, 4] = torch.randint(12, (n + 13,), generator=g)
    x[:, 5] = 2.0
    x[-1, 4] = 12.0  # a category that the context does not show
    if gaps:
        x[torch.rand(x.shape, generator=g) < 0.1] = torch.nan
    signal = torch.nan_to_num(x[:, 0]) + 0.5 * torch.nan_to_num(x[:, 1])
    y = signal if not n_classes else (signal.argsort().argsort() * n_classes) // len(signal)
    categorical = torch.tensor([False, True, False, False, True, False, False])
    units = {} if n_classes else {"y_location": -40.0, "y_scale": 3.0}
    return Episode.of_rows(x, y, n, n_classes, categorical=categorical, **units)


def ours(backbone: TabPFN, episode: Episode) -> np.ndarray:
    with torch.no_grad():
        return backbone.predict(backbone(episode), episode).numpy()


def theirs(path: Path, episode: Episode) -> np.ndarray:
    settings = {
        "model_path": path,
        "n_estimators": 1,
        "device": "cpu",
        "ignore_pretraining_limits": True,
        "inference_precision": torch.float32,  # by default bfloat16 where the processor has it
        "categorical_features_indices": torch.nonzero(episode.categorical)[:, 0].tolist(),
    }
    x, x_query = episode.x_context.double().numpy(), episode.x_query.double().numpy()
    if episode.is_classification:
        model = tabpfn.TabPFNClassifier(**settings).fit(x, episode.y_context.numpy())
        return model.predict_proba(x_query)
    model = tabpfn.TabPFNRegressor(**settings)
    y = episode.y_location + episode.y_scale * episode.y_context.double().numpy()
    return model.fit(x, y).predict(x_query)


def saved(backbone: TabPFN, folder: Path) -> Path:
    backbone.save_pretrained(folder)
    return folder / "model.safetensors"


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("n", [12, 60, 150])
@pytest.mark.parametrize("n_classes", [0, 2, 5])
def test_predictions_are_those_of_the_package(
    n: int, n_classes: int, gaps: bool, tmp_path: Path
) -> None:
    task = "classification" if n_classes else "regression"
    backbone = TabPFN(None, task, sizes=SIZES, seed=2).eval()
    episode = table(n, n_classes, gaps=gaps)
    expected = theirs(saved(backbone, tmp_path), episode)
    np.testing.assert_allclose(ours(backbone, episode), expected, atol=1e-4, rtol=0)


@needs_official
@pytest.mark.parametrize(("n", "gaps"), [(40, True), (150, False)])
def test_official_weights_predict_as_in_the_package(n: int, gaps: bool, tmp_path: Path) -> None:
    backbone = TabPFN(OFFICIAL).eval()
    episode = table(n, 0, gaps=gaps)
    path = saved(backbone, tmp_path)
    expected = theirs(path, episode)
    found = ours(backbone, episode)
    np.testing.assert_allclose(found, expected, atol=3 * 1e-4, rtol=0)  # deviation of the target: 3
    errors = found - episode.target.numpy()
    assert np.sqrt(np.mean(errors**2)) < 0.9 * episode.target.numpy().std()


@pytest.mark.parametrize(
    ("architecture", "config", "n_classes"),
    [
        ("tabpfn_v2_5", {"emsize": 24, "nlayers": 2, "nhead": 2, "num_thinking_rows": 4}, 3),
        ("tabpfn_v2_6", {"emsize": 24, "nlayers": 2, "nhead": 2, "num_thinking_rows": 4}, 0),
        (
            "tabpfn_v3",
            {"embed_dim": 16, "dist_embed_num_blocks": 1, "feat_agg_num_blocks": 1, "nlayers": 2},
            3,
        ),
    ],
)
def test_later_versions_run_through_the_same_wrapper(
    architecture: str, config: dict[str, int], n_classes: int, tmp_path: Path
) -> None:
    config = config | {"max_num_classes": 10 if n_classes else 0, "num_buckets": 60}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tensors = dict(_network(architecture, config).state_dict())
    if not n_classes:
        tensors["criterion.borders"] = torch.linspace(-3, 3, 61)
        tensors["criterion.losses_per_bucket"] = torch.zeros(60)
    plain = TabPFN(None, "classification" if n_classes else "regression", sizes=SIZES)
    path = tmp_path / "later.safetensors"
    write(path, Checkpoint(architecture, config, tensors), plain.inference_config)
    with pytest.raises(WeightsError, match=r"non-commercial use.*accept_license to true"):
        TabPFN(str(path), plain.task)
    backbone = TabPFN(str(path), plain.task, accept_license=True).eval()
    episode = table(60, n_classes)
    np.testing.assert_allclose(ours(backbone, episode), theirs(path, episode), atol=1e-4, rtol=0)


def test_a_class_that_the_context_lacks_gets_a_millionth() -> None:
    backbone = TabPFN(None, "classification", sizes=SIZES).eval()
    episode = table(60, 3)
    shown = episode.y_context != 1
    lacking = replace(
        episode, x_context=episode.x_context[shown], y_context=episode.y_context[shown]
    )
    found = ours(backbone, lacking)
    np.testing.assert_allclose(found[:, 1], 1e-6, rtol=1e-3)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_the_loss_is_the_negative_log_density_of_the_bars() -> None:
    backbone = TabPFN(None, sizes=SIZES).eval()
    episode = table(60, 0)
    with torch.no_grad():
        output = backbone(episode)
    mean, deviation = episode.y_context.mean(), episode.y_context.std(correction=0)
    target = (episode.y_query - mean) / deviation
    inner = (target > backbone.borders[1]) & (target < backbone.borders[-2])
    bar = torch.searchsorted(backbone.borders, target) - 1
    density = output.softmax(-1).gather(1, bar[:, None])[:, 0] / backbone.borders.diff()[bar]
    chosen = replace(episode, x_query=episode.x_query[inner], y_query=episode.y_query[inner])
    expected = -density[inner].log().mean()
    torch.testing.assert_close(backbone.loss(output[inner], chosen), expected)


def test_quantiles_are_in_order_and_in_the_targets_units() -> None:
    backbone = TabPFN(None, sizes=SIZES).eval()
    episode = table(60, 0)
    with torch.no_grad():
        found = backbone.quantiles(backbone(episode), episode, [0.1, 0.5, 0.9])
    assert found.shape == (13, 3)
    assert (found.diff(dim=1) > 0).all()
    assert abs(float(found[:, 1].mean()) + 40) < 6
    with pytest.raises(LimitError, match="no quantiles"):
        TabPFN(None, "classification", sizes=SIZES).quantiles(found, episode, [0.5])


def test_the_licence_is_printed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(saved(TabPFN(None, sizes=SIZES), tmp_path))
    assert capsys.readouterr().err == ""
    TabPFN(path)
    said = capsys.readouterr().err
    assert path in said
    assert "Built with PriorLabs-TabPFN" in said
    TabPFN(path)
    assert capsys.readouterr().err == ""


def test_no_gradient_in_the_query_rows_is_said_by_name() -> None:
    with pytest.raises(ConfigurationError, match="TabPFN gives no gradient in x_query"):
        attack_direction(TabPFN(None, sizes=SIZES), table(30, 0))


def test_checkpointing_gives_the_same_gradients() -> None:
    episode, found = table(30, 0), []
    for checkpointing in (False, True):
        backbone = TabPFN(None, sizes=SIZES, activation_checkpointing=checkpointing).train()
        backbone.loss(backbone(episode), episode).backward()
        found.append([p.grad for p in backbone.parameters()])
    for plain, again in zip(*found, strict=True):
        torch.testing.assert_close(plain, again)


def test_many_classes_go_through_codes() -> None:
    backbone = ManyClasses(TabPFN(None, "classification", sizes=SIZES)).eval()
    assert ours(backbone, table(60, 14)).shape == (13, 14)


class TestWeights:
    def test_the_task_has_to_be_that_of_the_weights(self, tmp_path: Path) -> None:
        path = str(saved(TabPFN(None, sizes=SIZES), tmp_path))
        with pytest.raises(WeightsError, match="not for classification: set the backbone's task"):
            TabPFN(path, "classification")

    def test_sizes_beside_weights_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="bring their own sizes"):
            TabPFN(OFFICIAL, sizes=SIZES)

    def test_an_unknown_name(self) -> None:
        with pytest.raises(WeightsError, match=r"'tabpfn-v9' is no weight file.*weights list"):
            TabPFN("tabpfn-v9")

    def test_a_name_that_has_not_been_pulled(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("LIT_CAUSALMIX_CACHE", str(tmp_path))
        with pytest.raises(WeightsError, match="weights pull tabpfn-v2-regressor"):
            TabPFN(OFFICIAL)
        with pytest.raises(WeightsError, match="weights pull tabpfn-v2-classifier"):
            TabPFN("tabpfn-v2-classifier", "classification")

    @pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
    def test_a_cut_file(self, suffix: str, tmp_path: Path) -> None:
        whole = saved(TabPFN(None, sizes=SIZES), tmp_path)
        if suffix == ".ckpt":
            whole = tmp_path / "whole.ckpt"
            torch.save({"config": {}, "state_dict": {}}, whole)
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes(whole.read_bytes()[: os.path.getsize(whole) // 2])
        with pytest.raises(WeightsError, match=r"cut\.(ckpt|safetensors) is"):
            TabPFN(str(cut))

    def test_nothing_is_unpickled(self, tmp_path: Path) -> None:
        path = tmp_path / "evil.ckpt"
        torch.save({"config": {}, "state_dict": {}, "x": os.getcwd}, path)
        with pytest.raises(WeightsError, match="is cut or no file of weights"):
            read(path)

    def test_the_package_of_an_extra_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "tabpfn", None)
        with pytest.raises(ConfigurationError, match=r"pip install 'lit-causalmix\[tabpfn\]'"):
            TabPFN(None)
