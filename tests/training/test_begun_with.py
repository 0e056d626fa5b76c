"""What a fit was begun with goes into its checkpoints, and is compared."""

import pytest

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.training.begun_with import (
    KEY,
    begun_from,
    begun_with,
    check_selection,
    check_start,
)
from lit_causalmix.training.selection import CautiousValidation, MixedValidation, RealValidation


def test_the_same_passes_and_so_do_checkpoints_that_do_not_say() -> None:
    content = {KEY: begun_with("a" * 64, CautiousValidation(min_gain=2.0))}
    check_selection(content, CautiousValidation(min_gain=2.0))
    check_start(content, "a" * 64)
    check_start(content, None)
    assert begun_from(content) == "a" * 64
    for silent in ({}, {KEY: begun_with(None, RealValidation())}):
        check_start(silent, "b" * 64)
    check_selection({}, RealValidation())
    assert begun_from({}) is None


def test_other_weights_and_selections_are_refused_with_both() -> None:
    content = {KEY: begun_with("a" * 64, MixedValidation(0.25))}
    with pytest.raises(ConfigurationError, match=r"SHA-256 aaaaaaaaaaaa…, here bbbbbbbbbbbb…"):
        check_start(content, "b" * 64)
    with pytest.raises(ConfigurationError, match=r"weight=0\.25\), model\.selection is .*=0\.5\)"):
        check_selection(content, MixedValidation(0.5))
    with pytest.raises(ConfigurationError, match=r"model\.selection is .*RealValidation\(\)"):
        check_selection(content, RealValidation())
