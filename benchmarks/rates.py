"""The page on rate, steps and selection of a plain fit, from the cells of three studies.

    lit-causalmix study export --config rates --to docs/results/rates.jsonl.gz
    lit-causalmix study export --config rates-nano2 --to docs/results/rates-nano2.jsonl.gz
    lit-causalmix study export --config rates-nano3 --to docs/results/rates-nano3.jsonl.gz
    python benchmarks/rates.py --out docs/results/rates.md

reads the cells beside the output file. Fits ran without early stopping and were scored every ten
steps, so that each shorter fit, and each rule of selection, is read off the same cells: the weights
of the best score of the validation rows among the first steps, zero-shot included. Tables are taken
that every rate has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from study_tables import numbers_right, records_of, write_page

from lit_causalmix.pages.content import Element, Paragraph, Part, Section, Table
from lit_causalmix.study.record import OK, Record
from lit_causalmix.study.report.summary import WORSE
from lit_causalmix.study.report.words import estimate, signed
from lit_causalmix.study.results import headline, number
from lit_causalmix.study.statistics import student_interval

STUDIES = {
    "rates-nano3": (3, (20, 40, 60), True),
    "rates-nano2": (2, (20, 40, 60), True),
    "rates": (1, (20, 40, 60, 90, 120), False),
}
"""Study -> generation of the embedded model, steps that are read off, whether patience is told."""
CHOSEN, CHOSEN_STEPS = "rate-1e-4", 40
KINDS = ("classification", "regression")

PREFACE = """# Rate, steps and selection of a plain fit

Written by `benchmarks/rates.py` from the cells of

```console
$ export LIT_CAUSALMIX_DATA=FOLDER:OTHER
$ lit-causalmix study run --config rates-nano3 --jobs 2
$ lit-causalmix study run --config rates-nano2 --jobs 2    # version 2
$ lit-causalmix study run --config rates --jobs 2          # version 1
```

as far as they are there. Normalised ROC-AUC (classification) or RMSE (regression) of the test
rows, in percent of zero-shot, on tables of the development half; mean over tables with Student's
95 % interval.

