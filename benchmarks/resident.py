"""Runs many small cells of a study in one process, and says what stays in memory.

    LIT_CAUSALMIX_DATA=FOLDER python benchmarks/resident.py CELLS TABLE FOLDER

`study_throughput.py --memory` runs it. Writes `FOLDER.json`: after a cell → resident set in 10^6
bytes; the number of modules that cells behind the first imported stands under `new modules`.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

del sys.path[0]  # this folder's names must not stand in for libraries

from lit_causalmix.study.cell import run_cell  # noqa: E402
from lit_causalmix.study.checksums import known  # noqa: E402
from lit_causalmix.study.grid import plan  # noqa: E402
from lit_causalmix.study.record import OK  # noqa: E402
from lit_causalmix.study.spec import read_study  # noqa: E402
from lit_causalmix.study.store import Store  # noqa: E402

SMALL = {"max_train_rows": 60, "max_val_rows": 30, "max_test_rows": 30}
EVERY = 20
"""Cells between two marks."""


def resident() -> float:
    """The resident set now, in 10^6 bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Runs the cells and writes the marks."""
    n_cells, table, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    study = folder.with_suffix(".yaml")
    study.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "tables": [table],
        "methods": {"jitter": "baselines/jitter"},
        "seeds": list(range(n_cells)),
        "base": {
            "config": "caps/two-cores",
            "data": {"split": SMALL, "episode_rows": 40, "episodes_per_epoch": 2},
            "trainer": {"max_epochs": 1},
        },
    }
    study.write_text(json.dumps(content), encoding="utf-8")
    store = Store(folder)
    marks: dict[str, float] = {}
    modules: set[str] = set()
    for count, cell in enumerate(plan(read_study(study, {}), known(store)), start=1):
        record = run_cell(cell, store)
        if record["status"] != OK:
            raise SystemExit(record["error"])
        modules = modules or set(sys.modules)
        if count == 1 or count % EVERY == 0:
            marks[str(count)] = resident()
    marks["new modules"] = len(set(sys.modules) - modules)
    folder.with_suffix(".json").write_text(json.dumps(marks), encoding="utf-8")


if __name__ == "__main__":
    main()
