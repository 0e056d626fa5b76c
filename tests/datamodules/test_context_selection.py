"""Which rows are the context of a model that takes fewer than there are."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import lit_causalmix
from lit_causalmix.commands.main import main
from lit_causalmix.datamodules.context import final_context, selecting_context
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.tables import SplitSpec, Table, TableSpec, load_splits
from lit_causalmix.tables.nearest import NearestRows

pytestmark = pytest.mark.filterwarnings("ignore:the model takes at most")
TINY = Path(__file__).parents[1] / "conf" / "tiny.yaml"


def table(frame: pd.DataFrame) -> Table:
    split = SplitSpec(val_fraction=0.2, test_fraction=0.0)
    return load_splits(TableSpec(frame, target="target"), split).train


def counts(chosen: Table) -> list[int]:
    return np.bincount(chosen.target.astype(int)).tolist()


def test_balanced_takes_each_class_in_turns_and_rare_ones_whole(make_frame: Any) -> None:
    frame = make_frame(400)
    frame["target"] = np.where(np.arange(400) < 40, "rare", "common")
    train = table(frame)
    common, rare = counts(train)
    assert counts(selecting_context(train, limit=20, seed=0, selection="balanced")) == [10, 10]
    most = selecting_context(train, limit=rare + 100, seed=0, selection="balanced")
    assert counts(most) == [100, rare]
    assert common > 200
    again = selecting_context(train, limit=20, seed=0, selection="balanced")
    other = selecting_context(train, limit=20, seed=1, selection="balanced")
    assert not np.array_equal(again.rows, other.rows)


def test_random_and_stratified_differ_and_fill_the_limit(make_frame: Any) -> None:
    train = table(make_frame(300))
    found = {
        how: selecting_context(train, limit=50, seed=0, selection=how).rows
        for how in ("random", "stratified", "balanced")
    }
    assert {len(rows) for rows in found.values()} == {50}
    assert not np.array_equal(found["random"], found["stratified"])
    assert all((np.diff(rows) > 0).all() for rows in found.values())
    for how in ("random", "stratified", "balanced", "nearest"):
        assert selecting_context(train, limit=None, seed=0, selection=how) is train
    assert selecting_context(train, limit=50, seed=0, selection="nearest") is train
    whole = final_context(train, train, "both", limit=50, seed=0, selection="nearest")
    assert len(whole) == 2 * len(train)


def test_balanced_needs_classes(make_frame: Any) -> None:
    train = table(make_frame(60, regression=True))
    with pytest.raises(ConfigurationError, match="balanced needs classes, the task is regression"):
        selecting_context(train, limit=20, seed=0, selection="balanced")


def episode(x: torch.Tensor, n_context: int, categorical: torch.Tensor) -> Episode:
    return Episode.of_rows(x, torch.arange(len(x)) % 2, n_context, 2, categorical=categorical)


def test_the_nearest_rows_are_those_of_plain_distances() -> None:
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    x[:, 2] = torch.arange(60) % 3
    x[::7, 0] = torch.nan
    asked = episode(x, 59, torch.tensor([False, False, True]))
    found = NearestRows.of(asked, 8).context_of(asked)
    mark = (x[:, None, 2] != x[None, :, 2]).double()
    filled = x[:, :2].nan_to_num().double()
    distance = ((filled[:, None] - filled[None]) ** 2).sum(-1) + mark
    nearest = distance[59, :59].argsort()[:8].sort().values
    assert torch.equal(found.x_context.nan_to_num(9), x[nearest].nan_to_num(9))
    assert torch.equal(found.y_context, asked.y_context[nearest])


def test_every_query_row_has_its_own_neighbours_first() -> None:
    x = torch.cat([torch.arange(10.0), 0.1 * torch.arange(10.0) - 4, torch.tensor([9.2, -4.0])])
    x = x[:, None] / 2
    asked = episode(x, 20, torch.tensor([False]))
    found = NearestRows.of(asked, 4).context_of(asked).x_context[:, 0] * 2
    torch.testing.assert_close(found.sort().values, torch.tensor([-4.0, -3.9, 8.0, 9.0]))
    none = asked.take_query(torch.zeros(2, dtype=torch.bool))
    assert NearestRows.of(none, 4).context_of(none) is none


@pytest.mark.parametrize("how", ["balanced", "nearest"])
def test_a_fit_and_its_kept_model_predict_alike(
    how: str, make_frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_frame(400).to_csv("t.csv", index=False)
    options = [
        *("--data.table.source=t.csv", "--data.table.target=target", "--data.cache_dir=cache"),
        *("--config", "baselines/default", "--model.backbone.max_context_rows=40"),
        f"--data.context_selection={how}",
    ]
    assert main(["fit", "--config", str(TINY), *options]) == 0
    run = Path("runs/fit/version_0")
    again = ["--config", str(run / "config.yaml"), "--ckpt_path", str(run / "best.ckpt")]
    assert main(["predict", *again, "--data.predict_source=t.csv"]) == 0
    written = pd.read_csv("runs/fit-predict/version_0/predictions.csv").filter(like="good")
    model = lit_causalmix.load_model(run / "model")
    found = model.predict_proba("t.csv")[:, list(model.classes).index("good")]
    assert np.array_equal(written.to_numpy()[:, 0].astype(np.float32), found)
    (member,) = model.members
    assert member.chooses_context == (how == "nearest")
    assert (len(member.context) == 40) == (how == "balanced")
    if how == "nearest" and find_spec("litserve") is not None:  # the extra serve
        from lit_causalmix.serving.server import Limits, make_server

        with pytest.raises(ConfigurationError, match="is not served: requests would change"):
            make_server(str(run / "model"), Limits())


def test_an_unknown_rule_is_one_line(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = [f"--data.table.source={csv}", "--data.table.target=target"]
    assert main(["fit", "--config", str(TINY), *table, "--data.context_selection=near"]) == 2
    assert "context_selection" in capsys.readouterr().err
