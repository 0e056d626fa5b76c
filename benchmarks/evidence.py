"""The page on what fine-tuning and synthetic rows bring, from the cells of `evidence`.

    lit-causalmix study export --config freshness --to docs/results/freshness.jsonl.gz
    lit-causalmix study export --config evidence --to docs/results/evidence.jsonl.gz
        (likewise evidence-nano3, evidence-tabpfn-v1, evidence-tabpfn-v2, evidence-scaling; to plan
        the cells of TabPFN v2 takes the extra tabpfn and its weights)
    LIT_CAUSALMIX_DATA=FOLDER:OTHER python benchmarks/evidence.py --out docs/results/evidence.md

reads the cells beside the output file, and leaves out a section that has none. Of a study that is
under way those seeds are taken of which every cell is there and, in a section of their own, the
methods that have all seeds of the reference, so that no method has other tables or seeds than
another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from study_tables import (
    REFERENCE,
    finished_keys,
    numbers_right,
    plan_of,
    read,
    said,
    scaled,
    scaling,
    to_reference,
    whole,
    write_page,
)

from lit_causalmix.pages.content import Element, Paragraph, Part, Section, Table
from lit_causalmix.study.grid import Cell
from lit_causalmix.study.report.blocks import KINDS, Block
from lit_causalmix.study.report.questions import sized, to_zero_shot
from lit_causalmix.study.report.summary import WORSE, ranked_summary
from lit_causalmix.study.report.words import estimate, p_value, plain
from lit_causalmix.study.statistics import EQUIVALENT, PairedSummary, summarise

CELLS = "evidence"
OTHERS = {
    "evidence-nano3": "The embedded model's third generation, tables of the report half",
    "evidence-tabpfn-v1": "TabPFN v1, tables of the report half",
    "evidence-tabpfn-v2": "TabPFN v2's regressor, tables of the report half",
}
SCALING, SCALED = "evidence-scaling", "counterfactual"
AUTO, CAUSAL, PLAIN = "auto", ("causalmixft", "counterfactual"), ("jitter", "default")
MOST_WORSE = 0.05
"""Share of tables that `auto` may make worse by more than .1 %."""

PREFACE = """# Fine-tuning and synthetic rows on all tables

Written by `benchmarks/evidence.py` from the cells of

```console
$ export LIT_CAUSALMIX_DATA=FOLDER:OTHER
$ lit-causalmix study run --config freshness --jobs 2
$ lit-causalmix study run --config evidence --jobs 2
$ lit-causalmix study run --config evidence-nano3 --jobs 2
$ lit-causalmix study run --config evidence-tabpfn-v1 --jobs 2
$ lit-causalmix study run --config evidence-tabpfn-v2 --jobs 2
$ lit-causalmix study run --config evidence-scaling --jobs 2
```

