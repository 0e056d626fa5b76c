"""Damaged checkpoints: each is refused in one line, or gives the very same scores.

`python benchmarks/faults/checkpoints.py --count 1000` fits a small random model once, damages its
`last.ckpt` and `best.ckpt` at random (bits, cuts, holes, foreign bytes) and tests them, or, for one
in ten, goes on with the fit. A command that ends in another error than ours, takes long, or gives
other scores without a word is a fault; the exit status is their number, at most 100.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from damage import damage_bytes
from endings import Endings, ending

from lit_causalmix.commands.main import main as command
from lit_causalmix.seeding import rng

SLOW = 60.0
"""Seconds of processor time after which a command counts as hanging."""

_SETTINGS = """
model:
  backbone:
    class_path: lit_causalmix.backbones.Tab2D
    init_args: { dim: 16, n_layers: 1 }
  optimizer:
    class_path: torch.optim.AdamW
    init_args: { lr: 0.001 }
data:
  table: { source: sklearn:iris }
  split: { max_train_rows: 40, max_val_rows: 20, max_test_rows: 20 }
  synthetic_ratio: 0.0
  episodes_per_epoch: 2
  progress: false
trainer:
  max_epochs: 3
  accelerator: cpu
  enable_progress_bar: false
  enable_model_summary: false
"""


class Bench:
    """Runs commands below one folder.

    Args:
        root: An empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "settings.yaml").write_text(_SETTINGS, encoding="utf-8")

    def run(self, name: str, runs: Path, *options: str) -> tuple[int, str, list[Any]]:
        """Runs `fit` or `test`; returns the exit status, what stderr says and the test scores."""
        words = io.StringIO()
        arguments = ["--config", str(self.root / "settings.yaml")]
        arguments += [f"--trainer.logger.save_dir={runs}", f"--trainer.default_root_dir={runs}"]
        with contextlib.redirect_stderr(words), contextlib.redirect_stdout(io.StringIO()):
            status = command([name, *arguments, *options])
        reports = sorted(runs.rglob("report.json"), key=lambda path: path.stat().st_mtime_ns)
        rows = json.loads(reports[-1].read_text(encoding="utf-8"))["rows"] if reports else []
        return status, words.getvalue(), [row["fine_tuned"] for row in rows]


def outcome(bench: Bench, name: str, path: Path, expected: list[Any]) -> str:
    """What a command with a damaged checkpoint comes to."""
    runs = bench.root / "runs"

    def scores() -> str:
        status, words, found = bench.run(name, runs, f"--ckpt_path={path}")
        if status:
            return "refused" if len(words.strip().splitlines()) <= 2 else f"many lines: {words}"
        return "same scores" if found == expected else "other scores"

    found = ending(scores, slow=SLOW)
    shutil.rmtree(runs, ignore_errors=True)
    return found


def main() -> int:
    """Runs the cases and prints how they ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    endings = Endings()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        whole = Path(scratch) / "whole"
        status, words, fitted = bench.run("fit", whole)
        if status:
            raise RuntimeError(f"the undamaged fit failed: {words}")
        kept = {path.name: path for path in whole.rglob("*.ckpt")}
        expected = {
            name: bench.run("test", Path(scratch) / f"of-{name}", f"--ckpt_path={path}")[2]
            for name, path in kept.items()
        }
        for case in range(options.count):
            random = rng(options.seed, "checkpoints", case)
            name = str(random.choice(sorted(kept)))
            resumes = name == "last.ckpt" and random.random() < 0.1
            damaged = Path(scratch) / "damaged" / name
            damaged.parent.mkdir(exist_ok=True)
            damaged.write_bytes(damage_bytes(kept[name].read_bytes(), random))
            found = outcome(
                bench,
                "fit" if resumes else "test",
                damaged,
                fitted if resumes else expected[name],
            )
            endings.add(f"case {case} ({'fit' if resumes else 'test'}, {name})", found)
    return endings.close()


if __name__ == "__main__":
    sys.exit(main())
