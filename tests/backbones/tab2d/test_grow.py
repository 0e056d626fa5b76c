"""scripts/grow_tab2d.py: a deeper model, and bins, that compute what the model computed before."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from lit_causalmix.backbones import Tab2D
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.prior import PriorSettings, draw_episode

SCRIPT = Path(__file__).parents[3] / "scripts" / "grow_tab2d.py"


@pytest.fixture(name="script")
def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("grow_tab2d", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_new_layers_pass_their_input_on(script: ModuleType, n_layers: int) -> None:
    model = Tab2D(dim=16, n_layers=n_layers, n_heads=2).eval()
    e = draw_episode(PriorSettings(), seed=0, epoch=0, index=0)
    deeper = script.grown(model, n_layers=5).eval()
    assert len(deeper.network.layers) == 5
    torch.testing.assert_close(deeper(e), model(e))


def test_bins_predict_the_former_values(script: ModuleType) -> None:
    model = Tab2D(dim=16, n_layers=2, n_heads=2, task="regression").eval()
    with torch.no_grad():  # an output within the range of the bins
        model.network.final_layer.weight *= 0.05
        model.network.final_layer.bias.fill_(0.5)
    settings = PriorSettings(regression=True, missing_share=0)
    e = draw_episode(settings, seed=0, epoch=0, index=1)
    binned = script.grown(model, n_layers=3, n_bins=256).eval()
    assert binned(e).shape == (e.n_query, 256)
    span = float(e.y_context.max() - e.y_context.min())
    difference = binned.predict(binned(e), e) - model.predict(model(e), e)
    assert difference.abs().max() < span / 128


def test_what_cannot_be_grown_is_refused(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Tab2D(dim=16, n_layers=2, n_heads=2)
    with pytest.raises(ConfigurationError, match="n_layers must be >= 2, got 1"):
        script.grown(model, n_layers=1)
    with pytest.raises(ConfigurationError, match="one output"):
        script.grown(model, n_layers=2, n_bins=10)
    arguments = ["--weights", str(tmp_path), "--layers", "3", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["grow_tab2d.py", *arguments])
    with pytest.raises(SystemExit, match="2"):
        script.main()
