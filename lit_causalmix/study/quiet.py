"""Many fits in a row without a line of chatter each."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from lit_causalmix.quiet import WarningCollector

_CHATTER = ("lightning.pytorch", "lightning.fabric")


@contextmanager
def quietly() -> Iterator[list[str]]:
    """Keeps Lightning and warnings silent, and gathers our own warnings instead of showing them.

    They would tear the progress bar of a thousand cells apart; a cell keeps them in its record.
    """
    notes: list[str] = []
    own, handler = logging.getLogger("lit_causalmix"), WarningCollector(notes)
    levels = {name: logging.getLogger(name).level for name in _CHATTER}
    propagated, own.propagate = own.propagate, False
    own.addHandler(handler)
    for name in _CHATTER:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield notes
    finally:
        own.removeHandler(handler)
        own.propagate = propagated
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
