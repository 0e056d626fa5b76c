"""Fits in threads beside each other."""

import logging
import threading
import warnings
from typing import Any

import numpy as np
import pandas as pd

from lit_causalmix.estimators import CausalMixClassifier


def test_fits_in_threads_warn_of_their_own_rows_and_leave_the_process_as_it_was(
    frame: pd.DataFrame, tiny: dict[str, Any]
) -> None:
    X, y = frame.drop(columns="target"), frame["target"]
    asked: dict[str, Any] = {"device": "cpu", "settings": tiny}
    CausalMixClassifier("default", max_steps=0, **asked).fit(X, y)  # libraries are loaded
    names = ("lit_causalmix", "lightning.pytorch")

    def state() -> tuple[Any, ...]:
        loggers = [logging.getLogger(name) for name in names]
        settings = [(one.propagate, one.level, list(one.handlers)) for one in loggers]
        return settings, list(warnings.filters), warnings.showwarning

    def fit(steps: int) -> None:
        rows = X.assign(**{f"empty{steps}": np.nan})
        CausalMixClassifier("default", max_steps=steps, **asked).fit(rows, y)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = state()
        threads = [threading.Thread(target=fit, args=(steps,)) for steps in (0, 3, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert state() == before
    said = " ".join(str(warning.message) for warning in caught)
    assert [said.count(f"empty{steps}") for steps in (0, 3, 6)] == [1, 1, 1]
