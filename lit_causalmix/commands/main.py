"""The command line: one entry point, of which everything heavy is imported only when needed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from lit_causalmix import __version__
from lit_causalmix.errors import LitCausalMixError

PROGRAM = "lit-causalmix"
TRAINER_COMMANDS = ("fit", "validate", "test", "predict")

_HINTS = {
    "fit": "; the checkpoints in the run's folder are complete, continue with --ckpt_path "
    "RUN/checkpoints/last.ckpt",
    "study": "; every finished cell is kept, the same command goes on from there",
}
_HELP = f"""usage: {PROGRAM} COMMAND [options]

Fine-tune a tabular foundation model on a scarce table, with rows from structural causal models.

commands:
  fit        fine-tune; then test the selected weights and print the scores against zero-shot
  validate   score weights on the validation rows
  test       score weights on the test rows
  predict    write predictions for the rows of a new CSV or Parquet file
  inspect    write a page about a table, its causal structure and its synthetic rows
  study      run a grid of fits, interrupted and resumed at will, and compare methods
  weights    fetch, list and locate pre-trained weights

first steps:
  {PROGRAM} fit --config quickstart
  {PROGRAM} inspect --data.table.source my.csv --data.table.target price
  {PROGRAM} fit --data.table.source my.csv --data.table.target price

options:
  COMMAND --help           all options of a command
  COMMAND --print_config   the complete configuration as YAML
  --version                the version
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit status: 0, 2 for input that cannot be used, 130 for an interruption, 143 for a
        fit that SIGTERM ended.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help", "help"):
        sys.stdout.write(_HELP)
        return 0 if args else 2
    if args[0] == "--version":
        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        return 0
    # OpenMP's threads spin while they wait. Where another process has a core, a training step then
    # took 7.7 s in place of 1.0 s (2 cores, TabPFN v1); it must be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return _dispatch(args)
    except LitCausalMixError as error:
        return _refuse(str(error))
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"{PROGRAM}: interrupted{_HINTS.get(args[0], '')}\n")
        return 128 + int(getattr(stop, "signum", signal.SIGINT))


def _dispatch(args: list[str]) -> int:
    command, rest = args[0], args[1:]
    if command == "weights":
        from lit_causalmix.commands.weights import main as weights_main

        return weights_main(rest)
    if command == "inspect":
        from lit_causalmix.commands.inspect import main as inspect_main

        return inspect_main(rest)
    if command == "study":
        from lit_causalmix.commands.study import main as study_main

        return study_main(rest)
    if command in TRAINER_COMMANDS:
        from lit_causalmix.commands.trainer import run

        return run(args)
    known = ", ".join((*TRAINER_COMMANDS, "inspect", "study", "weights"))
    return _refuse(f"unknown command {command!r}: there are {known}; see {PROGRAM} --help")


def _refuse(message: str) -> int:
    sys.stderr.write(f"{PROGRAM}: error: {' '.join(message.split())}\n")
    return 2
