"""The tables of docs/results.md, from the kept cells.

    LIT_CAUSALMIX_DATA=FOLDER python benchmarks/study_tables.py --out docs/results/study.md

reads the cells beside the output file (`nano-study.jsonl.gz`, `tabpfn-v1-study.jsonl.gz`,
`known-graphs.jsonl.gz`), takes those of the packaged studies `methods`, `scaling`, `training` and
`tabpfn-v1`, and writes what `lit-causalmix study report` shows of them as Markdown: every method on
all tables and on the report half, with the weights that the fits selected and with those that
`CautiousValidation` would have selected, scaling, ways of training, and graphs. Of a study that is
under way those seeds are taken of which every cell is there and, beside them, the methods that have
all seeds, so that no method has other tables or seeds than another.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lit_causalmix.configuration import config_folder
from lit_causalmix.study.grid import Cell, plan
from lit_causalmix.study.report.blocks import Block, blocks
from lit_causalmix.study.report.comparison import ranked_summary
from lit_causalmix.study.report.contents import read_study_results
from lit_causalmix.study.report.scaling import AMOUNTS, slope_verdict, varied
from lit_causalmix.study.report.stopping import stopping_means
from lit_causalmix.study.report.targets import targets
from lit_causalmix.study.report.verdicts import answers
from lit_causalmix.study.report.words import count, estimate, interval, p_value, plain, signed
from lit_causalmix.study.spec import read_study
from lit_causalmix.study.statistics import paired_effects, scaling_curve, summarise, verdict
from lit_causalmix.study.store import OK
from lit_causalmix.study.transfer import read_records

METHOD, REFERENCE, MIN_GAIN = "causalmixft", "default", 1.0
NANO, TABPFN, GRAPHS = "nano-study", "tabpfn-v1-study", "known-graphs"
SELECTED = "weights as the fits selected them, by log-loss (RMSE)"
CAUTIOUS = f"weights selected with caution (ROC-AUC or RMSE, a gain above {MIN_GAIN:g} %)"


def plan_of(study: str, **overrides: Any) -> list[Cell]:
    """The cells of a packaged study."""
    return plan(read_study(config_folder() / "study" / f"{study}.yaml", overrides))


def finished_keys(cells_file: Path) -> set[str]:
    """Keys of the finished cells of a file."""
    return {record["key"] for record in read_records(cells_file) if record["status"] == OK}


def whole(cells: Sequence[Cell], keys: set[str], axis: str) -> list[Cell]:
    """The cells of those values of an axis, "seed" or "method", of which every cell is finished."""
    missing = {cell.labels[axis] for cell in cells if cell.key not in keys}
    return [cell for cell in cells if cell.labels[axis] not in missing]


def read(cells_file: Path, cells: Sequence[Cell] | None, min_gain: float | None) -> list[Block]:
    """The cells of a study, parted."""
    study = read_study_results(cells_file, cells_file.stem, cells, min_gain=min_gain)
    return blocks(study, METHOD, REFERENCE)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table, numbers to the right."""
    yield f"| {' | '.join(head)} |"
    yield "|---|" + "---:|" * (len(head) - 1)
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def methods(block: Block) -> Iterator[str]:
    """Every method, best rank first, each with its difference to default fine-tuning."""
    means = stopping_means(block)[["last", "perfect"]]
    head = (
        *("method", "average rank", "median", "mean", "SD", "IQR", "improved", "worse by > 0.1"),
        *("gap (a)", "gap (b)", "mean difference to default", "better / equal / worse"),
        *("last weights", "perfect stopping"),
    )
    rows = []
    for row in ranked_summary(block).to_dict("records"):
        name = str(row["method"])
        rows.append(
            (
                *(name, plain(row["rank"])),
                f"{signed(row['median'])} {interval(row['median_low'], row['median_high'])}",
                *(signed(row["mean"]), plain(row["sd"]), plain(row["iqr"])),
                *(f"{row['improved']:.0%}", f"{row['worse']:.0%}"),
                *(plain(row["gap_rank"]), plain(row["gap_selection"])),
                *difference(block, name),
                *(signed(float(value)) for value in means.loc[name]),
            )
        )
    yield from markdown(head, rows)


def difference(block: Block, name: str) -> tuple[str, str]:
    """Mean difference of a method to the reference, and on how many tables it is better."""
    if name == block.reference:
        return "", ""
    effects = paired_effects(block.main, block.score, name, block.reference)
    paired = summarise(effects)
    return estimate(verdict(effects).overall), f"{paired.wins} / {paired.ties} / {paired.losses}"


