"""Progress of a study, read off the store: the same for every backend."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lit_causalmix.bars import Bar
from lit_causalmix.study.store import Store

_POLL_S = 0.5


@contextmanager
def progress_bar(store: Store, keys: Sequence[str], *, done: int, show: bool) -> Iterator[None]:
    """Draws a bar on stderr with an estimate of the remaining time.

    It counts results that appear in the store, those of other runners on the same store included.

    Args:
        store: The store.
        keys: Keys of the cells to come.
        done: Cells that were finished before.
        show: Whether to draw.
    """
    before = {key: store.stamp(key) for key in keys}
    stop = threading.Event()
    bar = Bar(
        total=done + len(before),
        initial=done,
        unit="cell",
        desc="study",
        steady=True,
        disable=not show,
    )

    def update() -> None:
        new = [key for key, stamp in before.items() if store.stamp(key) != stamp]
        for key in new:
            del before[key]
        if new:
            bar.update(len(new))
        bar.redraw()

    def watch() -> None:
        while not stop.wait(_POLL_S):
            update()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        update()
        bar.close()
