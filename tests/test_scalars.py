from collections import OrderedDict
from typing import Any

import numpy as np
import torch

from lit_causalmix.scalars import plain


def test_scalars_of_numpy_become_those_of_python() -> None:
    for given, expected in (
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
    ):
        found = plain(given)
        assert found == expected
        assert type(found) is type(expected)


def test_what_holds_scalars_is_copied_and_all_else_is_left() -> None:
    tensor, ordered, array = torch.ones(2), OrderedDict(a=np.float64(1)), np.ones(2)
    given: dict[Any, Any] = {
        np.int64(1): [np.float64(2)],
        "b": (np.int8(3), tensor),
        "c": ordered,
        "d": array,
    }
    found = plain(given)
    assert list(found) == [1, "b", "c", "d"]
    assert type(next(iter(found))) is int
    assert type(found[1][0]) is float
    assert type(found["b"][0]) is int
    assert found["b"][1] is tensor
    assert found["c"] is ordered
    assert found["d"] is array
    assert type(given[1][0]) is np.float64
