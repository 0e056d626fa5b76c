"""Running the cells of a study that are not finished yet."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import Timeout
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from lit_causalmix.errors import ConfigurationError, FileError
from lit_causalmix.orphans import end_with
from lit_causalmix.study.backends import share_of_cores, side_by_side
from lit_causalmix.study.cell import run_cell
from lit_causalmix.study.cell_facts import versions
from lit_causalmix.study.fit_config import portable
from lit_causalmix.study.grid import Cell
from lit_causalmix.study.identity import RECIPE
from lit_causalmix.study.progress import progress_bar
from lit_causalmix.study.record import FAILED, OK
from lit_causalmix.study.store import Store

BUSY = "busy"
"""Another runner is at the cell."""


@dataclass(frozen=True)
class RunOptions:
    """How cells are run.

    Attributes:
        jobs: Cells at once.
        backend: loky (processes of this machine), ray or dask.
        address: Of a running Ray or Dask cluster; null starts one of `jobs` workers here.
        threads: Threads of one cell; null divides this machine's cores by the jobs, and takes 1 on
            a cluster.
        limit: Run at most so many cells.
        retry_failed: Whether to try failed cells again.
        progress: Whether to draw a progress bar.
    """

    jobs: int = 1
    backend: str = "loky"
    address: str | None = None
    threads: int | None = None
    limit: int | None = None
    retry_failed: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("jobs", "threads", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {value}")

    @property
    def cell_threads(self) -> int:
        """Threads of one cell."""
        if self.threads is not None:
            return self.threads
        return share_of_cores(self.jobs) if self.backend == "loky" else 1


def distinct(cells: Iterable[Cell]) -> list[Cell]:
    """One cell per key, in their order."""
    first: dict[str, Cell] = {}
    for cell in cells:
        first.setdefault(cell.key, cell)
    return list(first.values())


def pending(cells: Iterable[Cell], store: Store, *, retry_failed: bool) -> list[Cell]:
    """The distinct cells that are still to be run, in the order to run them."""
    return in_order(
        [c for c in distinct(cells) if settled(c, store, retry_failed=retry_failed) is None]
    )


def settled(cell: Cell, store: Store, *, retry_failed: bool) -> str | None:
    """The status of a cell that is not to be run (again); None where it is."""
    record = store.get(cell.key)
    final = (OK,) if retry_failed else (OK, FAILED)
    return str(record["status"]) if record is not None and record["status"] in final else None


def in_order(cells: Sequence[Cell]) -> list[Cell]:
    """Seed by seed, and within a seed first one cell for every generator.

    The cells that share a generator then find it in the cache, in place of waiting side by side for
    the one that fits it.
    """
    seen: set[str | None] = set()
    follows: list[bool] = []
    for cell in cells:
        follows.append(cell.generator is not None and cell.generator in seen)
        seen.add(cell.generator)
    seeds = list(dict.fromkeys(cell.seed for cell in cells))
    places = sorted(range(len(cells)), key=lambda i: (seeds.index(cells[i].seed), follows[i], i))
    return [cells[i] for i in places]


def run_study(cells: Sequence[Cell], store: Store, options: RunOptions) -> Counter[str]:
    """Runs what is pending; every cell is kept as soon as it is finished.

    Args:
        cells: The plan.
        store: Where results go.
        options: How to run.

    Returns:
        Number of cells that were pending, by status, whoever ran them.

    Raises:
        ConfigurationError: For an unusable backend or store.
    """
    todo = pending(cells, store, retry_failed=options.retry_failed)
    done = len(distinct(cells)) - len(todo)
    chosen = todo[: options.limit]
    if not chosen:
        return Counter()
    store.check()
    keys = [cell.key for cell in chosen]
    with (
        side_by_side(options.backend, jobs=options.jobs, address=options.address),
        progress_bar(store, keys, done=done, show=options.progress),
    ):
        return _run_all(chosen, store, options)


def _run_all(cells: Sequence[Cell], store: Store, options: RunOptions) -> Counter[str]:
    statuses: dict[str, str] = {}
    # A mark of an earlier run is of a cell that its process died of, or that a runner is at now.
    suspects = [cell for cell in cells if store.was_started(cell.key)]
    remaining = [cell for cell in cells if cell not in suspects]
    wait = False
    while remaining:
        try:
            results = _attempt_all(remaining, store, options, wait=wait)
        except TerminatedWorkerError:
            under_way = [cell for cell in remaining if store.was_started(cell.key)]
            statuses |= _each_alone(under_way, store, options)
        else:
            statuses |= {c.key: s for c, s in zip(remaining, results, strict=True) if s != BUSY}
            wait = True  # what is left now, another runner is at: its result or its end
        remaining = [cell for cell in remaining if cell.key not in statuses]
        for cell in remaining:  # another runner may have finished it meanwhile
            status = settled(cell, store, retry_failed=options.retry_failed)
            if status is not None:
                statuses[cell.key] = status
        remaining = [cell for cell in remaining if cell.key not in statuses]
    statuses |= _each_alone(suspects, store, options)
    return Counter(statuses.values())


def _attempt_all(
    cells: Sequence[Cell],
    store: Store,
    options: RunOptions,
    *,
    wait: bool,
    fewest_jobs: int = 1,
) -> list[str]:
    # A batch of one: joblib would lump short cells together and lose the balance.
    tasks = (
        delayed(attempt)(
            cell,
            store.root.absolute(),
            threads=options.cell_threads,
            retry_failed=options.retry_failed,
            wait=wait,
            runner=os.getpid() if options.backend == "loky" else None,
        )
        for cell in cells
    )
    jobs = max(options.jobs, fewest_jobs)
    statuses: list[str] = Parallel(n_jobs=jobs, batch_size=1)(tasks)
    return statuses


def attempt(
    cell: Cell, root: Path, *, threads: int, retry_failed: bool, wait: bool, runner: int | None
) -> str:
    """Runs one cell, unless it is finished or another runner is at it.

    Args:
        cell: The cell.
        root: Folder of the store.
        threads: Threads to compute with.
        retry_failed: Whether a failed record counts as none.
        wait: Whether to wait for another runner that is at it.
        runner: Process id of the runner; None on a cluster. Other processes leave an interruption
            to it, and end with it.

    Returns:
        The status of the record, or `BUSY`.

    Raises:
        FileError: If something cannot be written, for a full disk say.
    """
    if os.getpid() != runner:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        if runner is not None:
            end_with(runner)
    store = Store(root)
    claim = store.claim(cell.key)
    try:
        claim.acquire(blocking=wait)
    except Timeout:
        return BUSY
    except OSError as error:
        raise FileError(f"{claim.lock_file} cannot be locked: {error}") from error
    before = torch.get_num_threads()
    try:
        status = settled(cell, store, retry_failed=retry_failed)
        if status is not None:
            return status
        torch.set_num_threads(threads)
        with threadpool_limits(threads), store.started(cell.key):
            record = run_cell(cell, store)
            store.put(record)
        return str(record["status"])
    finally:
        torch.set_num_threads(before)
        claim.release()


def _each_alone(cells: Sequence[Cell], store: Store, options: RunOptions) -> dict[str, str]:
    """Runs the cells that were under way when a process died again, each in a process of its own.

    A process that dies takes its pool along, and nobody says which cell it was.
    """
    statuses = {}
    for cell in cells:
        try:
            # One job would run in this process, which has to outlive the cell.
            (statuses[cell.key],) = _attempt_all([cell], store, options, wait=True, fewest_jobs=2)
        except TerminatedWorkerError as error:
            reason = " ".join(str(error).split())
            store.put(
                {
                    **cell.labels,
                    "key": cell.key,
                    "recipe": RECIPE,
                    "config": portable(cell.config),
                    "versions": versions(),
                    "status": FAILED,
                    "error": f"the process died twice, of too little memory perhaps: {reason}",
                    "traceback": [],
                    "notes": [],
                    "seconds": {},
                }
            )
            statuses[cell.key] = FAILED
    if cells and options.backend == "loky":
        # Idle workers would hold up the end of a forked process for minutes.
        get_reusable_executor(max_workers=2, reuse=True).shutdown(wait=True)
    return statuses
