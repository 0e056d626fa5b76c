"""The page on what is trained: the whole model, its head, low-rank adapters, or its inputs.

    LIT_CAUSALMIX_DATA=FOLDER python benchmarks/adapters.py --out docs/results/adapters.md

reads the cells of the packaged study `adapters` beside the output file (`adapters.jsonl.gz`, and
those that it shares with `methods` in `nano-study.jsonl.gz`). Tables and seeds are taken of which
every method of a comparison is there, so that none has others than another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from study_tables import (
    CAUTIOUS,
    MIN_GAIN,
    NANO,
    SELECTED,
    methods,
    plan_of,
    records_of,
    said,
    write_page,
)

from lit_causalmix.pages.content import Element, Part, Section
from lit_causalmix.study.grid import Cell
from lit_causalmix.study.record import OK, Record
from lit_causalmix.study.report.blocks import blocks
from lit_causalmix.study.report.contents import study_of

REFERENCE, ADAPTERS = "default", ("head-only", "lora", "retouche")
COMPARISONS = {
    "Real rows alone": (REFERENCE, *ADAPTERS),
    "Half of the rows synthetic": ("causalmixft", *(f"causalmixft-{name}" for name in ADAPTERS)),
}

PREFACE = """# What is trained: weights, head, adapters, inputs

Written by `benchmarks/adapters.py` from the cells of

```console
$ export LIT_CAUSALMIX_DATA=FOLDER
$ lit-causalmix study run --config adapters --jobs 2
```

as far as they are there. Normalised ROC-AUC (classification) or RMSE (regression) of the test rows,
in percent of zero-shot, on tables of the development half that have a numerical column; each table
counts once, by its mean over seeds. *default* and *causalmixft* train all weights at 1e-4,
*head-only* the last layer at 1e-4, *lora* adapters of rank 8 at 1e-3, *retouche* the inputs'
correction at 1e-2 (bound 0.5). The rates of LoRA (of two) and Retouche (of three) were chosen on
five of these tables with another seed, so that both look a little better here than they are.
Differences have Student's 95 % interval over tables.
"""


def complete(cells: Sequence[Cell], names: Sequence[str], keys: set[str]) -> list[Cell]:
    """The cells of some methods, of those tables and seeds for which all of them are finished."""
    chosen = [cell for cell in cells if cell.labels["method"] in names]

    def place(cell: Cell) -> tuple[object, object]:
        return cell.labels["table"], cell.labels["seed"]

    missing = {place(cell) for cell in chosen if cell.key not in keys}
    return [cell for cell in chosen if place(cell) not in missing]


def sections(folder: Path) -> Iterator[Section]:
    """A section for each comparison of which there is a table."""
    files = [folder / f"{name}.jsonl.gz" for name in (NANO, "adapters")]
    records: list[Record] = [record for file in files for record in records_of(file)]
    keys = {record["key"] for record in records if record["status"] == OK}
    plan = plan_of("adapters")
    for title, names in COMPARISONS.items():
        compared = names if REFERENCE in names else (REFERENCE, *names)
        cells = complete(plan, compared, keys)
        if not cells:
            continue
        parts = []
        for told, min_gain in ((SELECTED, None), (CAUTIOUS, MIN_GAIN)):
            study = study_of(records, files[1], "adapters", cells, min_gain=min_gain)
            for block in blocks(study, names[-1], REFERENCE):
                content: list[Element] = [said(block.main), methods(block)]
                parts.append(Part(content, f"{block.kind.capitalize()}, {told}"))
        yield Section("", title, parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the page."""
    write_page(__doc__, PREFACE, sections, arguments)


if __name__ == "__main__":
    main()
