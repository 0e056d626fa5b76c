"""Starts fits, inspections and studies at the same moment, on one cold cache and one run root.

Each round starts two fits with different learning rates, two inspections and two runners of one
study, which share a cache that is empty and a folder for runs. What each fit reports has to be what
it reports alone, and its files have to carry its own identity; the study has to have each cell
once, with the scores that it has alone.

    python benchmarks/faults/together.py --rounds 20
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from interruptions import table

from lit_causalmix.commands.main import main

RATES = (0.001, 0.02)
TIMEOUT = 600

_GENERATOR = {
    "class_path": "lit_causalmix.generators.SCMGenerator",
    "init_args": {"n_dags": 2, "n_resamples": 1, "alphas": [0.05], "mechanism": "linear"},
}
_BACKBONE = {
    "class_path": "lit_causalmix.backbones.Tab2D",
    "init_args": {"dim": 16, "n_layers": 1},
}


def write_configurations(root: Path) -> None:
    """Writes the table and the configurations of all commands."""
    table(root / "table.csv", regression=False)
    data = {
        "table": {"source": "table.csv", "target": "target"},
        "generator": _GENERATOR,
        "cache_dir": "cache",
        "progress": False,
    }
    trainer = {
        "max_epochs": 2,
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    for number, rate in enumerate(RATES):
        optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": rate}}
        fit = {
            "model": {"backbone": _BACKBONE, "optimizer": optimizer},
            "data": data | {"episodes_per_epoch": 3},
            "trainer": trainer,
        }
        (root / f"fit{number}.yaml").write_text(yaml.safe_dump(fit))
    (root / "inspect.yaml").write_text(yaml.safe_dump({"data": data}))
    study = {
        "tables": [{"source": "table.csv", "target": "target", "domain": "test"}],
        "methods": {"default": "baselines/default", "scm": {"data": {"generator": _GENERATOR}}},
        "backbones": {"small": {"model": {"backbone": _BACKBONE}}},
        "seeds": [0],
        "base": {
            "data": {"episodes_per_epoch": 2, "cache_dir": "cache"},
            "trainer": {"max_epochs": 1, "accelerator": "cpu"},
        },
    }
    (root / "study.yaml").write_text(yaml.safe_dump(study))


def commands() -> dict[str, list[str]]:
    """The commands of a round by name."""
    study = ["study", "run", "--config", "study.yaml", "--out", "study", "--threads", "1"]
    return {
        **{f"fit{n}": ["fit", "--config", f"fit{n}.yaml"] for n in range(len(RATES))},
        **{
            f"inspect{n}": ["inspect", "--config", "inspect.yaml", "--out", f"i{n}.html"]
            for n in range(2)
        },
        **{f"study{n}": study for n in range(2)},
    }


def _child(folder: Path, name: str, args: Sequence[str], barrier: Any) -> None:
    os.chdir(folder)
    with Path(f"{name}.txt").open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.argv = ["lit-causalmix", *args]
    barrier.wait()
    status = main(list(args))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run_all(folder: Path, named: dict[str, list[str]]) -> dict[str, int | None]:
    """Starts commands at the same moment in a folder; returns how each ended."""
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(len(named))
    started = {
        name: fork.Process(target=_child, args=(folder, name, args, barrier))
        for name, args in named.items()
    }
    for process in started.values():
        process.start()
    for process in started.values():
        process.join(TIMEOUT)
        if process.exitcode is None:
            os.kill(process.pid or 0, signal.SIGKILL)
    return {name: process.exitcode for name, process in started.items()}


def fits(folder: Path) -> dict[float, dict[str, Any]]:
    """The reports of the finished fits by learning rate; checks that each has its own files."""
    found: dict[float, dict[str, Any]] = {}
    for run in sorted((folder / "runs" / "fit").glob("version_*")):
        rate = yaml.safe_load((run / "config.yaml").read_text())["model"]["optimizer"]
        identity = json.loads((run / "run.json").read_text())["id"]
        report = json.loads((run / "report.json").read_text())
        for name in ("best.ckpt", "checkpoints/last.ckpt"):
            content = torch.load(run / name, weights_only=True)
            if content["run"]["id"] != identity:
                raise RuntimeError(f"{run / name} is of another run")
        weights = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        found[rate["init_args"]["lr"]] = {
            "rows": report["rows"],
            "history": report["history"],
            "weights": {name: value.tolist() for name, value in weights.items()},
        }
    return found


def cells(folder: Path) -> dict[str, Any]:
    """The scores of a study's cells by key."""
    paths = (folder / "study" / "cells").glob("*.json")
    records = [json.loads(path.read_text()) for path in paths]
    return {record["key"]: (record["status"], record.get("scores")) for record in records}


def run() -> int:
    """Runs the rounds and prints their counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    import lit_causalmix.commands.trainer
    import lit_causalmix.study.runner  # noqa: F401  # both before the forks

    counts: Counter[str] = Counter()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="together-") as scratch:
        alone = Path(scratch) / "alone"
        alone.mkdir()
        write_configurations(alone)
        for name, command in commands().items():
            run_all(alone, {name: command})
        expected = fits(alone), cells(alone)
        for number in range(args.rounds):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            write_configurations(folder)
            ends = run_all(folder, commands())
            failed = {name: end for name, end in ends.items() if end}
            counts["rounds"] += 1
            counts["commands"] += len(ends)
            counts["failed"] += len(failed)
            mixed = [
                n
                for n, (a, b) in enumerate(
                    zip(expected, (fits(folder), cells(folder)), strict=True)
                )
                if a != b
            ]
            counts["mixed"] += bool(mixed)
            for name in failed:
                print(number, name, (folder / f"{name}.txt").read_text()[-600:], flush=True)
            if mixed:
                print(number, "differ:", [("fits", "cells")[n] for n in mixed], flush=True)
    print(f"{dict(counts)} in {time.monotonic() - start:.0f} s")
    return int(counts["failed"] + counts["mixed"] > 0)


if __name__ == "__main__":
    sys.exit(run())
