"""The command line: one entry point, of which everything heavy is imported only when needed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from threading import current_thread, main_thread

from lit_causalmix import __version__
from lit_causalmix.commands.help import FOLDS, MAIN, PROGRAM, STUDY, short_help
from lit_causalmix.errors import LitCausalMixError, shortened
from lit_causalmix.names import meant

TRAINER_COMMANDS = ("fit", "validate", "test", "predict")

_HINTS = {
    "fit": "; the checkpoints in the run's folder are complete, continue with --ckpt_path "
    "RUN/checkpoints/last.ckpt (a fit of folds with --resume RUN)",
    "study": "; every finished cell is kept, the same command goes on from there",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit status: 0, 2 for input or a place that cannot be used, 130 for an interruption, 143
        for a fit that SIGTERM ended.
    """
    _replace_what_cannot_be_written()
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help", "help"):
        sys.stdout.write(MAIN)
        return 0 if args else 2
    if args[0] == "--version":
        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        return 0
    # OpenMP's threads spin while they wait. Where another process has a core, a training step then
    # took 7.7 s in place of 1.0 s (2 cores, TabPFN v1); it must be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _make_own_modules_importable()
    try:
        return _dispatch(args)
    except LitCausalMixError as error:
        return _refuse(str(error))
    except OSError as error:  # a place that cannot be written, a full disk, no network
        place = f"{error.filename}: " if error.filename is not None else ""
        return _refuse(f"{place}{error.strerror or error}")
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"{PROGRAM}: interrupted{_HINTS.get(args[0], '')}\n")
        return 128 + int(getattr(stop, "signum", signal.SIGINT))


def _replace_what_cannot_be_written() -> None:
    """Lets no arrow of a table end a fit where the output is not UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")


def _make_own_modules_importable() -> None:
    """Lets a configuration name modules in the working directory, and shadow nothing by them."""
    try:
        here = os.getcwd()
    except OSError:  # it was deleted
        return
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)


def _dispatch(args: list[str]) -> int:
    command, rest = args[0], args[1:]
    asked = next((i for i, argument in enumerate(rest) if argument in ("-h", "--help")), None)
    if asked is not None and command in (*TRAINER_COMMANDS, "inspect"):
        if rest[asked + 1 : asked + 2] != ["all"]:
            sys.stdout.write(short_help(command))
            return 0
        if command == "fit":  # these are taken out before the parser
            sys.stdout.write(FOLDS)
        args, rest = [command, "--help"], ["--help"]
    if command == "study" and (not rest or rest[0] in ("-h", "--help")):
        sys.stdout.write(STUDY)
        return 0 if rest else 2
    module = "trainer" if command in TRAINER_COMMANDS else command
    if command == "predict" and _names_kept_model(rest):
        module = "predict_model"
    if module in ("trainer", "predict_model", "inspect", "card", "serve", "study", "weights"):
        with _imports():
            run: Callable[[list[str]], int] = import_module(f"{__package__}.{module}").main
        return run(args if module == "trainer" else rest)
    known = (*TRAINER_COMMANDS, "inspect", "card", "serve", "study", "weights")
    return _refuse(
        f"unknown command {command!r}{meant(command, known)}: there are {', '.join(known)}; see "
        f"{PROGRAM} --help"
    )


def _names_kept_model(args: list[str]) -> bool:
    """Whether `--model` names a folder of a model; a YAML file is settings of `model`."""
    for argument, following in zip(args, [*args[1:], ""], strict=True):
        option, equals, value = argument.partition("=")
        if option == "--model":
            named = value if equals else following
            return not named.endswith((".yaml", ".yml")) and not named.lstrip().startswith("{")
    return False


@contextmanager
def _imports() -> Iterator[None]:
    """Ends the process at once where an interruption falls into the imports.

    There is nothing to lose yet, and raised inside half an imported library it comes out as
    another error (numpy recurses without end).
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or current_thread() is not main_thread():
        yield
        return

    def end(*_: object) -> None:
        os.write(2, f"{PROGRAM}: interrupted\n".encode())
        os._exit(128 + signal.SIGINT)

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _refuse(message: str) -> int:
    sys.stderr.write(f"{PROGRAM}: error: {shortened(' '.join(message.split()))}\n")
    return 2
