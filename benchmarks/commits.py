"""Trees of this repository side by side: exported, importable, and run in processes of their own.

Processor seconds are those of the child and of whatever it waited for (`os.wait4`), the peak of
memory is the child's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAPPED = ("datamodules", "callbacks", "configs")
"""Top-level folders that are packages below `lit_causalmix` once it is built."""


@dataclass(frozen=True)
class Ran:
    """What a process took.

    Attributes:
        seconds: Of the processor, user and system.
        megabytes: Largest resident set, in 10^6 bytes.
        code: Exit status.
        output: The end of what it wrote to stderr.
    """

    seconds: float
    megabytes: float
    code: int
    output: str


def importable(of: str, folder: Path) -> Path:
    """Puts the package of a commit, or of a checkout's folder, below `folder`.

    Args:
        of: A commit of this repository, or the path of a checkout.
        folder: Does not exist yet.

    Returns:
        What to put on `PYTHONPATH`: it holds the built `lit_causalmix`.
    """
    source = Path(of)
    if not source.is_dir():
        source = folder / "source"
        source.mkdir(parents=True)
        archive = subprocess.run(
            ["git", "-C", str(ROOT), "archive", of], check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
    built = folder / "built"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source / "lit_causalmix", built / "lit_causalmix", ignore=ignored)
    for name in MAPPED:
        shutil.copytree(source / name, built / "lit_causalmix" / name, ignore=ignored)
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(built)], check=True)
    return built


def run(
    tree: Path,
    arguments: Sequence[str],
    *,
    cwd: Path,
    data: str | None = None,
    cache: Path | None = None,
) -> Ran:
    """Runs Python with the package of a tree, one thread.

    Args:
        tree: From `importable`.
        arguments: Of the interpreter.
        cwd: Working directory; made if absent.
        data: Folders of tables (`LIT_CAUSALMIX_DATA`).
        cache: Folder of fitted generators; by default in the working directory.
    """
    cwd.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "OMP_NUM_THREADS": "1",
        "LIT_CAUSALMIX_CACHE": str(cache or cwd / "cache"),
        **({} if data is None else {"LIT_CAUSALMIX_DATA": data}),
    }
    log = cwd / "stderr.txt"
    with log.open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    return Ran(
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024 / 1e6,
        child.returncode,
        log.read_text(encoding="utf-8", errors="replace")[-2_000:],
    )
