"""The tables of docs/results.md, from the kept cells.

    LIT_CAUSALMIX_DATA=FOLDER python benchmarks/study_tables.py --out docs/results/study.md

reads the cells beside the output file (`nano-study.jsonl.gz`, `tabpfn-v1-study.jsonl.gz`,
`known-graphs.jsonl.gz`), takes those of the packaged studies `methods`, `scaling`, `training` and
`tabpfn-v1`, and writes what `lit-causalmix study report` shows of them as Markdown: every method on
all tables and on the report half of the 30, with the weights that the fits selected and with those
that `CautiousValidation` would have selected, scaling, ways of training, and graphs. Of a study
that is under way those seeds are taken of which every cell is there and, beside them, the methods
that have all seeds, so that no method has other tables or seeds than another. It takes about a
minute of processor time: most of it reads and checks the kept cells, once each.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from lit_causalmix.configuration import config_folder
from lit_causalmix.pages import markdown
from lit_causalmix.pages.content import Element, Paragraph, Part, Section, Table
from lit_causalmix.study.checksums import known_or_built
from lit_causalmix.study.grid import Cell, plan
from lit_causalmix.study.record import OK, Record
from lit_causalmix.study.report.blocks import Block, blocks
from lit_causalmix.study.report.contents import study_of
from lit_causalmix.study.report.questions import mixing
from lit_causalmix.study.report.scaling import AMOUNTS, slope_verdict, varied
from lit_causalmix.study.report.stopping import stopping_means
from lit_causalmix.study.report.summary import ranked_summary, written
from lit_causalmix.study.report.targets import targets
from lit_causalmix.study.report.words import count, estimate, p_value, signed
from lit_causalmix.study.spec import read_study
from lit_causalmix.study.statistics import (
    OVERALL,
    PairedSummary,
    paired_effects,
    scaling_curve,
    slope_effects,
    summarise,
)
from lit_causalmix.study.statistics.scaling import Amount
from lit_causalmix.study.store import Store
from lit_causalmix.study.transfer import read_records

METHOD, REFERENCE, MIN_GAIN = "causalmixft", "default", 1.0
REPORT = [
    "blood_transfusion",
    "diabetes_pima",
    "anneal",
    "qsar_biodeg",
    "fitness_club",
    "marketing_campaign",
    "splice",
    "coil2000",
    "online_shoppers",
    "vehicle_coupon",
    "hr_job_change",
    "concrete",
    "qsar_fish_toxicity",
    "healthcare_insurance",
]
"""The report half as it was drawn over the 30 tables of the study, before there were more."""
NANO, TABPFN, GRAPHS = "nano-study", "tabpfn-v1-study", "known-graphs"
SELECTED = "weights as the fits selected them, by log-loss (RMSE)"
CAUTIOUS = f"weights selected with caution (ROC-AUC or RMSE, a gain above {MIN_GAIN:g} %)"


def plan_of(study: str, **overrides: object) -> list[Cell]:
    """The cells of a packaged study; packaged backbones tell their weights without being built."""
    with tempfile.TemporaryDirectory() as folder:
        checksum = known_or_built(Store(Path(folder)))
        return plan(read_study(config_folder() / "study" / f"{study}.yaml", overrides), checksum)


@cache
def records_of(cells_file: Path) -> tuple[Record, ...]:
    """The records of a file, parsed and checked once."""
    return tuple(read_records(cells_file))


def finished_keys(cells_file: Path) -> set[str]:
    """Keys of the finished cells of a file."""
    return {record["key"] for record in records_of(cells_file) if record["status"] == OK}


def whole(cells: Sequence[Cell], keys: set[str], axis: str) -> list[Cell]:
    """The cells of those values of an axis, "seed" or "method", of which every cell is finished."""
    missing = {cell.labels[axis] for cell in cells if cell.key not in keys}
    return [cell for cell in cells if cell.labels[axis] not in missing]


def read(
    cells_file: Path,
    cells: Sequence[Cell] | None,
    min_gain: float | None = None,
    method: str = METHOD,
) -> list[Block]:
    """The cells of a study, parted."""
    records = records_of(cells_file)
    study = study_of(records, cells_file, cells_file.stem, cells, min_gain=min_gain)
    return blocks(study, method, REFERENCE)


_COLUMNS = {
    "rank": "average rank",
    "median_interval": "median",
    "mean": "mean",
    "sd": "SD",
    "iqr": "IQR",
    "improved": "improved",
    "worse": "worse by > 0.1",
    "gap_rank": "gap (a)",
    "gap_selection": "gap (b)",
}


def numbers_right(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of numbers, with what they are of in the first column."""
    return Table(head, rows, numbers=range(1, len(head)))