**What was chosen** for a plain fit of `Nano` (`configs/finetune/nano.yaml`): 1e-4 and 40 steps, the
weights selected by the loss of the validation rows. With version 3 that gains most in
classification, all of it in the first 20 steps (a fit ends after 23 on average); in regression no
rate and no number of steps gains what these tables show. With version 2, by which it was chosen, it
gains most in classification (log-loss by 5.4 %, by step 60 4.5 %), where 3e-4 loses; in regression
more steps and higher rates gain more, so 40 steps are a compromise, at about the seconds of version
1's 60. With
version 1, 1e-4 gained most in classification at any number of steps, and in regression with its
last weights until step 60. A bar of .5 or 1 % on the first metric does as well as the loss. A fit
ends when two validations in a row did not gain: that costs nothing here, and saves steps. With so
few tables and one seed all intervals overlap: this is a choice of a default, not a result.
"""

Rule = tuple[str, float]
"""Metric whose validation score selects, and percent that it has to gain on zero-shot."""


def rules(kind: str) -> Mapping[str, Rule]:
    """What selects the weights: the loss, as a fit does, or the first metric with a bar."""
    loss, score = ("log_loss", "roc_auc") if kind == KINDS[0] else ("rmse", "rmse")
    return {
        "loss" if kind == KINDS[0] else "RMSE": (loss, 0.0),
        **{f"{score}, a gain above {bar:g} %": (score, bar) for bar in (0.5, 1.0)},
    }


def selected(record: Record, steps: int, rule: Rule) -> float:
    """The normalised test score of what a rule selects among the first steps."""
    metric, bar = rule
    points: list[Mapping[str, Any]] = [p for p in record["trajectory"] if p["step"] <= steps]
    start = next(p for p in points if p["step"] == 0)
    better = [p for p in points if number(p["val"].get(metric)) > bar]
    best = max(better, key=lambda p: number(p["val"].get(metric)), default=start)
    return number(best["test"].get(headline(record["task"])))


def last(record: Record, steps: int) -> float:
    """The normalised test score after so many steps, whatever the validation rows say."""
    (point,) = (p for p in record["trajectory"] if p["step"] == steps)
    return number(point["test"].get(headline(record["task"])))


def common(records: Sequence[Record], kind: str) -> dict[str, list[Record]]:
    """Method → its cells on the tables of a kind that all methods have."""
    regression = kind == KINDS[1]
    own = [r for r in records if (r["task"] == "regression") == regression]
    methods = sorted({r["method"] for r in own})
    by = {m: {r["table"]: r for r in own if r["method"] == m} for m in methods}
    tables = sorted(set.intersection(*(set(found) for found in by.values()))) if by else []
    return {m: [by[m][table] for table in tables] for m in methods}


def patient(record: Record, steps: int, metric: str, patience: float) -> tuple[float, int]:
    """The test score by the best loss when so many validations in a row without a gain end a fit.

    Returns:
        The normalised score, and the steps that were taken.
    """
    best, waited, taken = 0.0, 0, 0  # zero-shot's normalised score
    for point in record["trajectory"]:
        if not 0 < point["step"] <= steps:
            continue
        score, taken = number(point["val"].get(metric)), int(point["step"])
        best, waited = (score, 0) if score > best else (best, waited + 1)
        if waited >= patience:
            break
    return selected(record, taken, (metric, 0.0)), taken


def told(values: Sequence[float]) -> tuple[str, str]:
    """Mean with its interval, and the share of tables that are worse."""
    array = np.asarray(values, dtype=np.float64)
    return estimate(student_interval(array, 0.95)), f"{(array < WORSE).mean():.0%}"


def sections(folder: Path) -> Iterator[Section]:
    """A section for each generation and kind of task."""
    for study, (version, steps, patient) in STUDIES.items():
        records = [r for r in records_of(folder / f"{study}.jsonl.gz") if r["status"] == OK]
        for kind in KINDS:
            if by := common(records, kind):
                names = rules(kind)
                ends = [patience(by, next(iter(names.values()))[0])] if patient else []
                parts = [*content(by, names, steps), *ends]
                yield Section("", f"Version {version}, {kind}", [Part(parts)])


def content(
    by: Mapping[str, Sequence[Record]], names: Mapping[str, Rule], numbers: Sequence[int]
) -> list[Element]:
    """Every recipe after each number of steps, by each rule of selection."""
    n = len(next(iter(by.values())))
    head = ("recipe", "steps", *names, "worse by > 0.1, of the first rule", "last weights")
    rows = []
    for method, cells in by.items():
        for steps in numbers:
            found = [told([selected(c, steps, rule) for c in cells]) for rule in names.values()]
            end = float(np.mean([last(c, steps) for c in cells]))
            rows.append(
                (method, str(steps), *(mean for mean, _ in found), found[0][1], signed(end))
            )
    return [Paragraph(f"{n} tables, one seed."), numbers_right(head, rows)]


def patience(by: Mapping[str, Sequence[Record]], metric: str) -> Table:
    """What the recipe that was chosen gains and costs by when it gives up."""
    rows = []
    for most in (1, 2, 3, math.inf):
        found = [patient(record, CHOSEN_STEPS, metric, most) for record in by[CHOSEN]]
        scores, steps = np.array(found).T
        mean = estimate(student_interval(scores, 0.95))
        rows.append((f"{most:g}".replace("inf", "none"), mean, f"{steps.mean():.1f}"))
    return numbers_right(("validations without a gain that end a fit", "loss", "steps"), rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the page."""
    write_page(__doc__, PREFACE, sections, arguments)


if __name__ == "__main__":
    main()
