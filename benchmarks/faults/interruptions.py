"""Interrupts real fits, goes on with them, and compares with fits that nobody interrupted.

A fit is ended once to three times by SIGINT, SIGTERM or SIGKILL: in the middle of a batch, of an
optimiser step, of a validation, at its end, or while a file is written. Each time it goes on from
the newest checkpoint, as the message says, or anew where there is none yet. In the end the weights,
the scores and the episodes of every step have to be those of the uninterrupted fit, to the bit.

    python benchmarks/faults/interruptions.py --count 200 --ranks 6 --out report.json

Fits with one process are forked from this one, which saves their imports; those with two run as
`python -m lit_causalmix`, as Lightning starts its ranks itself.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from moments import HOOKS

from lit_causalmix.commands.main import main

FOLDER = Path(__file__).resolve().parent
TIMEOUT = 900

SCHEDULES: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "linear": [
        {
            "class_path": "lit_causalmix.callbacks.RatioSchedule",
            "init_args": {
                "schedule": {
                    "class_path": "lit_causalmix.training.schedules.Linear",
                    "init_args": {"start": 1.0, "end": 0.0},
                }
            },
        }
    ],
    "cosine": [
        {
            "class_path": "lit_causalmix.callbacks.RatioSchedule",
            "init_args": {
                "schedule": {
                    "class_path": "lit_causalmix.training.schedules.Cosine",
                    "init_args": {"start": 0.8, "end": 0.2},
                }
            },
        }
    ],
    "confidence": [{"class_path": "lit_causalmix.callbacks.ConfidenceCurriculum"}],
}


@dataclass(frozen=True)
class Setting:
    """A configuration of a fit."""

    regression: bool
    workers: int
    ranks: int
    schedule: str
    ema: bool
    interpolation: bool
    patience: int
    accumulate: int


@dataclass(frozen=True)
class Interruption:
    """One end of a fit before its time."""

    kind: str
    n: int
    signum: int
    rank: int
    twice: bool


def settings(generator: random.Random, ranks: int) -> Setting:
    """Draws a configuration out of a few dozen, so that uninterrupted fits are shared."""
    recipe = generator.choice(
        [
            ("none", False, False, 50, 1),
            ("none", True, True, 50, 1),
            ("linear", True, False, 50, 2),
            ("cosine", False, True, 1, 1),
            ("confidence", False, False, 50, 2),
        ]
    )
    return Setting(generator.random() < 0.5, generator.choice([0, 2]), ranks, *recipe)


def chain(generator: random.Random, ranks: int) -> list[Interruption]:
    """Draws one to three interruptions."""
    drawn = []
    for _ in range(generator.choice([1, 1, 2, 3])):
        kind = generator.choice([*HOOKS, "writing", "writing", "writing"])
        most = {"writing": 12, "epoch": 2, "validated": 2, "validation": 2}.get(kind, 6)
        signum = generator.choice([signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
        rank = generator.randrange(ranks)
        twice = signum == signal.SIGINT and generator.random() < 0.15
        drawn.append(Interruption(kind, generator.randint(1, most), int(signum), rank, twice))
    return drawn


def table(path: Path, *, regression: bool) -> None:
    """Writes a small table of mixed columns."""
    rng = np.random.default_rng(0)
    n = 90
    colour = rng.choice(["red", "green", "blue"], n)
    size = rng.normal(size=n)
    target = size + (colour == "red") + rng.normal(0, 0.3, n)
    columns = {"size": size, "colour": colour, "age": rng.integers(18, 80, n)}
    columns["target"] = target if regression else np.where(target > 0.3, "yes", "no")
    pd.DataFrame(columns).to_csv(path, index=False)


def config(setting: Setting, log: Path, interruption: Interruption | None) -> dict[str, Any]:
    """The configuration of a fit on top of the default one; tables stand beside its folders."""
    root = next(path for path in log.parents if (path / "regression.csv").exists())
    callbacks = [
        {"class_path": "moments.EpisodeLog", "init_args": {"path": str(log)}},
        *SCHEDULES[setting.schedule],
    ]
    if setting.ema:
        ema = {"class_path": "lit_causalmix.callbacks.EMAWeights", "init_args": {"decay": 0.5}}
        callbacks.append(ema)
    if setting.interpolation:
        points = {"coefficients": [0.5]}
        name = "lit_causalmix.callbacks.WeightInterpolation"
        callbacks.append({"class_path": name, "init_args": points})
    if interruption is not None:
        callbacks.append({"class_path": "moments.Moment", "init_args": asdict(interruption)})
    stopping = {"patience": setting.patience}
    task = "regression" if setting.regression else "classification"
    return {
        "model": {
            "backbone": {
                "class_path": "lit_causalmix.backbones.Tab2D",
                "init_args": {"dim": 16, "n_layers": 1, "task": task},
            },
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.01}},
            "lr_scheduler": {
                "class_path": "torch.optim.lr_scheduler.ExponentialLR",
                "init_args": {"gamma": 0.9},
            },
        },
        "data": {
            "table": {"source": str(root / f"{task}.csv"), "target": "target"},
            "generator": {
                "class_path": "lit_causalmix.generators.SCMGenerator",
                "init_args": {
                    "n_dags": 2,
                    "n_resamples": 1,
                    "alphas": [0.05],
                    "mechanism": "linear",
                },
            },
            "episodes_per_epoch": 4,
            "num_workers": setting.workers,
            "cache_dir": str(root / "cache"),
            "progress": False,
        },
        "trainer": {
            "max_epochs": 3,
            "accelerator": "cpu",
            "devices": setting.ranks,
            "strategy": "ddp" if setting.ranks > 1 else "auto",
            "accumulate_grad_batches": setting.accumulate,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "callbacks": _defaults(stopping, callbacks),
        },
    }


def _defaults(stopping: dict[str, Any], further: list[dict[str, Any]]) -> list[dict[str, Any]]:
    own = "lit_causalmix.callbacks"
    saved = {
        "filename": "last",
        "enable_version_counter": False,
        "save_on_train_epoch_end": True,
    }
    return [
        {"class_path": f"{own}.ZeroShotBaseline"},
        {"class_path": f"{own}.DomainMetrics"},
        {"class_path": f"{own}.ZeroShotEarlyStopping", "init_args": stopping},
        {"class_path": f"{own}.RunReport"},
        {"class_path": f"{own}.BestWeights"},
        *further,
        {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": saved},
    ]


def _usual_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _child(folder: Path, args: list[str]) -> None:
    os.chdir(folder)
    os.setsid()
    with Path("output.txt").open("a") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    _usual_signals()
    sys.argv = ["lit-causalmix", *args]
    status = main(args)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def fit(folder: Path, setting: Setting, interruption: Interruption | None) -> int:
    """Runs a fit in a folder, from the newest checkpoint there; returns how it ended."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "fit.yaml"
    path.write_text(yaml.safe_dump(config(setting, folder / "episodes", interruption)))
    args = ["fit", "--config", str(path)]
    checkpoint = newest(folder)
    if checkpoint is not None:
        args += ["--ckpt_path", str(checkpoint.relative_to(folder))]
    if setting.ranks == 1:
        process = multiprocessing.get_context("fork").Process(target=_child, args=(folder, args))
        process.start()
        process.join(TIMEOUT)
        if process.exitcode is None:
            os.killpg(process.pid or 0, signal.SIGKILL)
            return -1000
        return process.exitcode
    env = {k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "NODE_RANK")}
    env |= {"PYTHONPATH": str(FOLDER), "OMP_NUM_THREADS": "1"}
    with (folder / "output.txt").open("a") as output:
        command = [sys.executable, "-m", "lit_causalmix", *args]
        running = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_usual_signals,
        )
        try:
            status = running.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            status = -1000
        if status:  # what a killed rank leaves behind
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
        return status


