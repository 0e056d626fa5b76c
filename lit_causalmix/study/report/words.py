"""Numbers and verdicts as a reader takes them in."""

from __future__ import annotations

import math

from lit_causalmix.study.statistics import Estimate

_MINUS = "−"
_NOISE = 9
"""Decimals behind which a bound of 0 may differ from it by the order of a sum."""


def signed(value: float) -> str:
    """Two decimals with the sign, or a dash where it is undefined."""
    return "–" if math.isnan(value) else _minus(f"{value:+.2f}")


def plain(value: float) -> str:
    """Two decimals, or a dash where it is undefined."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def interval(low: float, high: float) -> str:
    """Bounds with their signs, or a dash where there are none.

    A bound keeps the sign of what was rounded, which says whether the interval holds 0; 0 itself
    has none.

    Example:
        >>> interval(-0.0039, 0.26), interval(0.0, 0.004)
        ('[−0.00, +0.26]', '[0.00, +0.00]')
    """
    return "–" if math.isnan(low) else f"[{_bound(low)}, {_bound(high)}]"


def estimate(value: Estimate) -> str:
    """A value with its interval."""
    bounds = "" if math.isnan(value.low) else f" {interval(value.low, value.high)}"
    return f"{signed(value.value)}{bounds}"


def p_value(p: float) -> str:
    """A p value to two digits."""
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 table", "2 tables"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _bound(value: float) -> str:
    exact = round(value, _NOISE)
    return f"{exact:+.2f}".replace("-", _MINUS) if exact else "0.00"


def _minus(text: str) -> str:
    """With the sign that is as wide as a plus; nothing is negative that is written as 0."""
    return text.replace("-0.00", "+0.00").replace("-", _MINUS)
