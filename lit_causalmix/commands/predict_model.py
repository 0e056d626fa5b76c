"""The command `lit-causalmix predict --model FOLDER`: predictions of a kept model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lit_causalmix.files.atomic import replacing
from lit_causalmix.model import Predictor


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lit-causalmix predict", description="Write the predictions of a kept model as CSV."
    )
    parser.add_argument("rows", metavar="ROWS", help="CSV or Parquet file with the rows to predict")
    parser.add_argument("--model", metavar="FOLDER", required=True, help="RUN/model, say")
    parser.add_argument("--out", metavar="FILE", default="predictions.csv", help="%(default)s")
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
    frame = model.frame(
        arguments.rows,
        quantiles=arguments.quantiles,
        escape_formulas=arguments.escape_formulas,
    )
    out = Path(arguments.out)
    with replacing(out) as scratch:
        frame.to_csv(scratch, index=False)
    sys.stdout.write(f"{len(frame)} predictions: {out}\n")
    return 0
