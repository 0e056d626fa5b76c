"""The command `lit-causalmix predict --model FOLDER`: predictions of a kept model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lit_causalmix.commands.notes import noting
from lit_causalmix.errors import ConfigurationError, TableError
from lit_causalmix.files.atomic import replacing
from lit_causalmix.model import Predictor
from lit_causalmix.model.frames import check_csv_name, escaped_frame
from lit_causalmix.tables import TableSpec
from lit_causalmix.tables.infer import listed
from lit_causalmix.tables.sources import read_source


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lit-causalmix predict", description="Write the predictions of a kept model as CSV."
    )
    parser.add_argument("rows", metavar="ROWS", help="CSV or Parquet file with the rows to predict")
    parser.add_argument("--model", metavar="FOLDER", required=True, help="RUN/model, say")
    parser.add_argument("--out", metavar="FILE", default="predictions.csv", help="%(default)s")
    parser.add_argument(
        "--keep", metavar="COLUMN", nargs="+", default=[], help="columns of ROWS to write beside"
    )
    parser.add_argument(
        "--quantiles", metavar="Q", type=float, nargs="+", default=[], help="such as 0.05 0.95"
    )
    parser.add_argument("--device", default="cpu", help="cpu (the default), cuda, …")
    parser.add_argument(
        "--escape-formulas", action="store_true", help="' before text that spreadsheets evaluate"
    )
    parser.add_argument(
        "--own-code", action="store_true", help="import a backbone from outside this package"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Predicts the rows of a file, one line for each, in their order.

    Args:
        argv: Arguments after `predict`; by default those of the process.

    Returns:
        The exit status, 0.

    Raises:
        LitCausalMixError: For a folder that holds no whole model, rows that do not fit it, or a
            file to write that is the one of the rows, or has the name of another format.
    """
    arguments = _parser().parse_args(argv)
    out = Path(arguments.out)
    check_csv_name(out)
    _check_other_file(out, arguments.rows)
    model = Predictor.load(arguments.model, own_code=arguments.own_code).to(arguments.device)
    rows, kept = _read(arguments.rows, arguments.keep, model)
    with noting():
        frame = model.frame(
            rows,
            quantiles=arguments.quantiles,
            escape_formulas=arguments.escape_formulas,
        )
    clash = [str(name) for name in kept if name in frame]
    if clash:
        raise TableError(f"--keep {' '.join(clash)}: the predictions have a column of that name")
    kept = escaped_frame(kept) if arguments.escape_formulas else kept
    frame = pd.concat([kept, frame], axis=1)
    with replacing(out) as scratch:
        frame.to_csv(scratch, index=False)
    sys.stdout.write(f"{len(frame)} predictions: {out}\n")
    return 0


def _check_other_file(out: Path, rows: str) -> None:
    """Refuses to write over the rows, by whatever name.

    Raises:
        ConfigurationError: If both are one file.
    """
    source = Path(rows).expanduser()
    try:
        same = out.samefile(source)
    except (OSError, ValueError):  # one is no file, or no name of one: said where it is used
        return
    if same:
        raise ConfigurationError(
            f"--out {out} is the file of the rows, {rows}, which the predictions would replace: "
            "name another one"
        )


def _read(source: str, keep: Sequence[str], model: Predictor) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows, without those columns to keep that are no features, and the columns to keep."""
    one_column = len(model.feature_names) == 1
    spec = TableSpec(source, max_bytes=model.spec.max_bytes)
    frame = read_source(spec, one_column=one_column).frame
    absent = [name for name in keep if name not in frame]
    if absent:
        raise TableError(
            f"--keep {' '.join(absent)}: no such column in {source}, there are "
            f"{listed(list(frame.columns))}"
        )
    further = [name for name in keep if name not in model.feature_names]
    return frame.drop(columns=further), frame[list(keep)]
