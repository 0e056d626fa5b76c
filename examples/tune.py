"""Optuna over `fit`: ratio, rate and freshness of the synthetic rows, chosen by validation rows.

`pip install 'lit-causalmix[tune]'`, then `python examples/tune.py --config quickstart --trials 20`.
The same command goes on where it was stopped, whatever stopped it: trials stand in
`OUT/trials.log`. At the end the whole fit runs once with the best settings, which `OUT/best.yaml`
keeps as an overlay.

A trial sees training and validation rows alone. It is pruned where its validation loss is behind
the median of the trials before it at the same epoch. The more trials, the more the best validation
score flatters: the test of the last fit is what counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import optuna
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from lit_causalmix.callbacks.exact_resume import make_exact
from lit_causalmix.commands.main import main as lit_causalmix
from lit_causalmix.study.fit_config import FitCLI, read_fragment
from lit_causalmix.study.merging import merged
from lit_causalmix.study.starting import starting_fragment
from lit_causalmix.training.moments import FitCallback
from lit_causalmix.training.task import CausalMixTask

CALLBACKS = ("ZeroShotBaseline", "DomainMetrics", "ZeroShotEarlyStopping", "BestWeights")
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class Pruning(FitCallback):
    """Tells a trial each validation loss, and ends it where Optuna gives it up."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial
        self.losses: list[float] = []

    def on_scored(self, trainer: pl.Trainer, task: CausalMixTask) -> None:
        self.losses.append(float(trainer.callback_metrics["val/loss"]))
        self.trial.report(self.losses[-1], step=trainer.current_epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def suggested(trial: optuna.Trial) -> dict[str, Any]:
    """The settings of a trial, as an overlay."""
    rate = trial.suggest_float("rate", 1e-6, 1e-3, log=True)
    ratio = trial.suggest_float("ratio", 0.0, 0.75, step=0.25)
    # Multiples of the real rows that are drawn once; null draws fresh rows for every step.
    freshness = trial.suggest_categorical("freshness", [None, 1.0, 4.0])
    return overlay({"rate": rate, "ratio": ratio, "freshness": freshness})


def overlay(values: dict[str, Any]) -> dict[str, Any]:
    """What `--config` takes, from the values that Optuna keeps."""
    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": values["rate"]}}
    data = {"synthetic_ratio": values["ratio"], "synthetic_size": values["freshness"]}
    return {"model": {"optimizer": optimizer}, "data": data}


def loss(trial: optuna.Trial, configs: Sequence[str]) -> float:
    """The best validation loss of a fit; it is not tested."""
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [{"class_path": f"lit_causalmix.callbacks.{name}"} for name in CALLBACKS]
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
        trainer = {**quiet, "callbacks": callbacks, "default_root_dir": folder}
        pieces = [read_fragment(name) for name in configs]
        whole = merged(starting_fragment(*pieces), *pieces, suggested(trial), {"trainer": trainer})
        cli = FitCLI(whole)
        make_exact(cli.trainer)
        pruning = Pruning(trial)
        cli.trainer.callbacks.append(pruning)
        cli.fit(model=cli.model, datamodule=cli.datamodule)
    return min(pruning.losses)


def search(configs: Sequence[str], trials: int, out: Path, seed: int = 0) -> optuna.Study:
    """Runs the trials that are missing; those that were killed are begun again."""
    out.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(out / "trials.log"))),
        study_name="fit",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1),
    )
    for killed in study.get_trials(states=[TrialState.RUNNING]):
        study.tell(killed.number, state=TrialState.FAIL)
        study.enqueue_trial(killed.params)
    while len(study.get_trials(states=ENDED)) < trials:
        # A sampler for each trial, so that one that goes on draws what it would have drawn.
        study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.get_trials(states=ENDED)))
        study.optimize(lambda trial: loss(trial, configs), n_trials=1)
    return study


def main(argv: Sequence[str] | None = None) -> int:
    """Searches, writes the best settings, and fits once with them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", action="append", required=True, help="a file or a packaged one")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("runs/tuning"))
    options = parser.parse_args(argv)
    study = search(options.config, options.trials, options.out)
    best = options.out / "best.yaml"
    best.write_text(yaml.safe_dump(overlay(study.best_params)), encoding="utf-8")
    print(f"best of {len(study.trials)} trials: validation loss {study.best_value:.4f}, {best}")
    configs = [word for name in (*options.config, str(best)) for word in ("--config", name)]
    return lit_causalmix(["fit", *configs])


if __name__ == "__main__":
    sys.exit(main())
