"""Numbers as a reader takes them in."""

import math

import pytest

from lit_causalmix.study.report.words import estimate, interval, signed
from lit_causalmix.study.statistics import Estimate


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (-0.0039, 0.26, "[−0.00, +0.26]"),
        (-0.3, -0.004, "[−0.30, −0.00]"),
        (0.004, 0.26, "[+0.00, +0.26]"),
        (-0.3, 0.004, "[−0.30, +0.00]"),
        (0.0, 0.3, "[0.00, +0.30]"),
        (-1e-17, -0.0, "[0.00, 0.00]"),
        (math.nan, math.nan, "–"),
    ],
)
def test_a_bound_keeps_the_sign_of_what_was_rounded(low: float, high: float, text: str) -> None:
    assert interval(low, high) == text


def test_a_value_that_is_written_as_0_is_not_negative() -> None:
    assert signed(-0.004) == "+0.00"
    assert estimate(Estimate(-0.001, -0.004, 0.002)) == "+0.00 [−0.00, +0.00]"