def newest(folder: Path) -> Path | None:
    """The checkpoint of the latest run that has one."""
    runs = sorted((folder / "runs" / "fit").glob("version_*"), key=lambda p: int(p.name[8:]))
    found = [run / "checkpoints" / "last.ckpt" for run in runs]
    return next((path for path in reversed(found) if path.is_file()), None)


def outcome(folder: Path) -> dict[str, Any]:
    """What a finished fit leaves: weights, scores, curves and the episodes of its steps."""
    runs = sorted((folder / "runs" / "fit").glob("version_*"), key=lambda p: int(p.name[8:]))
    report = json.loads((runs[-1] / "report.json").read_text())
    last = newest(folder)
    assert last is not None
    episodes: dict[tuple[str, int, int], set[str]] = {}
    for path in sorted(folder.glob("episodes.*")):
        for line in path.read_text().splitlines():
            epoch, index, digest = json.loads(line)
            episodes.setdefault((path.name, epoch, index), set()).add(digest)
    return {
        "last": torch.load(last, weights_only=True)["state_dict"],
        "best": torch.load(_best(runs[-1], report), weights_only=True)["state_dict"],
        "rows": report["rows"],
        "history": report["history"],
        "best_step": report["best_step"],
        "episodes": episodes,
    }


def _best(run: Path, report: dict[str, Any]) -> Path:
    own = run / "best.ckpt"
    return own if own.is_file() else run.parents[2] / report["best_checkpoint"]


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """What differs between two finished fits."""
    found = [name for name in ("rows", "history", "best_step", "episodes") if a[name] != b[name]]
    for name in ("last", "best"):
        if not all(torch.equal(value, b[name][key]) for key, value in a[name].items()):
            found.append(f"{name} weights")
    return found


