"""The operations that benchmarks/cost.py counts, against hand counts."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention


@pytest.fixture
def script(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("cost")


def test_a_product_counts_two_a_term_and_twice_that_backward(script: ModuleType) -> None:
    x, w = torch.randn(5, 7), torch.randn(7, 3, requires_grad=True)
    assert script.operations(lambda: x @ w) == 2 * 5 * 7 * 3
    x.requires_grad_(True)
    assert script.operations(lambda: (x @ w).sum().backward()) == 3 * 2 * 5 * 7 * 3


def test_attention_is_counted_on_a_cpu_too(script: ModuleType) -> None:
    q, k, v = (torch.randn(2, 4, n, 16, requires_grad=True) for n in (10, 30, 30))
    forward = 2 * 2 * 4 * 10 * 30 * (16 + 16)
    with torch.no_grad():
        assert script.operations(lambda: scaled_dot_product_attention(q, k, v)) == forward
    both = script.operations(lambda: scaled_dot_product_attention(q, k, v).sum().backward())
    assert both == pytest.approx(3.5 * forward)


def test_shares_and_growth_stand_on_the_page(script: ModuleType) -> None:
    points = [
        script.Point("Nano 1", "rows", 100, 1.0, 50e9, 100e9),
        script.Point("Nano 1", "rows", 200, 4.0, 100e9, 100e9),
        script.Point("TabPFN v1", "rows", 200, 4.0, 100e9, 100e9),
    ]
    text = script.page(points, [{"graphs": 2, "fit": 1.5, "draw": 0.01}], "cost")
    assert "| Nano 1 | rows | 100 | 1.00 | 50.0 | 50% |  |" in text
    assert "| Nano 1 | rows | 200 | 4.00 | 100.0 | 25% | 2.00 |" in text
    assert "| TabPFN v1 | rows | 200 | 4.00 | 100.0 | 25% |  |" in text
    assert "| 2 | 1.50 | 0.0100 |" in text


def test_a_fifth_of_the_rows_is_asked_about(script: ModuleType) -> None:
    drawn = script.episode(100, 4, 3)
    assert (drawn.n_query, len(drawn.y_context), drawn.n_classes) == (20, 80, 3)
