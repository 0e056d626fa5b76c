"""Hostile tables: refused in one line, or read as what their cells say.

    python benchmarks/faults/tables.py --count 10000 --out found

Every case (`table_cases.py`) is loaded, split, encoded and read again as rows to predict; of each
hundred cases 12 go on to a generator, 8 to the scores of a small model, and 3 to a whole `fit`. A
case runs in another process: one that takes more than --limit seconds of processor time hangs (four
times as many beyond loading, as libraries are imported there), one whose process dies crashes. What
is neither read nor refused in one line, or read as something else than the file says, is written to
--out, file and settings; the exit status is their number, at most 100.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

from table_cases import CALM, Case, make
from table_checks import DEPTHS, Outcome, check

_WAITS = 40
"""Times the limit that the clock may show, on a busy machine, before a case counts as stuck."""

MEMORY = 6 * 2**30
"""Bytes of address space that a case may take."""


def depth_of(index: int) -> str:
    """How far a case goes."""
    place = index % 100
    bounds = ((12, DEPTHS[1]), (20, DEPTHS[2]), (CALM, DEPTHS[3]), (100, DEPTHS[0]))
    return next(depth for bound, depth in bounds if place < bound)


def serve(connection: Connection, seed: int) -> None:
    """Runs cases by index until the other end closes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # as long as the process
    while True:
        try:
            index, depth, limit = connection.recv()
        except EOFError:
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = math.ceil(used.ru_utime + used.ru_stime + limit)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
        outcome = check(make(seed, index), depth)
        connection.send((outcome.kind, outcome.text))


class Worker:
    """A process that runs cases, replaced when one hangs or kills it."""

    def __init__(self, seed: int, limit: float) -> None:
        self._seed, self._limit = seed, limit
        self._start()

    def _start(self) -> None:
        self._connection, other = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=serve, args=(other, self._seed), daemon=True)
        self._process.start()
        other.close()

    def run(self, index: int, depth: str) -> Outcome:
        """One case."""
        limit = self._limit * (4 if depth in DEPTHS[1:] else 1)
        try:
            self._connection.send((index, depth, limit))
            if self._connection.poll(_WAITS * limit):
                return Outcome(*self._connection.recv())
            outcome = Outcome("hang", f"no answer for {_WAITS * limit:g} s")
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            outcome = Outcome("crash", f"exit status {code}")
            if code == -signal.SIGXCPU:
                outcome = Outcome("hang", f"more than {limit:g} s of processor time")
        self._process.kill()
        self._process.join()
        self._start()
        return outcome

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()


def keep(folder: Path, case: Case, depth: str, outcome: Outcome) -> None:
    """Writes a found case: its file, and what is needed to run it again."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{case.index}{case.suffix}").write_bytes(case.content)
    facts = {
        "settings": case.settings,
        "suffix": case.suffix,
        "depth": depth,
        "notes": case.notes,
        "found": outcome.kind,
        "text": outcome.text,
    }
    (folder / f"{case.index}.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def main() -> int:
    """Runs the cases and prints how many were read, refused or found wanting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--start", type=int, default=0, help="the first case")
    parser.add_argument("--limit", type=float, default=15.0, help="seconds for a case")
    parser.add_argument("--out", type=Path, default=Path("found"))
    options = parser.parse_args()
    worker = Worker(options.seed, options.limit)
    counts: Counter[tuple[str, str]] = Counter()
    begun = time.monotonic()
    for index in range(options.start, options.start + options.count):
        depth = depth_of(index)
        outcome = worker.run(index, depth)
        counts[depth, outcome.kind] += 1
        if outcome.kind not in ("passed", "refused"):
            case = make(options.seed, index)
            keep(options.out, case, depth, outcome)
            last = (outcome.text.strip().splitlines() or [""])[-1]
            print(f"{index} {depth}: {outcome.kind}: {last[:200]} ({'; '.join(case.notes)[:200]})")
            sys.stdout.flush()
        if (index + 1) % 1_000 == 0:
            print_counts(counts)
    worker.stop()
    print_counts(counts)
    print(f"{options.count:,} tables in {time.monotonic() - begun:,.0f} s")
    return min(100, sum(n for (_, kind), n in counts.items() if kind not in ("passed", "refused")))


def print_counts(counts: Counter[tuple[str, str]]) -> None:
    """One line a depth, one column an outcome."""
    kinds = ("passed", "refused", "traceback", "wrong", "hang", "crash")
    print(f"{'':10}" + "".join(f"{kind:>11}" for kind in kinds))
    for depth in DEPTHS:
        print(f"{depth:10}" + "".join(f"{counts[depth, kind]:11,}" for kind in kinds))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
