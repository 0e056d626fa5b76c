"""The command `lit-causalmix predict --model FOLDER`: predictions of a kept model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lit_causalmix.errors import TableError
from lit_causalmix.files.atomic import replacing
from lit_causalmix.model import Predictor
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
        "--escape-formulas", action="store_true", help="' before labels that spreadsheets evaluate"
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
        LitCausalMixError: For a folder that holds no whole model, or rows that do not fit it.
    """
    arguments = _parser().parse_args(argv)
    model = Predictor.load(arguments.model, own_code=arguments.own_code).to(arguments.device)
    rows, kept = _read(arguments.rows, arguments.keep, model)
    frame = model.frame(
        rows,
        quantiles=arguments.quantiles,
        escape_formulas=arguments.escape_formulas,
    )
    clash = [str(name) for name in kept if name in frame]
    if clash:
        raise TableError(f"--keep {' '.join(clash)}: the predictions have a column of that name")
    frame = pd.concat([kept, frame], axis=1)
    out = Path(arguments.out)
    with replacing(out) as scratch:
        frame.to_csv(scratch, index=False)
    sys.stdout.write(f"{len(frame)} predictions: {out}\n")
    return 0


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
