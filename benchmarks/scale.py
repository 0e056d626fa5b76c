"""On which scale numerical columns are modelled: normal scores for all, or for heavy tails alone.

    LIT_CAUSALMIX_DATA=FOLDER python benchmarks/scale.py --out docs/results/scale

fits `SCMGenerator` with each `scale` to the same training rows of real tables (at most 500), draws
as many synthetic rows, and measures them against validation rows (`metrics.quality.assess`). It
writes one file with every score (.json) and one with averages (.md); cells that the first already
holds are not run again.

Shapes and trends are similarities of single columns and of pairs (1 is best), AUC that of a
classifier told to separate synthetic from real rows (0.5 is best), utility the score of trees
trained on the synthetic rows and tested on real ones (ROC-AUC or R², high is best). A figure is the
mean over tables of the mean over seeds; differences are paired by table, ± the half width of their
95 % t interval over the tables. *Training rows* stand for the best that rows can reach.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import platform
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from lit_causalmix.causal.models.warp import SCALES
from lit_causalmix.generators.scm import SCMGenerator
from lit_causalmix.metrics.quality import Likeness, assess
from lit_causalmix.quiet import single_thread
from lit_causalmix.seeding import rng
from lit_causalmix.study.statistics import student_interval
from lit_causalmix.study.table_list import find_tables
from lit_causalmix.tables import SplitSpec, TableSpec, load_splits

TABLES = (
    "blood_transfusion",
    "concrete",
    "credit_g",
    "diabetes_pima",
    "fiat500_used",
    "healthcare_insurance",
    "maternal_health_risk",
    "qsar_fish_toxicity",
)
MEASURES = ("shapes", "trends", "auc", "utility")

MOST_ROWS, REAL = 500, "training rows"
Row = dict[str, Any]


def numbers(rows: Likeness) -> dict[str, float]:
    """Returns the measures of synthetic or of training rows."""
    return {
        "shapes": rows.shape_score,
        "trends": rows.trends.score,
        "auc": rows.auc,
        "utility": rows.utility.value,
    }


def measure(table: TableSpec, scale: str, seed: int) -> tuple[dict[str, float], dict[str, float]]:
    """Fits, draws and measures once."""
    splits = load_splits(table, SplitSpec(max_train_rows=MOST_ROWS, seed=seed))
    generator = SCMGenerator(scale=scale)
    generator.fit(splits.train, seed=seed, progress=False)
    rows = generator.sample(len(splits.train), rng(seed, "scale"))
    with single_thread():
        found = assess(splits.train, splits.val, rows, seed=seed)
    return numbers(found.synthetic), numbers(found.training)


def per_table(rows: Sequence[Row], scale: str, name: str) -> dict[str, float]:
    """Averages one measure over the seeds of each table."""
    tables = dict.fromkeys(r["table"] for r in rows)
    return {
        table: float(np.mean([r[name] for r in rows if (r["table"], r["scale"]) == (table, scale)]))
        for table in tables
    }


def report(rows: Sequence[Row], command: str, scales: Sequence[str]) -> str:
    """Writes the averages, the paired differences and every table."""
    packages = ("dowhy", "numpy", "scikit-learn")
    facts = ", ".join(f"{p} {version(p)}" for p in packages)
    lines = ["# The scale of numerical columns", "", f"`{command}`", ""]
    lines += [f"Python {platform.python_version()}, {facts}.", ""]
    lines += (__doc__ or "").split("\n\n")[-1].strip().splitlines()
    seeds = sorted({r["seed"] for r in rows})
    tables = list(dict.fromkeys(r["table"] for r in rows))
    lines += ["", f"{len(tables)} tables, seeds {', '.join(map(str, seeds))}.", ""]
    lines += ["| scale | shapes | trends | AUC | utility |", "|---" * 5 + "|"]
    for scale in (*scales, REAL):
        means = [np.mean(list(per_table(rows, scale, m).values())) for m in MEASURES]
        lines.append(f"| {scale} | {' | '.join(f'{m:.3f}' for m in means)} |")
    first = scales[0]
    for other in scales[1:]:
        cells = []
        for name in MEASURES:
            one, two = per_table(rows, first, name), per_table(rows, other, name)
            gaps = [one[table] - two[table] for table in tables]
            found = student_interval(np.array(gaps), 0.95)
            cells.append(f"{found.value:+.3f} ± {found.high - found.value:.3f}")
        lines.append(f"| *{first} − {other}* | {' | '.join(cells)} |")
    lines += ["", "| table | scale | shapes | trends | AUC | utility |", "|---" * 6 + "|"]
    for table, scale in itertools.product(tables, (*scales, REAL)):
        cells = [f"{per_table(rows, scale, m)[table]:.3f}" for m in MEASURES]
        lines.append(f"| {table} | {scale} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/results/scale"))
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--scales", nargs="+", choices=SCALES, default=["quantile", "auto"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    specs = {name: TableSpec(**facts) for name, facts in find_tables(options.tables, None).items()}
    warnings.simplefilter("ignore")
    logging.getLogger("lit_causalmix").setLevel(logging.ERROR)
    command = "python benchmarks/scale.py " + " ".join(sys.argv[1:])
    store = options.out.with_suffix(".json")
    store.parent.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = json.loads(store.read_text())["rows"] if store.exists() else []
    for seed, name in itertools.product(options.seeds, specs):
        for scale in options.scales:
            cell = {"table": name, "scale": scale, "seed": seed}
            if any(r | cell == r for r in rows):
                continue
            synthetic, real = measure(specs[name], scale, seed)
            reference = cell | {"scale": REAL}
            rows.append(cell | synthetic)
            if not any(r | reference == r for r in rows):
                rows.append(reference | real)
            store.write_text(json.dumps({"command": command, "rows": rows}, indent=1) + "\n")
            print(cell, synthetic, file=sys.stderr)
    text = report(rows, command, options.scales)
    options.out.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
