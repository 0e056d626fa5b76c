"""What the machine does to a fit: a full or read-only disk, a killed worker, no memory, the clock.

`python benchmarks/faults/machine.py` runs real fits of a small random model on German credit, each
in a process of its own, and disturbs them. After each, the exit status, the words on stderr and the
checkpoint that is left are judged, and a resumed fit is compared with an undisturbed one: the
weights have to be the same bits. The disks are small file systems in memory, which only root can
make; without root those cases are skipped, and said. The exit status is the number of faults.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

SETTINGS = """
model:
  backbone:
    class_path: lit_causalmix.backbones.Tab2D
    init_args: { dim: 16, n_layers: 1 }
data:
  table: { source: german_credit }
  split: { max_train_rows: 120, max_val_rows: 60, max_test_rows: 60 }
  synthetic_ratio: 0.0
  episodes_per_epoch: 4
  progress: false
trainer:
  max_epochs: 12
  accelerator: cpu
  enable_progress_bar: false
  enable_model_summary: false
"""
BACKWARDS = """
import os, time
if os.environ.get("BACKWARDS"):
    _time, _calls = time.time, [0]
    def back():
        _calls[0] += 1
        return _time() - 86400.0 * (_calls[0] > 200)
    time.time = back
"""
"""A `sitecustomize` in whose processes the clock is set back by a day while a fit runs."""


class Bench:
    """Fits below one folder, with the settings above.

    Args:
        root: An empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "settings.yaml").write_text(SETTINGS, encoding="utf-8")
        (root / "sitecustomize.py").write_text(BACKWARDS, encoding="utf-8")

    def start(
        self, runs: Path, *options: str, before: Callable[[], None] | None = None, **env: str
    ) -> subprocess.Popen[str]:
        """Starts a fit whose run folder lies below `runs`."""
        settings = self.root / "settings.yaml"
        command = [sys.executable, "-m", "lit_causalmix", "fit", "--config", str(settings)]
        command += [f"--trainer.logger.save_dir={runs}", f"--data.cache_dir={self.root / 'cache'}"]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(self.root)} | env
        return subprocess.Popen(
            [*command, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root,
            env=environment,
            preexec_fn=before,
        )

    def whole(self, *options: str) -> dict[str, torch.Tensor]:
        """The weights of an undisturbed fit."""
        runs = self.root / f"whole{len(options)}"
        process = self.start(runs, *options)
        words = process.communicate()[1]
        if process.returncode:
            raise RuntimeError(f"an undisturbed fit failed: {words[-2000:]}")
        return last_weights(runs)


def checkpoints(runs: Path) -> list[Path]:
    """The resumable checkpoints below a folder, oldest first."""
    return sorted(runs.rglob("last*.ckpt"), key=lambda path: path.stat().st_mtime)


def last_weights(runs: Path) -> dict[str, torch.Tensor]:
    """The weights of the newest checkpoint."""
    content = torch.load(checkpoints(runs)[-1], weights_only=True)
    weights: dict[str, torch.Tensor] = content["state_dict"]
    return weights


def wait_for_checkpoint(runs: Path, process: subprocess.Popen[str]) -> None:
    """Waits until a fit has kept a checkpoint."""
    while process.poll() is None and not checkpoints(runs):
        time.sleep(0.02)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own in memory."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def judged(
    bench: Bench,
    runs: Path,
    process: subprocess.Popen[str],
    whole: dict[str, torch.Tensor],
    *options: str,
    ends_well: bool | None = False,
) -> list[str]:
    """What is wrong with how a disturbed fit ended, and with what it left behind.

    Args:
        bench: Starts the resumed fit.
        runs: The fit's run folder lies below it.
        process: The fit.
        whole: The weights of an undisturbed fit.
        *options: Of the fit.
        ends_well: Whether the fit has to finish; None leaves it both ways.
    """
    words = process.communicate()[1]
    faults = []
    ends_well = process.returncode == 0 if ends_well is None else ends_well
    if ends_well != (process.returncode == 0):
        faults.append(f"exit status {process.returncode}: {words[-300:]}")
    if "Traceback" in words:
        faults.append(f"a traceback: {words.strip().splitlines()[-1][:200]}")
    left = checkpoints(runs)
    for path in left:
        try:
            torch.load(path, weights_only=True)
        except Exception as error:  # what the benchmark looks for
            faults.append(f"{path.name} is damaged: {error}")
            return faults
    if ends_well:
        return faults + differences(last_weights(runs), whole)
    after = bench.root / f"{runs.name}-after"
    resumed = bench.start(after, *options, *([f"--ckpt_path={left[-1]}"] if left else []))
    words = resumed.communicate()[1]
    if resumed.returncode:
        return [*faults, f"the resume fails: {words[-300:]}"]
    found = checkpoints(after) or checkpoints(runs)
    return faults + differences(torch.load(found[-1], weights_only=True)["state_dict"], whole)


