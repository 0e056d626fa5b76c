"""By which rule `auto` chooses: fits of its candidates on development tables, and rules on them.

    LIT_CAUSALMIX_DATA=FOLDER:OTHER python benchmarks/auto_rules.py fit --folder runs/auto-rules
    python benchmarks/auto_rules.py judge --folder runs/auto-rules --out docs/results/auto-rules.md

The first command fits every candidate of `auto` in the grid `evidence` on all of its folds, for
each table of the development half, and keeps what the candidates predict at every validation, for
the rows that the folds hold out and for the test rows. The second has each rule choose by the
held-out rows and scores its choice by the test rows, so that rules are compared without another
fit; the gains of each table lie beside the page, as CSV, and tables that are there stay.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from folds import headline, predicted
from joblib import Parallel, delayed
from safetensors.numpy import load_file, save_file
from study_tables import numbers_right, plan_of

from lit_causalmix.ensembles import (
    Predicted,
    fold_folder,
    member_weights,
    run_folds,
)
from lit_causalmix.ensembles.choice import pooled, standard_errors
from lit_causalmix.ensembles.predictions import row_losses
from lit_causalmix.errors import LitCausalMixError
from lit_causalmix.files.atomic import replacing
from lit_causalmix.pages import markdown
from lit_causalmix.pages.content import Part, Section
from lit_causalmix.study.candidates import read_candidates, without_auto
from lit_causalmix.study.fit_config import FitCLI
from lit_causalmix.study.fold_fits import FoldSettings
from lit_causalmix.study.grid import Cell
from lit_causalmix.study.merging import merged
from lit_causalmix.study.quiet import quietly
from lit_causalmix.study.report.summary import WORSE
from lit_causalmix.study.report.words import estimate, plain
from lit_causalmix.study.statistics import student_interval

Arrays = dict[str, np.ndarray]
PARTS = ("held_out", "test")
BARS, ERRORS = (0.0, 0.25, 0.5, 1.0, 2.0), (0.5, 1.0, 1.5, 2.0)
PREFACE = """# By which rule auto chooses

Written by `benchmarks/auto_rules.py`: tables of the development half, one seed, the
embedded model's version 2.
The candidates (default fine-tuning, CausalMixFT, counterfactual and jittered rows, as in the grid
`evidence`) are fitted on three folds; each rule chooses among them, their steps and zero-shot by
what they predict for the rows that the folds hold out, and is judged by the test rows. Gains are in
percent of zero-shot, ROC-AUC or RMSE; the mean over tables has Student's 95 % interval. Tables with
fewer rows than an episode and a fold need are left out.

*By score*: ROC-AUC or RMSE; *by loss*: log-loss or RMSE. Standard errors are of the mean gain in
loss over the held-out rows.

`configs/auto.yaml` takes the best *by loss, above 1.5 standard errors*: of the rules that choose
one candidate among all, it gains most of those that leave at most one table in twenty worse by
more than 0.1, both kinds together. The bar before was 1 % by score. A bar of 0.25 % by loss, the
first choice on 31 of these tables, was tried on 23 tables of the report half before it was
dropped: mean −0.12, 35 % of them worse by more than 0.1. Blends of models gain no more than
single ones beyond chance. Nor does the choice among candidates: default fine-tuning on the same
folds, *real rows alone*, gains as much under the same bar.
"""


def tested(settings: FoldSettings, folder: Path, fold: int, steps: Sequence[int]) -> np.ndarray:
    """What a fold's model predicts for the test rows after each step: float (steps, n, ...)."""
    with quietly():
        cli = settings.build(settings.of(fold, folder))
        weights = [member_weights(fold_folder(folder, fold), step) for step in steps]
        found = predicted(cli.model, cli.datamodule, weights)
    return torch.stack([rows.predictions for rows in found]).numpy()


def fitted(cell: Cell, scratch: Path) -> Arrays:
    """Predictions of all candidates of a cell, by candidate, for held-out and for test rows."""
    auto, config = without_auto(cell.config)
    assert auto is not None
    cli = FitCLI(merged(config))
    data = cli.datamodule
    data.read()
    kept: Arrays = {
        "target/test": data.splits.test.target,
        "classes": np.array(data.is_classification),
    }
    for name, recipe in read_candidates(auto).items():
        settings = FoldSettings(merged(config, recipe), progress=False)
        folder = scratch / name
        held_out = run_folds(settings, folder, settings.folds, settings="")
        steps = held_out[0].steps
        rows = [pooled(held_out, step) for step in steps]
        tests = [tested(settings, folder, fold, steps) for fold in range(settings.folds)]
        kept |= {
            f"held_out/{name}": torch.stack([r.predictions for r in rows]).float().numpy(),
            f"test/{name}": np.mean(tests, axis=0).astype(np.float32),
            "target/held_out": rows[0].target.numpy(),
        }
    return kept


