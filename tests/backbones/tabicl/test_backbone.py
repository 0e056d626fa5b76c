"""TabICL v2: our wrapper beside the package's own estimators, with random weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lit_causalmix.backbones import TabICL
from lit_causalmix.backbones.tabicl import TabICLSizes
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, LimitError, WeightsError
from lit_causalmix.training.adversarial import attack_direction

tabicl = pytest.importorskip("tabicl", reason="the extra tabicl is not installed")

SIZES = TabICLSizes(16, 2, 1, 1, 2, n_inducing=8, n_summaries=2, n_quantiles=19)


def table(n: int, n_classes: int, *, gaps: bool = True) -> Episode:
    """n context rows and 13 query rows with numbers, two categories, gaps and a constant."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n + 13, 7, generator=g)
    x[:, 1] = torch.randint(3, (n + 13,), generator=g)
    x[:, 4] = torch.randint(12, (n + 13,), generator=g)
    x[:, 5] = 2.0
    x[-1, 4] = 12.0  # a category that the context does not show
    if gaps:
        x[torch.rand(x.shape, generator=g) < 0.1] = torch.nan
    y = torch.nan_to_num(x[:, 0]) + 0.5 * torch.nan_to_num(x[:, 1])
    if n_classes:
        y = (y.argsort().argsort() * n_classes) // len(y)
    categorical = torch.tensor([False, True, False, False, True, False, False])
    units = {} if n_classes else {"y_location": -40.0, "y_scale": 3.0}
    return Episode.of_rows(x, y, n, n_classes, categorical=categorical, **units)


def ours(backbone: TabICL, episode: Episode) -> np.ndarray:
    with torch.no_grad():
        return backbone.predict(backbone(episode), episode).numpy()


def frame(x: torch.Tensor, categorical: torch.Tensor) -> pd.DataFrame:
    table = pd.DataFrame(x.double().numpy(), columns=[f"x{i}" for i in range(x.shape[1])])
    return table.astype({f"x{i}": "category" for i in torch.nonzero(categorical)[:, 0].tolist()})


def theirs(path: Path, episode: Episode) -> np.ndarray:
    kind = tabicl.TabICLClassifier if episode.is_classification else tabicl.TabICLRegressor
    model = kind(n_estimators=1, model_path=path, allow_auto_download=False, device="cpu")
    y = episode.y_context.numpy()
    if not episode.is_classification:
        y = episode.y_location + episode.y_scale * y
    model.fit(frame(episode.x_context, episode.categorical), y)
    query = frame(episode.x_query, episode.categorical)
    return model.predict_proba(query) if episode.is_classification else model.predict(query)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("n", [12, 60, 150])
@pytest.mark.parametrize("n_classes", [0, 2, 5])
def test_predictions_are_those_of_the_package(
    n: int, n_classes: int, gaps: bool, tmp_path: Path
) -> None:
    task = "classification" if n_classes else "regression"
    backbone = TabICL(None, task, sizes=SIZES, seed=2)
    backbone.save_pretrained(tmp_path)
    episode = table(n, n_classes, gaps=gaps)
    expected = theirs(tmp_path / "tabicl.ckpt", episode)
    np.testing.assert_allclose(ours(backbone.eval(), episode), expected, atol=1e-4, rtol=0)
    np.testing.assert_allclose(ours(backbone.train(), episode), expected, atol=1e-4, rtol=0)
    again = TabICL(str(tmp_path), task).eval()
    np.testing.assert_array_equal(ours(again, episode), ours(backbone.eval(), episode))


def test_the_loss_is_the_pinball_loss() -> None:
    backbone = TabICL(None, "regression", sizes=SIZES).eval()
    episode = table(60, 0)
    with torch.no_grad():
        output = backbone(episode)
    mean, deviation = episode.y_context.mean(), episode.y_context.std(correction=0)
    target = ((episode.y_query - mean) / deviation).numpy()
    missed = target[:, None] - output.numpy()
    level = np.arange(1, 20) / 20
    expected = np.where(missed > 0, level * missed, (level - 1) * missed).mean()
    assert float(backbone.loss(output, episode)) == pytest.approx(expected, rel=1e-5)


def test_quantiles_are_in_order_and_in_the_targets_units() -> None:
    backbone = TabICL(None, "regression", sizes=SIZES).eval()
    episode = table(60, 0)
    with torch.no_grad():
        found = backbone.quantiles(backbone(episode), episode, [0.1, 0.5, 0.9])
    assert found.shape == (13, 3)
    assert (found.diff(dim=1) >= 0).all()
    assert abs(float(found[:, 1].mean()) + 40) < 9
    with pytest.raises(LimitError, match="no quantiles"):
        TabICL(None, sizes=SIZES).quantiles(found, episode, [0.5])


def test_a_class_that_the_context_lacks_gets_a_millionth() -> None:
    backbone = TabICL(None, sizes=SIZES).eval()
    episode = table(60, 3)
    shown = episode.y_context != 1
    lacking = replace(
        episode, x_context=episode.x_context[shown], y_context=episode.y_context[shown]
    )
    np.testing.assert_allclose(ours(backbone, lacking)[:, 1], 1e-6, rtol=1e-3)


def test_the_licence_is_printed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    TabICL(None, sizes=SIZES).save_pretrained(tmp_path)
    assert capsys.readouterr().err == ""
    TabICL(str(tmp_path))
    assert "BSD-3-Clause" in capsys.readouterr().err
    TabICL(str(tmp_path))
    assert capsys.readouterr().err == ""


def test_no_gradient_in_the_query_rows_is_said_by_name() -> None:
    with pytest.raises(ConfigurationError, match="TabICL gives no gradient in x_query"):
        attack_direction(TabICL(None, sizes=SIZES), table(30, 3))


def test_the_task_has_to_be_that_of_the_weights(tmp_path: Path) -> None:
    TabICL(None, sizes=SIZES).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="not for regression: set the backbone's task"):
        TabICL(str(tmp_path), "regression")


def test_a_name_that_has_not_been_pulled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIT_CAUSALMIX_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="weights pull tabicl-v2-classifier"):
        TabICL()


def test_a_cut_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.ckpt"
    torch.save({"config": {}, "state_dict": {}}, path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match=r"cut\.ckpt is cut or no file"):
        TabICL(str(path))


def test_the_package_of_an_extra_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tabicl", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'lit-causalmix\[tabicl\]'"):
        TabICL(None)
