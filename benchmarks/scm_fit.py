"""Discovery and fit of structural causal models, against an earlier commit in the same run.

    LIT_CAUSALMIX_DATA=FOLDER python benchmarks/scm_fit.py --before COMMIT

runs every case (`scm_fit_case`) with the code of the commit and with that of the working tree, in
turns, each in a process of its own on one thread, and writes every figure (.json) and the tables
(.md); cases that the first already holds are not run again.

Seconds are processor time. *MB*: by how much discovery raised the peak of the process. *Fit* is the
choice of families and the mechanisms of eight graphs; a *parent* is an edge of any of them. *Same
edges*: whether all edge probabilities agree to the bit. Generated tables have up to three parents a
column, a fifth of the columns being categories. Quality is measured after a fit to at most 1,000
rows: of mechanisms on held-out rows (log-likelihood a cell in nats, R² of numbers, accuracy of
categories, all given the real parents), and of as many drawn rows as there are training rows
(shapes and trends: 1 is best; AUC of telling them from real rows: 0.5 is best; utility: ROC-AUC or
R² of trees trained on them). Differences are after − before, ± the half width of their 95 % t
interval over the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from lit_causalmix.study.statistics import student_interval

ROOT = Path(__file__).parents[1]
CASE = Path(__file__).with_name("scm_fit_case.py")

SPEED = [
    {"kind": "speed", "rows": rows, "columns": columns, "resamples": resamples}
    for rows, columns, resamples in (
        (500, 100, 5),
        (500, 200, 5),
        (500, 400, 5),
        (250, 100, 1),
        (1000, 50, 1),
        (1000, 100, 1),
        (1000, 200, 1),
        (2000, 100, 1),
        (60_000, 20, 1),
    )
]
TABLES = (
    "concrete",
    "credit_g",
    "diabetes_pima",
    "fiat500_used",
    "maternal_health_risk",
    "wine_quality",
    "heloc",
    "churn",
    "generated:30",
    "generated:60",
)
MEASURES = ("log_likelihood", "r2", "accuracy", "shapes", "trends", "auc", "utility")
Case = dict[str, Any]


def unpack(commit: str, folder: Path) -> Path:
    """Puts the package of a commit into a folder."""
    packed = subprocess.run(
        ["git", "archive", commit, "lit_causalmix"], cwd=ROOT, check=True, capture_output=True
    )
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def run(case: Case, tree: Path) -> Case:
    """Measures one case with the package that lies in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(CASE), json.dumps(case)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    found: Case = json.loads(done.stdout.splitlines()[-1])
    return found


def speeds(rows: Sequence[Case]) -> list[str]:
    """The table of seconds and memory."""
    lines = [
        "| rows × columns | resamples | discovery s | ratio | same edges | MB | fit s | ratio "
        "| ms per parent, after |",
        "|---" * 9 + "|",
    ]
    for row in rows:
        old, new = row["before"], row["after"]
        cells = [f"{row['rows']:,} × {row['columns']}", str(row["resamples"])]
        memory = " → ".join(f"{m['mb_discovery'] - m['mb_before']:,.0f}" for m in (old, new))
        for part in ("discovery", "fit"):
            cells += [f"{old[part]:.1f} → {new[part]:.1f}", f"{new[part] / old[part]:.2f}"]
            if part == "discovery":
                cells += ["yes" if old["edges"] == new["edges"] else "no", memory]
        cells.append(f"{1e3 * new['fit'] / new['parents']:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def qualities(rows: Sequence[Case]) -> list[str]:
    """The table of what the change of families costs."""
    head = "log-likelihood | R² | accuracy | shapes | trends | AUC | utility"
    lines = [
        f"| table (rows) | seconds | families that differ | {head} |",
        "|---" * (3 + len(MEASURES)) + "|",
    ]
    names = list(dict.fromkeys(r["table"] for r in rows))
    gaps: dict[str, list[float]] = {m: [] for m in MEASURES}
    for name in names:
        own = [r for r in rows if r["table"] == name]
        pairs = [(r["before"], r["after"]) for r in own]
        other = sum(a["families"][k] != b["families"][k] for a, b in pairs for k in a["families"])
        cells = [f"{name} ({pairs[0][0]['rows']:,})"]
        cells += [" → ".join(f"{np.mean([p[k]['seconds'] for p in pairs]):.1f}" for k in (0, 1))]
        cells += [f"{other} of {sum(len(a['families']) for a, _ in pairs)}"]
        for measure in MEASURES:
            known = [(a[measure], b[measure]) for a, b in pairs if a[measure] is not None]
            if not known:
                cells.append("–")
                continue
            old, new = np.mean(known, axis=0)
            gaps[measure].append(float(new - old))
            cells.append(f"{old:.3f} → {new:.3f}")
        lines.append(f"| {' | '.join(cells)} |")
    means = []
    for measure in MEASURES:
        if len(gaps[measure]) < 2:
            means.append("–")
            continue
        found = student_interval(np.array(gaps[measure]), 0.95)
        means.append(f"{found.value:+.4f} ± {found.high - found.value:.4f}")
    lines.append(f"| *after − before* | | | {' | '.join(means)} |")
    return lines


def report(rows: Sequence[Case], command: str, before: str) -> str:
    """Writes both tables."""
    packages = ("dowhy", "numpy", "scikit-learn", "scipy")
    facts = ", ".join(f"{p} {version(p)}" for p in packages)
    lines = ["# Fitting structural causal models", "", f"`{command}`", ""]
    lines += [f"Against commit {before}; Python {platform.python_version()}, {facts}.", ""]
    lines += (__doc__ or "").split("\n\n")[-1].strip().splitlines()
    for title, kind, table in (("Speed", "speed", speeds), ("Quality", "quality", qualities)):
        own = [r for r in rows if r["kind"] == kind]
        if own:
            lines += ["", f"## {title}", "", *table(own)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--before", required=True, help="the commit to compare with")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "scm-fit")
    parser.add_argument("--tables", nargs="*", default=TABLES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rows", type=int, default=1000, help="training rows of --tables, at most")
    parser.add_argument("--speed", type=int, nargs="*", default=[*range(len(SPEED))])
    options = parser.parse_args()
    cases: list[Case] = [SPEED[k] for k in options.speed]
    cases += [
        {"kind": "quality", "table": table, "rows": options.rows, "seed": seed}
        for seed in options.seeds
        for table in options.tables
    ]
    command = "python benchmarks/scm_fit.py " + " ".join(sys.argv[1:])
    store = options.out.with_suffix(".json")
    store.parent.mkdir(parents=True, exist_ok=True)
    rows: list[Case] = json.loads(store.read_text())["rows"] if store.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        old = unpack(options.before, Path(folder))
        for case in cases:
            if any(r | case == r for r in rows):
                continue
            rows.append(case | {"before": run(case, old), "after": run(case, ROOT)})
            content = {"command": command, "before": options.before, "rows": rows}
            store.write_text(json.dumps(content, indent=1) + "\n")
            options.out.with_suffix(".md").write_text(report(rows, command, options.before))
            print(case, file=sys.stderr)
    print(report(rows, command, options.before))


if __name__ == "__main__":
    main()
