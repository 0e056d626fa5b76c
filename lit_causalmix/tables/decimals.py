"""Numbers that are written with commas, which no table here is read with."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lit_causalmix.errors import TableError

_WITH_COMMA = re.compile(r"[+-]?[0-9.]*,[0-9]+(?:[.,][0-9]+)*")


def check_decimals(text: Iterable[str], column: str, otherwise: str) -> None:
    """Refuses a column whose texts are numbers with commas, all of them.

    Args:
        text: What is no number in it; none passes.
        column: Which column, for the message.
        otherwise: What to set where the texts are meant as they are.

    Raises:
        TableError: With the first of them.

    Example:
        >>> check_decimals(["1,5", "a"], "column 'x'", "say so")
    """
    labels = list(text)
    if labels and all(_WITH_COMMA.fullmatch(label) for label in labels):
        raise TableError(
            f"{column} holds numbers with commas such as {labels[0]!r}: write them with a decimal "
            f"point and no thousands separator, or set {otherwise}"
        )
