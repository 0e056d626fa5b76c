import logging
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
import pytest

from lit_causalmix.quiet import noting_warnings, quiet_dowhy, single_thread


def test_numpy_and_dowhy_are_as_before_even_after_an_error() -> None:
    from dowhy.gcm import config

    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    bars = config.show_progress_bars
    with pytest.raises(ZeroDivisionError), quiet_dowhy(1):
        _draw_and_fail(config)
    assert config.show_progress_bars == bars
    assert (np.random.random(3) == expected).all()  # noqa: NPY002


def _draw_and_fail(config: ModuleType) -> None:
    assert not config.show_progress_bars
    np.random.random(100)  # noqa: NPY002
    raise ZeroDivisionError


def test_inside_the_seed_counts() -> None:
    draws = []
    for seed in (1, 1, 2):
        with quiet_dowhy(seed):
            draws.append(np.random.random())  # noqa: NPY002
    assert draws[0] == draws[1] != draws[2]


def test_threads_draw_what_each_would_alone() -> None:
    def draws(seed: int) -> list[float]:
        found = []
        with quiet_dowhy(seed):
            for _ in range(20):
                found.append(np.random.random())  # noqa: NPY002
                time.sleep(0.001)  # another thread's turn
        return found

    seeds = [1, 2, 3]
    with ThreadPoolExecutor(len(seeds)) as pool:
        assert list(pool.map(draws, seeds)) == [draws(seed) for seed in seeds]


def test_single_thread_is_undone() -> None:
    from threadpoolctl import threadpool_info

    with single_thread():
        inside = [pool["num_threads"] for pool in threadpool_info()]
    assert inside
    assert set(inside) == {1}


def test_warnings_are_noted_and_still_shown(caplog: pytest.LogCaptureFixture) -> None:
    notes: list[str] = []
    with pytest.warns(UserWarning, match="a column is empty"):
        _warn(notes)
    assert notes == ["a column is empty", "no draw for b"]
    assert "no draw for b" in caplog.text
    logging.getLogger("lit_causalmix.any").warning("afterwards")
    assert len(notes) == 2


def _warn(notes: list[str]) -> None:
    with noting_warnings(notes):
        warnings.warn("a column is empty", stacklevel=1)
        logging.getLogger("lit_causalmix.any").warning("no draw for %s", "b")
        logging.getLogger("lit_causalmix.any").info("not worth a note")
