"""The command `lit-causalmix study report`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lit_causalmix.configuration import Parser
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.pages.files import check_writable
from lit_causalmix.study.checksums import known_or_built
from lit_causalmix.study.choice import (
    RESULTS,
    add_choice,
    add_min_gain,
    chosen_cells,
    chosen_study,
)
from lit_causalmix.study.report.contents import Study, read_study_results
from lit_causalmix.study.report.page import write_report
from lit_causalmix.study.store import Store

_DESCRIPTION = """Writes one HTML page about the finished cells of a study: a verdict, the
comparison of all methods, scaling curves, and what is missing. Its pictures and numbers go to a
folder beside it. A study that is still under way will do."""

_CELLS = ".jsonl.gz"
_NAMES = {
    "method": ("causalmixft", "the method that the verdict is on"),
    "reference": ("default", "the method that stands for default fine-tuning"),
}


def main(argv: Sequence[str]) -> int:
    """Runs the command; the path of the page goes to stdout.

    Args:
        argv: The arguments after `study report`.

    Returns:
        The exit status, 0.

    Raises:
        LitCausalMixError: For anything that the user can put right.
    """
    parser = Parser(prog="lit-causalmix study report", description=_DESCRIPTION)
    parser.add_argument("--store", type=str | None, help="folder of the results: runs/study/NAME")
    parser.add_argument("--cells", type=str | None, help="or a file of study export")
    add_choice(parser, required=False)
    add_min_gain(parser)
    parser.add_argument("--out", type=str | None, help="HTML file to write; default: NAME.html")
    for name, (method, text) in _NAMES.items():
        parser.add_argument(f"--{name}", type=str | None, help=f"{text}; default: {method}")
    options = parser.parse_args(list(argv))
    if options.store and options.cells:
        raise ConfigurationError("a report takes --store or --cells, got both")
    planned, spec = chosen_study(options) if options.config else (None, None)
    given = options.store or options.cells or (planned and RESULTS / planned)
    if given is None:
        raise ConfigurationError(
            "a report needs --store runs/study/NAME, --cells FILE.jsonl.gz or --config STUDY"
        )
    checksum = known_or_built(Store(Path(given)))
    cells = None if spec is None else chosen_cells(spec, options, checksum)
    source = Path(given).resolve()
    name = source.name.removesuffix(_CELLS)
    out = Path(options.out or Path(given).parent / f"{name}.html")
    study = read_study_results(Path(given), name, cells, min_gain=options.min_gain)
    check_writable(out)
    method, reference = (_method(study, name, options[name]) for name in _NAMES)
    write_report(out, study, method=method, reference=reference)
    sys.stdout.write(f"{out}\n")
    return 0


def _method(study: Study, option: str, given: str | None) -> str:
    """The method that an option names, its default where it names none; refuses others."""
    known = sorted({record["method"] for record in (*study.records, *study.failed)})
    if given is not None and given not in known:
        raise ConfigurationError(f"--{option} {given}: the study has {', '.join(known)}")
    return given or _NAMES[option][0]
