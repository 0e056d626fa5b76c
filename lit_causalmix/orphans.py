"""Worker processes that end with the process that started them, however it ended.

A runner that is killed (SIGKILL) tells nobody. Its workers would finish their cells or folds, hold
their claims and wait for more; whoever repeats the command would wait for them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from functools import cache

_POLL_S = 0.5
_PR_SET_PDEATHSIG = 1


@cache
def end_with(parent: int) -> None:
    """Ends this process within a second of its parent's end.

    Cells, folds and cache entries are there whole or not at all, so nothing has to be put in order.
    The kernel is asked where it can (Linux), which holds through calls that keep the interpreter
    busy; a thread looks at the parent besides.

    Args:
        parent: Process id of the parent that started this process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:  # an orphan's parent is another process
        time.sleep(_POLL_S)
    os._exit(1)
