"""Silence that threads share: each has its own notes, and nothing stays changed."""

import logging
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from lit_causalmix.study.quiet import heard, quietly

OWN = logging.getLogger("lit_causalmix.any")


def state() -> tuple[Any, ...]:
    own, names = logging.getLogger("lit_causalmix"), ("lightning.pytorch", "lightning.fabric")
    levels = [logging.getLogger(name).level for name in names]
    return own.propagate, list(own.handlers), levels, list(warnings.filters), warnings.showwarning


def side_by_side(first: Callable[[], None], second: Callable[[], None]) -> None:
    """The second thread enters within the first one, and leaves after it."""
    entered, left = threading.Event(), threading.Event()

    def begin() -> None:
        with quietly():
            threads[1].start()
            assert entered.wait(60)
            first()
        left.set()

    def go_on() -> None:
        with quietly():
            entered.set()
            assert left.wait(60)
            second()

    threads = [threading.Thread(target=begin), threading.Thread(target=go_on)]
    threads[0].start()
    for thread in threads:
        thread.join()


def test_threads_leave_the_process_as_they_found_it(capfd: pytest.CaptureFixture[str]) -> None:
    before, inside = state(), []

    def chatter() -> None:
        inside.append(state()[:1] + state()[2:3])
        logging.getLogger("lightning.pytorch").warning("a tip")
        warnings.warn("a warning", stacklevel=1)

    side_by_side(chatter, chatter)
    assert inside == [(False, [logging.ERROR] * 2)] * 2
    assert state() == before
    assert capfd.readouterr().err == ""


def test_each_thread_gathers_its_own() -> None:
    found: dict[str, tuple[list[str], list[str]]] = {}
    both = threading.Barrier(2, timeout=60)

    def work(name: str) -> None:
        caught: list[warnings.WarningMessage] = []
        with quietly(caught) as notes:
            both.wait()
            OWN.warning("note of %s", name)
            warnings.warn(f"warning of {name}", stacklevel=1)
            with quietly():
                warnings.warn("lost", stacklevel=1)
            both.wait()
        found[name] = notes, [str(warning.message) for warning in caught]

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: ([f"note of {n}"], [f"warning of {n}"]) for n in "ab"}


def test_a_helping_thread_is_gathered_too() -> None:
    caught: list[warnings.WarningMessage] = []
    with quietly(caught) as notes:

        def help_out() -> None:
            OWN.warning("a note")
            warnings.warn("a warning", stacklevel=1)

        thread = threading.Thread(target=help_out)
        thread.start()
        thread.join()
    assert notes == ["a note"]
    assert [str(warning.message) for warning in caught] == ["a warning"]


def test_who_is_done_is_heard_while_others_are_quiet() -> None:
    entered, done = threading.Event(), threading.Event()

    def stay() -> None:
        with quietly():
            entered.set()
            assert done.wait(60)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "of no interest")
        thread = threading.Thread(target=stay)
        thread.start()
        assert entered.wait(60)
        with heard():
            warnings.warn("of interest", stacklevel=1)
            warnings.warn("of no interest", stacklevel=1)
        done.set()
        thread.join()
    assert [str(warning.message) for warning in shown] == ["of interest"]
