"""Small kept models, made without a fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lit_causalmix.backbones import Tab2D
from lit_causalmix.model import Member, Predictor
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, load_splits

ModelMaker = Callable[..., Predictor]


def tab2d(seed: int = 0, **settings: Any) -> Tab2D:
    return Tab2D(**{"dim": 16, "n_layers": 1, "seed": seed} | settings)


def member(frame: pd.DataFrame, backbone: Tab2D | None = None, **split: Any) -> Member:
    spec = TableSpec(frame, target="target", name="mixed")
    train = load_splits(spec, SplitSpec(**split)).train
    return Member(backbone or tab2d(), Encoder.fit(train), train, 50)


@pytest.fixture
def make_model(frame: pd.DataFrame) -> ModelMaker:
    """Makes a model of random weights; its members differ in weights and in their rows."""

    def make(n_members: int = 1, *, rows: pd.DataFrame = frame, **settings: Any) -> Predictor:
        members = [member(rows, tab2d(k, **settings), seed=k) for k in range(n_members)]
        spec = TableSpec(rows, target="target", drop=[], missing_values=["?"])
        return Predictor(members, spec, {"method": "none", "seed": 3})

    return make


@pytest.fixture
def folder(make_model: ModelMaker, tmp_path: Path) -> Path:
    """A model on disk."""
    make_model().save(tmp_path / "model")
    return tmp_path / "model"
