"""A wish to stop, by Ctrl-C, SIGTERM or SLURM's SIGUSR1, that is granted between two steps."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment


class Interrupted(KeyboardInterrupt):
    """A fit that was told to stop, and has.

    Args:
        signum: The signal that said so.
    """

    def __init__(self, signum: int = signal.SIGINT) -> None:
        super().__init__()
        self.signum = signum


class StopRequest:
    """Notes the first signal to stop in place of raising; a second one stops at once.

    A signal that the process ignores, as a shell's background jobs do, stays ignored. In a SLURM
    job SIGUSR1 says the same: that the job's time ends (`#SBATCH --signal=USR1@120`).

    Args:
        note: Called once, with the signal, when the first one arrives.

    Attributes:
        signum: The signal received, None before there is one.

    Example:
        >>> request = StopRequest(note=lambda signum: None)
        >>> request.listen()
        >>> signal.raise_signal(signal.SIGINT)
        >>> request.close()
        >>> request.signum == signal.SIGINT
        True
    """

    def __init__(self, note: Callable[[int], None]) -> None:
        self.signum: int | None = None
        self._note = note
        self._former: dict[int, Any] = {}

    def listen(self) -> None:
        """Takes the signals over; only the main thread can."""
        if threading.current_thread() is not threading.main_thread() or self._former:
            return
        signals = [signal.SIGINT, signal.SIGTERM]
        for signum in [*signals, signal.SIGUSR1] if SLURMEnvironment.detect() else signals:
            if signal.getsignal(signum) is not signal.SIG_IGN:
                self._former[signum] = signal.signal(signum, self._received)

    def close(self) -> None:
        """Gives the signals back to whoever had them before."""
        while self._former:
            signum, handler = self._former.popitem()
            signal.signal(signum, handler)

    def _received(self, signum: int, frame: FrameType | None) -> None:
        if self.signum is not None:
            self.close()
            raise Interrupted(signum)
        self.signum = signum
        self._note(signum)


def say_stopping(signum: int) -> None:
    """Tells the terminal that the step is finished first."""
    name = signal.Signals(signum).name
    # Not through sys.stderr: the signal may fall into one of its own writes.
    os.write(2, f"\n{name}: stopping after this step; once more stops at once\n".encode())