def methods(block: Block) -> Table:
    """Every method, best rank first, each with its difference to default fine-tuning."""
    means = stopping_means(block)[["last", "perfect"]]
    summary = ranked_summary(block.main, block.score, ranked=block.alike)
    head = (
        *("method", *_COLUMNS.values(), "mean difference to default"),
        *("better / equal / worse", "last weights", "perfect stopping"),
    )
    rows = []
    for name, row in zip(summary["method"], written(summary, [*_COLUMNS]), strict=True):
        ends = (signed(float(value)) for value in means.loc[name])
        rows.append((name, *row, *difference(block, name), *ends))
    return numbers_right(head, rows)


def to_reference(block: Block, name: str) -> PairedSummary:
    """A method against the reference on the same tables and seeds."""
    return summarise(paired_effects(block.alike, block.score, name, block.reference))


def difference(block: Block, name: str) -> tuple[str, str]:
    """Mean difference of a method to the reference, and on how many tables it is better."""
    if name == block.reference:
        return "", ""
    paired = to_reference(block, name)
    return estimate(paired.mean), f"{paired.wins} / {paired.ties} / {paired.losses}"


def verdicts(block: Block) -> Iterator[Element]:
    """The verdict on the method, and its targets where there are enough tables."""
    answer = mixing(block)
    if answer.found is not None and answer.paired is not None:
        p, word = p_value(answer.paired.p), answer.found.word
        yield Paragraph(f"Verdict on {METHOD}: {word}; signed-rank test p {p}.", strong=word)
    found = targets(block)
    if (found["met"] != "open").any():
        rows = [tuple(map(str, row)) for row in found.to_numpy()]
        yield numbers_right(tuple(found.columns), rows)


def comparison(title: str, cells_file: Path, cells: Sequence[Cell] | None) -> Section:
    """A section: both ways of selecting weights, classification and regression apart."""
    parts = []
    for told, min_gain in ((SELECTED, None), (CAUTIOUS, MIN_GAIN)):
        for block in read(cells_file, cells, min_gain):
            fits = f"{block.main.groupby('method').size().max()} fits of each method"
            content = [said(block.main, fits), methods(block), *verdicts(block)]
            parts.append(Part(content, f"{block.kind.capitalize()}, {told}"))
    return Section("", title, parts)


def said(cells: pd.DataFrame, *more: str) -> Paragraph:
    """How many tables and seeds there are, and what else is to be said of the cells."""
    counts = (count(cells[axis].nunique(), axis) for axis in ("table", "seed"))
    return Paragraph(f"{', '.join([*counts, *more])}.")


def scaling(parts: Iterable[Part]) -> Section:
    """A section: mean score by number and share of synthetic rows."""
    return Section("", "Number and share of synthetic rows", list(parts))


def scaled(block: Block, told: str = "") -> Part:
    """One block of it."""
    content: list[Element] = [said(block.frame)]
    for amount, title in AMOUNTS.items():
        content += [Paragraph(f"{title}:"), curves(block, amount)]
    return Part(content, f"{block.kind.capitalize()}{told}")


