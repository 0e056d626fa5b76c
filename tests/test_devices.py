"""What there is of memory: known files of Linux, real limits of a process."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lit_causalmix.devices import available_bytes, is_out_of_memory

CPU = torch.device("cpu")
MIB = 2**20


def linux(root: Path, cgroup: str, groups: dict[str, dict[str, str]]) -> Path:
    """A folder that looks like `/proc`, with `/sys` beside it, of 800 MiB."""
    proc = root / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: 999 kB\nMemAvailable:   {800 * 2**10} kB\n")
    (proc / "self" / "cgroup").write_text(cgroup)
    for name, files in groups.items():
        folder = root / "sys/fs/cgroup" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (folder / file).write_text(content)
    return proc


def group(limit: str, used: int, cached: int) -> dict[str, str]:
    stat = f"anon 5\ninactive_file {cached * MIB}\n"
    return {"memory.max": limit, "memory.current": str(used * MIB), "memory.stat": stat}


def test_without_limits_it_is_what_the_system_has(tmp_path: Path) -> None:
    proc = linux(tmp_path, "0::/job\n", {"job": group("max\n", 100, 50)})
    assert available_bytes(CPU, proc=proc) == 800 * MIB


def test_the_tightest_group_counts_and_file_caches_are_free(tmp_path: Path) -> None:
    groups = {"a/b": group(f"{500 * MIB}", 100, 0), "a": group(f"{300 * MIB}", 200, 50)}
    proc = linux(tmp_path, "0::/a/b\n", groups)
    assert available_bytes(CPU, proc=proc) == 150 * MIB


def test_groups_of_the_first_version_count_too(tmp_path: Path) -> None:
    files = {
        "memory.limit_in_bytes": str(400 * MIB),
        "memory.usage_in_bytes": str(100 * MIB),
        "memory.stat": f"total_inactive_file {10 * MIB}\n",
    }
    # A container sees the path of its host, and its own group at the root.
    proc = linux(tmp_path, "9:cpu:/x\n4:memory:/docker/7\n0::/\n", {"memory": files})
    assert available_bytes(CPU, proc=proc) == 310 * MIB


def test_an_unknown_system_is_not_guessed_at(tmp_path: Path) -> None:
    assert available_bytes(CPU, proc=tmp_path / "none") is None
    assert available_bytes(torch.device("meta")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_a_limit_of_the_process_is_met_and_its_error_known() -> None:
    code = """
import resource, torch
from lit_causalmix.devices import available_bytes, is_out_of_memory
size = [int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmSize")][0] << 10
resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), resource.RLIM_INFINITY))
left = available_bytes(torch.device("cpu"))
assert 0 < left <= 64 << 20, left
try:
    torch.zeros(left // 4 + (8 << 20))
except RuntimeError as error:
    assert is_out_of_memory(error), error
    print("known")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "known\n", done.stderr


def test_other_errors_are_no_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
