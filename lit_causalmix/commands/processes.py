"""Processes that a fit is made of, and that may die: one line in place of the libraries' many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch.distributed import DistError

from lit_causalmix.errors import WorkerError

_WORKER = "DataLoader worker"
"""What torch's word of a dead worker process begins with; it has no class of its own."""

_GLOO = "/gloo/transport/"
"""The source files of torch that talk to other ranks on a CPU; their errors name them."""


@contextmanager
def dead_processes() -> Iterator[None]:
    """Says in one line that a worker of the loaders has died, or another rank of the fit.

    Raises:
        WorkerError: With what there is to go on from.
    """
    try:
        yield
    except RuntimeError as error:
        said = str(error)
        if _WORKER in said:
            raise WorkerError(
                f"a process that loads data died ({error}), of too little memory perhaps: the "
                "checkpoints in the run's folder are whole; lower data.num_workers"
            ) from error
        if isinstance(error, DistError) or _GLOO in said:
            raise WorkerError(
                "another process of this fit has ended, or cannot be reached, and its own last "
                "lines may say why: the checkpoints in the run's folder are whole, and a fit goes "
                f"on from the last one ({said})"
            ) from error
        raise