def curves(block: Block, amount: Amount) -> Table:
    """Mean score of every varied method by the amount of synthetic rows, with the slope."""
    lines, fixed = varied(block, amount)
    frame = scaling_curve(lines, block.score, amount).frame
    frame = frame[frame["domain"] == OVERALL]
    amounts = sorted(frame["amount"].unique())
    return numbers_right(
        ("", *map(_amount, amounts), "slope", "verdict", "slope without 0"),
        [(name, *_curve(block, lines, frame, name, amount, amounts)) for name in fixed],
    )


def _amount(value: float) -> str:
    return "fresh" if math.isinf(value) else f"{value:g}"


def _curve(
    block: Block,
    lines: pd.DataFrame,
    frame: pd.DataFrame,
    name: str,
    amount: Amount,
    amounts: Sequence[float],
) -> Iterator[str]:
    means = frame[frame["method"] == name].set_index("amount")["mean"]
    found = slope_verdict(block, name, amount)
    yield from (signed(float(means[value])) for value in amounts)
    yield estimate(found.overall)
    yield found.word
    some = lines[(lines["method"] == name) & (lines["ratio"] > 0)]
    yield estimate(summarise(slope_effects(some, block.score, amount)).mean)


PREFACE = """# The study in tables

Written by `benchmarks/study_tables.py`; read [results.md](../results.md) first.

Normalised ROC-AUC (classification) or RMSE (regression) of the test rows, in percent of
zero-shot; each table counts once, by its mean over seeds. Differences have Student's
95 % interval over tables, medians the bootstrap's. *Last weights*, *perfect stopping*:
means over tables, whatever selects. Four votes, tried among the ways of training, are left out:
they were scored beside the zero-shot of one vote.
"""

MISJUDGED = ("votes", "default-votes")
"""Methods whose kept cells took the zero-shot of another number of votes for their own."""


def sections(folder: Path) -> Iterator[Section]:
    """All sections of the file."""
    nano, tabpfn, graphs = (folder / f"{n}.jsonl.gz" for n in (NANO, TABPFN, GRAPHS))
    keys = finished_keys(nano)
    of_all = plan_of("methods")
    of_half = [cell for cell in of_all if cell.labels["table"] in REPORT]
    for half, cells in (("all tables", of_all), ("the report half", of_half)):
        each, every = whole(cells, keys, "seed"), whole(cells, keys, "method")
        names = {cell.labels["method"] for cell in cells}
        yield comparison(f"All {len(names)} methods, {half}", nano, each)
        if 0 < len(every) < len(cells):
            some = {cell.labels["method"] for cell in every}
            title = f"The {len(some)} methods that have all seeds, {half}"
            yield comparison(title, nano, every)
    cells = whole(plan_of("scaling"), keys, "seed")
    yield scaling(
        scaled(block, f", {told}")
        for told, min_gain in ((SELECTED, None), (CAUTIOUS, MIN_GAIN))
        for block in read(nano, cells, min_gain)
    )
    training = whole(plan_of("training"), keys, "seed")
    training = [cell for cell in training if cell.method not in MISJUDGED]
    yield comparison("Ways of training, the development half", nano, training)
    cells = whole(plan_of("tabpfn-v1"), finished_keys(tabpfn), "seed")
    yield comparison("TabPFN v1", tabpfn, cells)
    yield comparison("Tables with a known graph", graphs, None)


def write_page(
    description: str | None,
    preface: str,
    sections_of: Callable[[Path], Iterable[Section]],
    arguments: Sequence[str] | None,
) -> None:
    """Writes the Markdown file that `--out` names, from the cells beside it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True, help="Markdown file, beside the cells")
    options = parser.parse_args(arguments)
    text = markdown.render(list(sections_of(options.out.parent)))
    options.out.write_text(f"{preface}\n{text}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the file."""
    write_page(__doc__, PREFACE, sections, arguments)


if __name__ == "__main__":
    main()
