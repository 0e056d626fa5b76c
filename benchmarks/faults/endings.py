"""How what is done with damaged files ends, told apart and counted; the same for all kinds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from lit_causalmix.errors import LitCausalMixError

SLOW = 10.0
"""Seconds of processor time after which loading counts as hanging."""


def ending(work: Callable[[], str], slow: float = SLOW) -> str:
    """What some work comes to: what it returns, "refused", or what is wrong with it.

    Args:
        work: Returns "same …" where all is well.
        slow: Seconds of processor time after which it hangs.
    """
    start = time.process_time()
    try:
        found = work()
    except LitCausalMixError as error:
        found = "refused" if "\n" not in str(error) else "many lines"
    except (Exception, SystemExit) as error:  # what the benchmarks look for
        found = f"traceback: {type(error).__name__}: {error}"
    return found if time.process_time() - start < slow else "hangs"


class Endings:
    """Counts endings; a refusal in one line and "same …" are as they should be."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, case: str, found: str) -> None:
        """Counts one, and prints it where it is a fault."""
        kind = found.partition(":")[0]
        self._counts[kind] += 1
        if not _is_right(kind):
            print(f"{case}: {found}"[:400], flush=True)

    def close(self) -> int:
        """Prints the counts; returns the number of faults, at most 100, as an exit status."""
        for kind, count in self._counts.most_common():
            print(f"{count:6d}  {kind}")
        return min(100, sum(n for kind, n in self._counts.items() if not _is_right(kind)))


def _is_right(kind: str) -> bool:
    return kind == "refused" or kind.startswith("same ")
