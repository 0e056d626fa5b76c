"""Tab2D against values recorded from AutoGluon (scripts/record_tab2d_reference.py)."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lit_causalmix.backbones.tab2d import Tab2D
from lit_causalmix.episode import Episode

REFERENCE = Path(__file__).parents[2] / "reference" / "tab2d"
CASES = load_file(REFERENCE / "cases.safetensors")
NETWORK_CASES = sorted(k.removesuffix("/x") for k in CASES if "/network/" in k and k.endswith("/x"))


@pytest.mark.parametrize("key", NETWORK_CASES)
def test_network_matches_autogluon(key: str) -> None:
    x, y, expected = (CASES[f"{key}/{part}"] for part in ("x", "y", "output"))
    network = Tab2D.from_pretrained(REFERENCE / key.split("/")[0]).network
    n_context = y.shape[1]
    with torch.no_grad():
        output = network(x[:, :n_context], y, x[:, n_context:])
    torch.testing.assert_close(output.reshape(expected.shape), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_table_with_gaps_matches_autogluons_estimators(name: str) -> None:
    table = {p: CASES[f"{name}/table/{p}"] for p in ("x_context", "y_context", "x_query", "output")}
    y = table["y_context"]
    n, q, c = len(y), len(table["x_query"]), table["x_query"].shape[1]
    location, scale = (0.0, 1.0) if name == "classifier" else (y.mean().item(), y.std().item())
    episode = Episode(
        x_context=table["x_context"],
        y_context=y if name == "classifier" else (y - location) / scale,
        context_origin=torch.zeros(n, dtype=torch.int8),
        x_query=table["x_query"],
        y_query=torch.full((q,), -1),
        query_origin=torch.zeros(q, dtype=torch.int8),
        query_row=torch.arange(q),
        categorical=torch.zeros(c, dtype=torch.bool),
        n_classes=3 if name == "classifier" else 0,
        y_location=location,
        y_scale=scale,
    )
    model = Tab2D.from_pretrained(REFERENCE / name)
    with torch.no_grad():
        prediction = model.predict(model(episode), episode)
    torch.testing.assert_close(prediction.float(), table["output"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["classifier", "regressor", "binned"])
def test_saved_folder_equals_autogluons_own(name: str, tmp_path: Path) -> None:
    Tab2D.from_pretrained(REFERENCE / name).save_pretrained(tmp_path)
    ours, theirs = (load_file(f / "model.safetensors") for f in (tmp_path, REFERENCE / name))
    assert {p.name for p in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    configs = [json.loads((f / "config.json").read_text()) for f in (tmp_path, REFERENCE / name)]
    assert configs[0] == configs[1]