as far as they are there. Normalised ROC-AUC (classification) or RMSE (regression) of the test
rows, in percent of zero-shot; each table counts once, by its mean over seeds. *Mean*: over tables,
with Student's 95 % interval. *To default*: difference to fine-tuning on real rows alone; the p of
two one-sided tests that it lies within ±.1; and the mean that these tables would have shown with a
power of 80 %. The zero-shot of `auto` is that of its three folds together; for differences and
ranks all methods are in percent of default's zero-shot, so that differences are those of the scores
themselves. Nothing was chosen on the tables of the report half; on others `freshness` was, the
value with the best mean rank over tables of both kinds.
"""


def worse(found: PairedSummary) -> float:
    """Share of the tables that are worse by more than .1."""
    return float((found.tables["mean"] < WORSE).mean())


def ranks_of(block: Block) -> pd.Series[float]:
    """The average rank of every method, the best first."""
    found = ranked_summary(block.main, block.score, ranked=block.alike)
    return found.set_index("method")["rank"]


def methods(block: Block) -> Table:
    """Every method, best rank first, each with its difference to default fine-tuning."""
    compared = block.reference in block.settings
    head = ["method", "average rank", "mean", "worse by > 0.1"]
    if compared:
        head += ["to default", "better / equal / worse", f"p, within ±{EQUIVALENT:g}"]
        head += ["would have shown"]
    ranks = ranks_of(block)
    rows = []
    for name in ranks.index:
        zero = summarise(to_zero_shot(block, name))
        row = [name, plain(float(ranks[name])), estimate(zero.mean), f"{worse(zero):.0%}"]
        if name != block.reference and compared:
            found = to_reference(block, name)
            row += [estimate(found.mean), f"{found.wins} / {found.ties} / {found.losses}"]
            row += [p_value(found.equivalence_p), plain(found.detectable)]
        rows.append(row + [""] * (len(head) - len(row)))
    return numbers_right(head, rows)


def goals(block: Block) -> Table | None:
    """What was aimed at beforehand, and what was found; None where there is nothing to tell.

    Goals are judged where all of their methods are there; `auto` is told beside the zero-shot of
    one split wherever it is.
    """
    judged = {*CAUSAL, *PLAIN} <= set(block.settings)
    rows = list(of_auto(block)) if judged and AUTO in block.settings else []
    rows += beside_one_split(block)
    rows += of_mixing(block) if judged else ()
    return Table(("goal", "found", "met"), rows) if rows else None


def of_mixing(block: Block) -> Iterator[tuple[str, str, str]]:
    """The goals of synthetic rows."""
    ranks = ranks_of(block)
    causal, others = (min(float(ranks[name]) for name in names) for names in (CAUSAL, PLAIN))
    yield (
        "causal rows before jitter and default in mean rank",
        f"{plain(causal)}, the better of those {plain(others)}",
        "yes" if causal < others else "no",
    )
    if block.kind == KINDS[1]:
        mixing = [name for name in block.rivals if name != AUTO]
        found = {name: to_reference(block, name).mean for name in mixing}
        lost = [f"{name} {estimate(value)}" for name, value in found.items() if value.high < 0]
        told = ", ".join(lost) or "none"
        yield "no way of mixing loses to default", told, "no" if lost else "yes"


def of_auto(block: Block) -> Iterator[tuple[str, str, str]]:
    """The goals of `auto`."""
    zero, default = summarise(to_zero_shot(block, AUTO)), to_reference(block, AUTO).mean
    met = {True: "yes", False: "no"}
    above, worst = zero.mean.low > 0, worse(zero) <= MOST_WORSE
    yield "auto above zero-shot, interval above 0", estimate(zero.mean), met[above]
    yield "auto above default, interval above 0", estimate(default), met[default.low > 0]
    yield (
        f"at most {MOST_WORSE:.0%} of tables worse than zero-shot by more than .1 with auto",
        f"{worse(zero):.0%}",
        met[worst],
    )


def beside_one_split(block: Block) -> Iterator[tuple[str, str, str]]:
    """What `auto` gains on the zero-shot of the reference, which folds do not share."""
    if not {AUTO, block.reference} <= set(block.settings):
        return
    one = summarise(to_zero_shot(replace(block, main=block.alike), AUTO))
    yield (
        "not aimed at: auto beside the zero-shot of one split",
        f"{estimate(one.mean)}, {worse(one):.0%} worse by more than .1",
        "",
    )


def choices(block: Block) -> Paragraph | None:
    """How often `auto` took what; None where it was not run."""
    own = block.main[block.main["method"] == AUTO]
    if own.empty:
        return None
    shares = own["chosen"].value_counts(normalize=True)
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return Paragraph(f"What {AUTO} took: {told}.")


def seconds(block: Block) -> Paragraph | None:
    """What a cell of each method costs; None where `auto` was not run, or no cell tells."""
    means = block.main.groupby("method")["seconds_processor"].mean().dropna()
    if AUTO not in means:
        return None
    told = ", ".join(f"{name} {means[name]:.1f}" for name in block.settings if name in means)
    return Paragraph(f"Processor seconds of a cell, mean: {told}.")


def comparison(title: str, cells_file: Path, cells: Sequence[Cell]) -> Section:
    """A section: each kind of task and size of table."""
    parts = []
    for block in read(cells_file, cells):
        kind, further = block.kind.capitalize(), (goals(block), choices(block), seconds(block))
        content: list[Element] = [said(block.main), methods(block)]
        content += [element for element in further if element is not None]
        parts.append(Part(content, kind))
        for size, part in sized(block):
            parts.append(Part([said(part.main), methods(part)], f"{kind}, {size}"))
    return Section("", title, parts)


def freshness(cells_file: Path) -> Section:
    """A section: the probability with which the noise of counterfactual rows is drawn anew."""
    blocks = read(cells_file, plan_of("freshness"))
    parts = [Part([said(block.main), methods(block)], block.kind.capitalize()) for block in blocks]
    return Section("", "The choice of freshness, on development tables", parts)


def sections(folder: Path) -> Iterator[Section]:
    """All sections of the file."""
    yield freshness(folder / "freshness.jsonl.gz")
    yield from compared("All tables", folder, CELLS)
    yield from compared("The report half", folder, CELLS, tables=["report"])
    for study, title in OTHERS.items():
        yield from compared(title, folder, study)
    cells_file = folder / f"{SCALING}.jsonl.gz"
    if cells_file.exists():
        cells = whole(plan_of(SCALING), finished_keys(cells_file), "seed")
        yield scaling(scaled(block) for block in read(cells_file, cells, method=SCALED))


def compared(title: str, folder: Path, study: str, **overrides: object) -> Iterator[Section]:
    """The sections of a study, as far as its cells are there."""
    cells_file = folder / f"{study}.jsonl.gz"
    if not cells_file.exists():
        return
    cells, keys = of_every_table(plan_of(study, **overrides)), finished_keys(cells_file)
    each, some = whole(cells, keys, "seed"), begun(cells, keys)
    if each:
        part = "" if each == cells else ": the seeds that every method has"
        yield comparison(f"{title}{part}", cells_file, each)
    if some and some != each:
        part = "the methods that have more seeds" if each else "as far as it has been run"
        yield comparison(f"{title}: {part}", cells_file, some)


def of_every_table(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of the methods that are planned on every table."""
    planned: dict[str, set[str]] = {}
    for cell in cells:
        planned.setdefault(cell.method, set()).add(cell.table)
    most = max(map(len, planned.values()))
    return [cell for cell in cells if len(planned[cell.method]) == most]


def begun(cells: Sequence[Cell], keys: set[str]) -> list[Cell]:
    """The cells of all seeds that the reference has whole, of the methods that have these, too."""
    own = [cell for cell in cells if cell.labels["method"] == REFERENCE]
    seeds = {cell.labels["seed"] for cell in whole(own, keys, "seed")}
    return whole([cell for cell in cells if cell.labels["seed"] in seeds], keys, "method")


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the page."""
    write_page(__doc__, PREFACE, sections, arguments)


if __name__ == "__main__":
    main()
