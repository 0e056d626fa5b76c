"""What a device has of memory, and what it says when that is used up."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of glibc's mallopt
_LEAST_MAPPED = 256 * 2**10

_SAID = ("DefaultCPUAllocator", "std::bad_alloc", "out of memory")
"""What torch's errors hold that are of no class of their own: its allocator for the CPU, C++, and
accelerators other than CUDA."""


def available_bytes(device: torch.device, *, proc: Path = Path("/proc")) -> int | None:
    """Bytes that this process may still take on a device; None where that is not known.

    On a CPU it is the least of what the system has (`MemAvailable`), what control groups leave
    (containers, batch systems), and what the process's own limits leave (`ulimit -v`, `-d`).

    Args:
        device: A CPU, or a GPU of CUDA or ROCm.
        proc: Where Linux tells about processes.

    Example:
        >>> available_bytes(torch.device("meta")) is None
        True
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch has reserved and does not use is free to it alone.
        reserved, used = torch.cuda.memory_reserved(device), torch.cuda.memory_allocated(device)
        return int(free) + reserved - used
    if device.type != "cpu":
        return None
    found = [*_system(proc), *_control_groups(proc), *_own_limits(proc)]
    return max(0, min(found)) if found else None


def _system(proc: Path) -> Iterator[int]:
    with contextlib.suppress(OSError, KeyError):
        yield _kibibytes(proc / "meminfo")["MemAvailable"]


def _kibibytes(path: Path) -> dict[str, int]:
    """Lines such as "MemAvailable:  123 kB", in bytes."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        number, _, unit = value.strip().partition(" ")
        if unit == "kB" and number.isdigit():
            found[name] = int(number) * 2**10
    return found


_GROUP = ("memory.max", "memory.current", "inactive_file")
_GROUP_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _control_groups(proc: Path) -> Iterator[int]:
    """What each control group leaves, that of this process and those above it."""
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines():
            number, kinds, name = line.split(":", 2)
            if number == "0":
                root, files = proc.parent / "sys/fs/cgroup", _GROUP
            elif "memory" in kinds.split(","):
                root, files = proc.parent / "sys/fs/cgroup/memory", _GROUP_V1
            else:
                continue
            group = root / name.lstrip("/")
            for folder in (group, *group.parents):
                yield from _left(folder, *files)
                if folder == root:
                    break


def _left(folder: Path, limit: str, used: str, reclaimed: str) -> Iterator[int]:
    """Bytes that a group leaves; nothing where it has no limit. File caches count as free."""
    with contextlib.suppress(OSError, ValueError):
        most = int((folder / limit).read_text())  # "max" is no number
        lines = (folder / "memory.stat").read_text().splitlines()
        cached = {name: int(value) for name, _, value in (line.partition(" ") for line in lines)}
        yield most - int((folder / used).read_text()) + cached.get(reclaimed, 0)


def _own_limits(proc: Path) -> Iterator[int]:
    with contextlib.suppress(ImportError, OSError, KeyError):  # Windows has no limits
        import resource

        sizes = _kibibytes(proc / "self" / "status")
        for kind, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
            most, _ = resource.getrlimit(kind)
            if most != resource.RLIM_INFINITY:
                yield most - sizes[name]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device has no memory left.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes differ"))
        (True, False)
    """
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SAID)


def return_freed_memory() -> None:
    """Lets the C library give tensors back as soon as they are freed, for good; glibc alone.

    By default it keeps them for later in pieces that new ones do not fit into: a training step then
    holds 1.1 to 1.6 times, a prediction up to 2.4 times the bytes of its tensors
    (docs/results/memory.md). Bits are the same; a step takes a little longer, as the system clears
    the memory that it hands out.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LEAST_MAPPED)


def in_words(n_bytes: float) -> str:
    """A size for people.

    Example:
        >>> in_words(3 * 2**30), in_words(5 * 2**20)
        ('3.0 GiB', '5 MiB')
    """
    if n_bytes >= 2**30:
        return f"{n_bytes / 2**30:.1f} GiB"
    return f"{n_bytes / 2**20:.0f} MiB"