def case(root: Path, number: int, seed: int, ranks: int) -> dict[str, Any]:
    """Interrupts one fit, lets it go on to its end, and compares."""
    generator = random.Random(f"{seed}/{number}")
    setting, interruptions = settings(generator, ranks), chain(generator, ranks)
    whole = root / "whole" / "-".join(str(value) for value in asdict(setting).values())
    result: dict[str, Any] = {"case": number, "setting": asdict(setting), "ends": []}
    result["interruptions"] = [asdict(i) for i in interruptions]
    if not (whole / "done").exists():
        status = fit(whole, setting, None)
        if status:
            return result | {"crash": f"the uninterrupted fit ended with {status}"}
        (whole / "done").touch()
    broken = root / "broken" / str(number)
    for interruption in interruptions:
        status = fit(broken, setting, interruption)
        result["ends"].append(status)
        if status == 0:  # it was over before that moment came
            break
        if status not in allowed(interruption, ranks):
            return result | {"crash": f"ended with {status}: {_said(broken)}"}
    else:
        status = fit(broken, setting, None)
        if status:
            return result | {"crash": f"going on ended with {status}: {_said(broken)}"}
    if ranks == 1 and "Traceback" in (broken / "output.txt").read_text():
        result["crash"] = f"traceback: {_said(broken)}"
    result["differences"] = differences(outcome(whole), outcome(broken))
    if not result["differences"] and "crash" not in result:
        shutil.rmtree(broken)
    return result


def allowed(interruption: Interruption, ranks: int) -> Container[int]:
    """The exit statuses of a fit that was interrupted.

    Where one rank of several dies alone, the others end by the loss of their connection to it.
    """
    own = {128 + interruption.signum, -interruption.signum}
    if ranks > 1 and (interruption.twice or interruption.signum == signal.SIGKILL):
        return own | {*range(-255, 0), *(range(1, 255) if interruption.rank else ())}
    return own


def _said(folder: Path) -> str:
    return " | ".join((folder / "output.txt").read_text().splitlines()[-3:])[-400:]


def warm_up(root: Path) -> None:
    """Imports what a fit imports on its way, by one, so that forked fits need not."""
    setting = Setting(False, 0, 1, "none", True, True, 1, 1)
    folder = root / "warm"
    folder.mkdir()
    content = config(setting, folder / "episodes", None)
    (folder / "fit.yaml").write_text(yaml.safe_dump(content | {"seed_everything": 0}))
    here = Path.cwd()
    os.chdir(folder)
    sys.argv = ["lit-causalmix"]
    with contextlib.redirect_stdout(io.StringIO()):
        main(["fit", "--config", "fit.yaml"])
    os.chdir(here)


def cases(root: Path, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """All cases, those with two ranks first."""
    for number in range(args.first, args.first + args.count):
        ranks = 2 if number < args.first + args.ranks else 1
        yield case(root, number, args.seed, ranks)


def run() -> int:
    """Runs the cases and prints their counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="fits to interrupt")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--ranks", type=int, default=0, help="how many of them with two ranks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None, help="JSON lines, one for each case")
    args = parser.parse_args()
    torch.set_num_threads(1)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="interruptions-") as folder:
        root = Path(folder)
        table(root / "classification.csv", regression=False)
        table(root / "regression.csv", regression=True)
        warm_up(root)
        start = time.monotonic()
        for result in cases(root, args):
            counts["fits"] += 1
            ended = [e for e in result["ends"] if e]
            counts["interruptions"] += len(ended)
            counts["crashes"] += "crash" in result
            counts["different"] += bool(result.get("differences"))
            if args.out is not None:
                with args.out.open("a") as stream:
                    stream.write(json.dumps(result) + "\n")
            if "crash" in result or result.get("differences"):
                print(json.dumps(result), flush=True)
        print(f"{dict(counts)} in {time.monotonic() - start:.0f} s")
    return int(counts["crashes"] + counts["different"] > 0)


if __name__ == "__main__":
    sys.exit(run())
