"""The embedded model: there without a download, and better than chance by far."""

import numpy as np
import pytest
import torch

from lit_causalmix.backbones import Nano
from lit_causalmix.backbones.nano import embedded_weights
from lit_causalmix.datamodules import EvaluationStream
from lit_causalmix.datamodules.stream import EpisodeParts
from lit_causalmix.errors import LimitError
from lit_causalmix.metrics.functional import r2, roc_auc
from lit_causalmix.tables import Encoder, SplitSpec, TableSpec, TableSplits, load_splits


def predict(splits: TableSplits) -> tuple[torch.Tensor, np.ndarray]:
    encoder = Encoder.fit(splits.train)
    stream = EvaluationStream(splits.train, [EpisodeParts.of(splits.test)], encoder, n_query=10_000)
    model = Nano().eval()
    with torch.no_grad():
        return model.predict(model(stream[0]), stream[0]), splits.test.target


@pytest.mark.parametrize(("name", "least"), [("breast_cancer", 0.97), ("wine", 0.97)])
def test_zero_shot_classification(name: str, least: float) -> None:
    probabilities, y = predict(load_splits(TableSpec(f"sklearn:{name}"), SplitSpec()))
    assert torch.allclose(probabilities.sum(1), torch.ones(len(y)), atol=1e-5)
    assert roc_auc(probabilities, torch.tensor(y).long()).value > least


def test_zero_shot_regression_in_the_targets_units() -> None:
    values, y = predict(load_splits(TableSpec("sklearn:diabetes"), SplitSpec()))
    assert r2(values, torch.tensor(y)).value > 0.3


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_weights_come_with_the_package_and_are_small(task: str) -> None:
    files = {path.name: path.stat().st_size for path in embedded_weights(task).iterdir()}
    assert set(files) == {"config.json", "model.safetensors"}
    assert files["model.safetensors"] < 12_000_000


def test_the_half_that_the_task_does_not_use_is_frozen() -> None:
    model = Nano()
    model.specialise(load_splits(TableSpec("sklearn:diabetes"), SplitSpec()).train.schema)
    assert not any(p.requires_grad for p in model.classifier.parameters())
    assert all(p.requires_grad for p in model.regressor.parameters())


def test_groups_hold_every_parameter_once() -> None:
    model = Nano()
    grouped = [id(p) for group in model.parameter_groups().values() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_limits_are_those_of_its_halves() -> None:
    schema = load_splits(TableSpec("sklearn:wine"), SplitSpec()).train.schema
    with pytest.raises(LimitError, match="Nano takes at most 3 feature columns"):
        Nano(max_columns=3).check(schema, 10)
    assert Nano().limits.regression