def verdicts(block: Block) -> Iterator[str]:
    """The verdict on the method, and its targets where there are enough tables."""
    answer = next(iter(answers(block)))
    if answer.found is not None and answer.paired is not None:
        p = p_value(answer.paired.p)
        yield f"Verdict on {METHOD}: **{answer.found.word}**; signed-rank test p {p}."
        yield ""
    found = targets(block)
    if (found["met"] != "open").any():
        rows = [tuple(map(str, row)) for row in found.to_numpy()]
        yield from markdown(tuple(found.columns), rows)


def comparison(title: str, cells_file: Path, cells: Sequence[Cell] | None) -> Iterator[str]:
    """A section: both ways of selecting weights, classification and regression apart."""
    yield f"## {title}"
    yield ""
    for told, min_gain in ((SELECTED, None), (CAUTIOUS, MIN_GAIN)):
        for block in read(cells_file, cells, min_gain):
            runs = block.main.groupby("method").size().max()
            tables, seeds = block.main["table"].nunique(), block.main["seed"].nunique()
            yield f"### {block.kind.capitalize()}, {told}"
            yield ""
            yield f"{count(tables, 'table')}, {count(seeds, 'seed')}, {runs} fits of each method."
            yield ""
            yield from methods(block)
            yield from verdicts(block)


def scaling(cells_file: Path, cells: Sequence[Cell]) -> Iterator[str]:
    """A section: mean score by number and share of synthetic rows."""
    yield "## Number and share of synthetic rows"
    yield ""
    for told, min_gain in ((SELECTED, None), (CAUTIOUS, MIN_GAIN)):
        for block in read(cells_file, cells, min_gain):
            tables, seeds = block.frame["table"].nunique(), block.frame["seed"].nunique()
            yield f"### {block.kind.capitalize()}, {told}"
            yield ""
            yield f"{count(tables, 'table')}, {count(seeds, 'seed')}."
            yield ""
            for amount, title in AMOUNTS.items():
                lines, fixed = varied(block, amount)
                frame = scaling_curve(lines, block.score, amount).frame
                frame = frame[frame["domain"] == "all tables"]
                amounts = sorted(frame["amount"].unique())
                yield f"{title}:"
                yield ""
                yield from markdown(
                    ("", *map(_amount, amounts), "slope", "verdict"),
                    [(name, *_curve(block, frame, name, amount, amounts)) for name in fixed],
                )


def _amount(value: float) -> str:
    return "fresh" if math.isinf(value) else f"{value:g}"


def _curve(
    block: Block, frame: pd.DataFrame, name: str, amount: Any, amounts: Sequence[float]
) -> Iterator[str]:
    means = frame[frame["method"] == name].set_index("amount")["mean"]
    found = slope_verdict(block, name, amount)
    yield from (signed(float(means[value])) for value in amounts)
    yield estimate(found.overall)
    yield found.word


def document(folder: Path) -> Iterator[str]:
    """All lines of the file."""
    nano, tabpfn, graphs = (folder / f"{n}.jsonl.gz" for n in (NANO, TABPFN, GRAPHS))
    yield "# The study in tables"
    yield ""
    yield "Written by `benchmarks/study_tables.py`; read [results.md](../results.md) first."
    yield ""
    yield "Normalised ROC-AUC (classification) or RMSE (regression) of the test rows, in percent of"
    yield "zero-shot; each table counts once, by its mean over seeds. Differences have Student's"
    yield "95 % interval over tables, medians the bootstrap's. *Last weights*, *perfect stopping*:"
    yield "means over tables, whatever selects."
    yield ""
    keys = finished_keys(nano)
    for half, overrides in (("all tables", {}), ("the report half", {"tables": ["report"]})):
        cells = plan_of("methods", **overrides)
        each, every = whole(cells, keys, "seed"), whole(cells, keys, "method")
        names = {cell.labels["method"] for cell in cells}
        yield from comparison(f"All {len(names)} methods, {half}", nano, each)
        if 0 < len(every) < len(cells):
            some = {cell.labels["method"] for cell in every}
            title = f"The {len(some)} methods that have all seeds, {half}"
            yield from comparison(title, nano, every)
    yield from scaling(nano, whole(plan_of("scaling"), keys, "seed"))
    training = whole(plan_of("training"), keys, "seed")
    yield from comparison("Ways of training, the development half", nano, training)
    cells = whole(plan_of("tabpfn-v1"), finished_keys(tabpfn), "seed")
    yield from comparison("TabPFN v1", tabpfn, cells)
    yield from comparison("Tables with a known graph", graphs, None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="Markdown file, beside the cells")
    options = parser.parse_args(arguments)
    text = "\n".join(document(options.out.parent)).rstrip() + "\n"
    options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
