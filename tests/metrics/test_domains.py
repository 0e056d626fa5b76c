import math
from dataclasses import replace

import torch

from lit_causalmix.episode import PADDING_ROW, Episode, RowOrigin
from lit_causalmix.metrics import DomainScores


def _episode(origin: list[int], rows: list[int], n_classes: int = 2, domain_id: int = 0) -> Episode:
    n = len(origin)
    y = torch.arange(n) % 2 if n_classes else torch.arange(n, dtype=torch.float32)
    return Episode(
        x_context=torch.zeros(2, 1),
        y_context=torch.tensor([0, 1]),
        context_origin=torch.zeros(2, dtype=torch.int8),
        x_query=torch.zeros(n, 1),
        y_query=y,
        query_origin=torch.tensor(origin, dtype=torch.int8),
        query_row=torch.tensor(rows),
        categorical=torch.zeros(1, dtype=torch.bool),
        n_classes=n_classes,
        y_location=10.0 if not n_classes else 0.0,
        y_scale=2.0 if not n_classes else 1.0,
        domain_id=domain_id,
    )


def test_rows_are_scored_by_origin_and_by_table_domain() -> None:
    real, synthetic = int(RowOrigin.REAL), int(RowOrigin.SYNTHETIC)
    scores = DomainScores(True, ["finance", "medicine"])
    right, wrong = torch.tensor([[0.9, 0.1], [0.1, 0.9]]), torch.tensor([[0.1, 0.9], [0.9, 0.1]])
    scores.update(torch.cat([right, wrong]), _episode([real] * 2 + [synthetic] * 2, [0, 1, 0, 1]))
    values = {k: s.value for k, s in scores.compute().items()}
    assert values["real/accuracy"] == 1.0
    assert values["synthetic/accuracy"] == 0.0
    assert values["finance/accuracy"] == 1.0  # real rows only
    assert not any(k.startswith(("medicine", "perturbed")) for k in values)


def test_padding_rows_are_not_counted() -> None:
    scores = DomainScores(True, ["finance"])
    p = torch.tensor([[0.9, 0.1], [0.9, 0.1]])
    scores.update(p, _episode([0, 0], [5, PADDING_ROW]))
    assert scores.compute()["real/accuracy"].value == 1.0


def test_a_table_domain_named_like_an_origin_joins_it() -> None:
    scores = DomainScores(True, ["real"])
    scores.update(torch.tensor([[0.9, 0.1]]), _episode([0], [0]))
    assert scores.compute()["real/accuracy"].value == 1.0


def test_regression_targets_are_scored_in_their_units() -> None:
    scores = DomainScores(False, ["retail"])
    scores.update(torch.tensor([10.0, 13.0]), _episode([0, 0], [0, 1], n_classes=0))
    assert scores.compute()["real/mae"].value == 0.5  # targets are 10 and 12


def test_predictions_of_one_table_that_are_not_finite_leave_no_mean_over_the_others() -> None:
    scores = DomainScores(True, ["finance"], n_tables=2)
    right, broken = torch.tensor([[0.9, 0.1], [0.1, 0.9]]), torch.full((2, 2), math.nan)
    for table, predictions in enumerate((right, broken)):
        scores.update(predictions, replace(_episode([0, 0], [0, 1]), table_id=table))
    found = scores.compute()
    assert not any(score.defined for score in found.values())
    assert found["real/log_loss"].note == "some predictions are not finite"
