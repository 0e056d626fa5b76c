import pytest
import torch
from torch import Tensor

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import (
    CLASSIFICATION,
    REGRESSION,
    MetricSpec,
    Score,
    metric_named,
    normalized_scores,
    specs,
    stopping_metric,
)


def share(probabilities: Tensor, targets: Tensor) -> Score:
    return Score(float((probabilities[:, 0] > 0.5).double().mean()))


def test_every_metric_is_found_by_its_name_and_knows_its_better_side() -> None:
    for metric in (*CLASSIFICATION, *REGRESSION):
        assert metric_named(metric.name) is metric
    assert metric_named("roc_auc").sign == 1
    assert metric_named("mae").sign == -1
    assert {m.classification for m in CLASSIFICATION} == {True}
    assert {m.classification for m in REGRESSION} == {False}


def test_the_stopping_metric_is_among_those_of_the_task() -> None:
    for kind in (True, False):
        assert stopping_metric(kind) in {m.name for m in specs(kind)}


def test_a_metric_of_ones_own_stands_behind_those_of_its_kind_of_task() -> None:
    own = MetricSpec("share_of_first", "share of the first class", -1, True, share)
    assert specs(True, [own])[-1] is own
    assert specs(False, [own]) == REGRESSION
    scores = {"real/share_of_first": Score(0.5)}
    found = normalized_scores(scores, {"real/share_of_first": Score(1.0)})
    assert found["real/share_of_first"].value == 50.0
    assert own.function(torch.tensor([[0.9, 0.1]]), torch.tensor([0])).value == 1.0


@pytest.mark.parametrize(
    ("name", "label", "sign", "rule"),
    [
        ("a/b", "slash", 1, "small letters, digits and underscores"),
        ("", "empty", 1, "small letters"),
        ("upward", "up", 2, "the sign 1 or -1"),
        ("roc_auc", "my AUC", 1, "is that of the metric 'ROC-AUC'"),
    ],
)
def test_what_is_no_metric_is_refused(name: str, label: str, sign: int, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        MetricSpec(name, label, sign, True, share)


def test_an_unknown_name_is_said_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="no metric 'auc': there are roc_auc, log_loss"):
        metric_named("auc")