def differences(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> list[str]:
    """Names of weights that are not the same bits."""
    names = [name for name in expected if not torch.equal(found[name], expected[name])]
    return [f"other weights: {', '.join(names[:3])}"] if names else []


def full_disk(bench: Bench, whole: dict[str, torch.Tensor]) -> list[str]:
    """The disk of the run folder is filled by somebody else once a checkpoint is kept."""
    with small_disk(bench.root / "full", "6m") as runs:
        process = bench.start(runs)
        wait_for_checkpoint(runs, process)
        with (runs / "filler").open("wb") as stream:
            try:
                while True:
                    stream.write(bytes(65_536))
                    stream.flush()
            except OSError:
                pass
        return judged(bench, runs, process, whole)


def read_only_disk(bench: Bench, whole: dict[str, torch.Tensor]) -> list[str]:
    """The disk of the run folder turns read-only once a checkpoint is kept."""
    with small_disk(bench.root / "readonly", "64m") as runs:
        process = bench.start(runs)
        wait_for_checkpoint(runs, process)
        os.kill(process.pid, signal.SIGSTOP)  # no file is open for writing for long
        for _ in range(50):
            done = subprocess.run(["mount", "-o", "remount,ro", runs], check=False)
            if done.returncode == 0:
                break
            os.kill(process.pid, signal.SIGCONT)
            time.sleep(0.02)
            os.kill(process.pid, signal.SIGSTOP)
        os.kill(process.pid, signal.SIGCONT)
        return judged(bench, runs, process, whole)


def killed_worker(bench: Bench, _: dict[str, torch.Tensor]) -> list[str]:
    """A worker process of the loader is killed."""
    runs = bench.root / "worker"
    process = bench.start(runs, "--data.num_workers=2", "--data.episodes_per_epoch=40")
    wait_for_checkpoint(runs, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    if not children:
        process.kill()
        return ["no worker was found to be killed"]
    os.kill(int(children[-1]), signal.SIGKILL)
    expected = bench.whole("--data.episodes_per_epoch=40")
    return judged(bench, runs, process, expected, "--data.episodes_per_epoch=40", ends_well=None)


def little_memory(bench: Bench, _: dict[str, torch.Tensor]) -> list[str]:
    """A fit may take no more memory than its imports do."""
    runs = bench.root / "memory"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3_000_000_000, 3_000_000_000))

    options = ("--data.split.max_train_rows=700", "--model.backbone.init_args.dim=512")
    process = bench.start(runs, *options, "--data.episode_rows=700", before=limit)
    words = process.communicate()[1]
    faults = [] if process.returncode else ["exit status 0"]
    return faults + (["a traceback: " + words[-200:]] if "Traceback" in words else [])


def clock_set_back(bench: Bench, whole: dict[str, torch.Tensor]) -> list[str]:
    """The clock is set back by a day in the middle of a fit."""
    runs = bench.root / "clock"
    process = bench.start(runs, BACKWARDS="1")
    return judged(bench, runs, process, whole, ends_well=True)


CASES: dict[str, Callable[[Bench, dict[str, torch.Tensor]], list[str]]] = {
    "full disk": full_disk,
    "read-only disk": read_only_disk,
    "killed worker": killed_worker,
    "little memory": little_memory,
    "clock set back": clock_set_back,
}
NEEDS_ROOT = ("full disk", "read-only disk")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the cases and prints what is wrong with each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=CASES, nargs="*", default=list(CASES))
    options = parser.parse_args(argv)
    count = 0
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        whole = bench.whole()
        for name in options.only:
            if name in NEEDS_ROOT and os.geteuid():
                print(f"{name}: skipped, as only root can make a small disk")
                continue
            faults = CASES[name](bench, whole)
            count += len(faults)
            print(f"{name}: {'; '.join(faults) or 'as it should be'}", flush=True)
    return count


if __name__ == "__main__":
    sys.exit(main())
