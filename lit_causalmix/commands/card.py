"""The command `lit-causalmix card`: the card of a kept model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lit_causalmix.model import Predictor
from lit_causalmix.model.card import model_card


def main(argv: Sequence[str] | None = None) -> int:
    """Checks a model's folder and prints its card in Markdown.

    Args:
        argv: Arguments after `card`; by default those of the process.

    Returns:
        The exit status, 0.

    Raises:
        ModelError: If the folder holds no model, or a damaged one.
    """
    parser = argparse.ArgumentParser(
        prog="lit-causalmix card", description="Check the folder of a model and print its card."
    )
    parser.add_argument("folder", metavar="FOLDER", help="RUN/model, or what save() wrote")
    parser.add_argument(
        "--own-code", action="store_true", help="import a backbone from outside this package"
    )
    arguments = parser.parse_args(argv)
    model = Predictor.load(arguments.folder, own_code=arguments.own_code)
    sys.stdout.write(model_card(model))
    return 0