def fit(cell: Cell, out: Path) -> None:
    """Makes the file of a cell where there is none."""
    path = out / f"{cell.labels['table']}-{cell.labels['seed']}.safetensors"
    if path.exists():
        return
    torch.set_num_threads(1)
    start = time.process_time()
    try:
        with quietly(), tempfile.TemporaryDirectory(prefix="auto-rules-") as scratch:
            kept = fitted(cell, Path(scratch))
    except LitCausalMixError as error:  # a class with fewer rows than folds
        sys.stderr.write(f"{path.stem}: {error}\n")
        return
    with replacing(path) as scratch_file:
        save_file({name: np.ascontiguousarray(value) for name, value in kept.items()}, scratch_file)
    sys.stderr.write(f"{path.stem}: {time.process_time() - start:.0f} s\n")


class Fits:
    """What the candidates of one table predicted; step 0 of each is zero-shot.

    Attributes:
        classification: Whether targets are classes.
        target: Of the held-out and of the test rows.
        found: Part → candidate → predictions after each step, zero-shot first.
    """

    def __init__(self, kept: Mapping[str, np.ndarray]) -> None:
        self.classification = bool(kept["classes"])
        self.target = {part: kept[f"target/{part}"] for part in PARTS}
        self.found: dict[str, dict[str, np.ndarray]] = {part: {} for part in PARTS}
        for key in sorted(kept):
            part, _, name = key.partition("/")
            if part in PARTS:
                self.found[part][name] = kept[key].astype(float)

    @property
    def kind(self) -> str:
        """Of the task."""
        return "classification" if self.classification else "regression"

    def rows(self, predictions: np.ndarray, part: str) -> Predicted:
        """Predictions with the targets of their rows."""
        target = self.target[part].astype("int64" if self.classification else float)
        n = len(target)
        facts = (torch.from_numpy(target), torch.arange(n), torch.zeros(n, dtype=torch.int8))
        return Predicted(torch.from_numpy(np.ascontiguousarray(predictions)), *facts)

    def score(self, metric: str, predictions: np.ndarray, part: str) -> float:
        """A metric: "loss" is log-loss or RMSE, "headline" ROC-AUC or RMSE."""
        rows = self.rows(predictions, part)
        if metric == "headline":
            return headline(rows, self.classification)
        mean = float(row_losses(rows, classification=self.classification).mean())
        return mean if self.classification else math.sqrt(mean)

    def gain(self, metric: str, predictions: np.ndarray, part: str) -> float:
        """Percent of zero-shot's score that predictions gain."""
        sign = 1.0 if metric == "headline" and self.classification else -1.0
        start = self.score(metric, self.zero_shot(part), part)
        return 100.0 * sign * (self.score(metric, predictions, part) - start) / abs(start)

    def zero_shot(self, part: str) -> np.ndarray:
        """What the pre-trained weights predict."""
        return next(iter(self.found[part].values()))[0]


Answer = Mapping[str, np.ndarray]
"""Part → predictions."""
Rule = Callable[[Fits], Answer]
"""Chooses by the held-out rows."""


def zero_shot(fits: Fits) -> Answer:
    """What the pre-trained weights predict."""
    return {part: fits.zero_shot(part) for part in PARTS}


def best(metric: str, names: Sequence[str] | None = None) -> Rule:
    """The candidate and step with the highest gain on held-out rows."""

    def choose(fits: Fits) -> Answer:
        found = fits.found["held_out"]
        tried = [
            (fits.gain(metric, predictions, "held_out"), name, step)
            for name in names or found
            for step, predictions in enumerate(found[name])
            if step
        ]
        _, name, step = max(tried, key=lambda t: t[0] if math.isfinite(t[0]) else -math.inf)
        return {part: fits.found[part][name][step] for part in PARTS}

    return choose


def bar(rule: Rule, metric: str, least: float) -> Rule:
    """What a rule chooses, where it gains more than so many percent of a metric."""

    def choose(fits: Fits) -> Answer:
        answer = rule(fits)
        gain = fits.gain(metric, answer["held_out"], "held_out")
        return answer if gain > least else zero_shot(fits)

    return choose


def sure(rule: Rule, errors: float) -> Rule:
    """What a rule chooses, where its rows gain more loss than so many standard errors."""

    def choose(fits: Fits) -> Answer:
        answer = rule(fits)
        before, after = (
            fits.rows(predictions, "held_out")
            for predictions in (fits.zero_shot("held_out"), answer["held_out"])
        )
        found = standard_errors(before, after, classification=fits.classification)
        return answer if found > errors else zero_shot(fits)

    return choose


