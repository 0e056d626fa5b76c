"""Reading what others may have written: damaged content is one kind of error."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Parses JSON values; whatever is wrong with the text is a `ValueError`.

    Raises:
        ValueError: If it is no JSON, no UTF-8, or nested more deeply than can be read.

    Example:
        >>> parse_json('{"a": [1, 2]}')
        {'a': [1, 2]}
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