def mean(*rules: Rule) -> Rule:
    """The mean of what rules choose."""

    def choose(fits: Fits) -> Answer:
        answers = [rule(fits) for rule in rules]
        return {part: np.mean([answer[part] for answer in answers], axis=0) for part in PARTS}

    return choose


def every(fits: Fits) -> Answer:
    """The mean of all candidates, each after its best step, or at zero-shot if none gains."""
    return mean(*(bar(best("loss", [name]), "loss", 0.0) for name in fits.found["test"]))(fits)


def greedy(rounds: int) -> Rule:
    """Greedy selection with replacement (Caruana et al., 2004), zero-shot first, by loss."""

    def choose(fits: Fits) -> Answer:
        total, taken = dict(zero_shot(fits)), 1
        for _ in range(rounds - 1):
            tried = {
                (name, step): fits.gain("loss", (total["held_out"] + p) / (taken + 1), "held_out")
                for name, predictions in fits.found["held_out"].items()
                for step, p in enumerate(predictions)
            }
            name, step = max(tried, key=tried.__getitem__)
            total = {part: total[part] + fits.found[part][name][step] for part in PARTS}
            taken += 1
        return {part: total[part] / taken for part in PARTS}

    return choose


BY_LOSS, ALONE, BLEND = best("loss"), best("loss", ["default"]), cache(greedy(20))
RULES: Mapping[str, Rule] = {
    "real rows alone, by loss": bar(ALONE, "loss", 0.0),
    **{f"by loss, above {b:g} %": bar(BY_LOSS, "loss", b) for b in BARS},
    **{f"by score, above {b:g} %": bar(best("headline"), "headline", b) for b in BARS},
    **{f"by loss, above {e:g} standard errors": sure(BY_LOSS, e) for e in ERRORS},
    **{f"real rows alone, above {e:g} standard errors": sure(ALONE, e) for e in ERRORS},
    "halfway to the best by loss": mean(zero_shot, bar(BY_LOSS, "loss", 0.0)),
    "mean of all, each after its best step": every,
    "greedy blend": BLEND,
    **{f"greedy blend, above {e:g} standard errors": sure(BLEND, e) for e in ERRORS},
}


def judged(folder: Path) -> pd.DataFrame:
    """Gains on test rows in percent of zero-shot: a row per table, a column per rule."""
    rows = []
    for path in sorted(folder.glob("*.safetensors")):
        fits = Fits(load_file(path))
        gains = {
            name: fits.gain("headline", rule(fits)["test"], "test") for name, rule in RULES.items()
        }
        rows.append({"table": path.stem.rpartition("-")[0], "kind": fits.kind} | gains)
    return pd.DataFrame(rows)


def with_known(found: pd.DataFrame, csv: Path) -> pd.DataFrame:
    """Adds the tables that an earlier page had, of the same rules."""
    found = found.round(4)
    if csv.exists():
        known = pd.read_csv(csv)
        found = pd.concat([known[~known["table"].isin(found["table"])], found])
    return found.sort_values("table", ignore_index=True)


def page(found: pd.DataFrame) -> str:
    """Every rule, classification and regression apart, in Markdown."""
    head = ("rule", "mean gain", "SD", "better", "worse by > 0.1", "to real rows alone")
    sections = []
    for kind, part in found.groupby("kind"):
        wide = part[list(RULES)].dropna()
        alone = wide[next(iter(RULES))]
        rows = [
            (
                *(str(name), interval(gains), plain(gains.std())),
                *(f"{(gains > 0).mean():.0%}", f"{(gains < WORSE).mean():.0%}"),
                interval(gains - alone),
            )
            for name, gains in wide.items()
        ]
        title = f"{str(kind).capitalize()}, {len(wide)} tables"
        sections.append(Section("", title, [Part([numbers_right(head, rows)])]))
    return f"{PREFACE}\n{markdown.render(sections)}"


def interval(values: pd.Series) -> str:
    """The mean with Student's 95 % interval."""
    return estimate(student_interval(values.to_numpy(), level=0.95))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["fit", "judge"])
    parser.add_argument("--folder", type=Path, required=True, help="of the predictions")
    parser.add_argument("--out", type=Path, help="Markdown file that judge writes")
    parser.add_argument("--tables", default="[development]", help="a YAML list")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.what == "judge":
        csv = options.out.with_suffix(".csv")
        found = with_known(judged(options.folder), csv)
        options.out.write_text(page(found), encoding="utf-8")
        found.to_csv(csv, index=False)
        return
    cells = plan_of("evidence", tables=yaml.safe_load(options.tables), seeds=[0], grids=[])
    chosen = [cell for cell in cells if cell.labels["method"] == "auto"]
    random.Random(0).shuffle(chosen)  # so that a part of them has tables of every kind
    Parallel(n_jobs=options.jobs)(delayed(fit)(cell, options.folder) for cell in chosen)


if __name__ == "__main__":
    main()
