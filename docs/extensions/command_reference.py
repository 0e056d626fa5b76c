"""The directive `command-reference`: what the parser of a command takes, read off the parser."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import takewhile
from typing import Any
from unittest import mock

import jsonargparse
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lit_causalmix.commands.main import TRAINER_COMMANDS

_CODE = re.compile(r"(?::[\w:]+:)?`+([^`]+?)(?:\s*<[^`>]*>)?`+")
_OBJECTS = re.compile(r"\[?Namespace\(class_path=.*\)", re.DOTALL)


class _Reached(BaseException):
    """Carries a parser and its arguments out of a command that was about to parse.

    No `Exception`, as the commands turn those into refusals.
    """


def reached(run: Callable[[list[str]], Any], words: Sequence[str]) -> tuple[Any, Any]:
    """Runs a command up to its parser.

    Args:
        run: Takes the words, such as `lit_causalmix.commands.main.main`.
        words: What is given to it.

    Returns:
        The parser, and the arguments that it was about to parse.

    Raises:
        LookupError: If the command ends without any.
    """

    def stop(
        parser: argparse.ArgumentParser, args: object = None, *_: object, **__: object
    ) -> None:
        raise _Reached(parser, args)

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", stop),
        mock.patch.object(jsonargparse.ArgumentParser, "parse_args", stop),
    ):
        try:
            run(list(words))
        except _Reached as end:
            parser, args = end.args
            return parser, args
    raise LookupError(f"{' '.join(words)} parses no arguments")


def parser_of(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of a command.

    Args:
        words: A module of `lit_causalmix.commands`, or a command of the trainer, and what leads to
            the parser from there, such as ["study", "run"].
    """
    command, *rest = words
    trainer = command in TRAINER_COMMANDS
    module = import_module(f"lit_causalmix.commands.{'trainer' if trainer else command}")
    parser, _ = reached(module.main, [command] if trainer else rest)
    found: argparse.ArgumentParser = subparsers(parser)[command] if trainer else parser
    return found


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands below a command, by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


class CommandReference(SphinxDirective):
    """Sections of all options of a command: `{command-reference} study run`."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Makes a section for each group of options."""
        words = self.arguments[0].split()
        return list(_sections(parser_of(words), " ".join(words)))


def _sections(parser: argparse.ArgumentParser, name: str) -> Iterator[nodes.Node]:
    """What a parser says of itself, its commands, and its options group by group."""
    if parser.description and name not in TRAINER_COMMANDS:  # theirs are Lightning's words
        yield nodes.paragraph(text=_line(parser.description))
    for below, its_parser in subparsers(parser).items():
        section = _section(f"{name} {below}", f"{name} {below}")
        section += list(_sections(its_parser, f"{name} {below}"))
        yield section
    texts = _texts(parser)
    for group in parser._action_groups:
        shown = [action for action in group._group_actions if _is_shown(action)]
        if not shown:
            continue
        options = _options([texts[action.dest] for action in shown], name)
        if group.title in ("options", "positional arguments"):
            yield options
            continue
        common = _common_part([action.dest for action in shown])
        title = _line(group.title or "options")
        section = _section(f"{name} {common or title}", common or title)
        if common:
            section += nodes.paragraph(text=f"{title}.")
        section += options
        yield section


def _common_part(settings: Sequence[str]) -> str:
    """What names of settings have in common: "data.table" of data.table.source and the like."""
    levels = zip(*(setting.split(".") for setting in settings), strict=False)
    return ".".join(level[0] for level in takewhile(lambda names: len({*names}) == 1, levels))


def _line(text: str) -> str:
    """A text in one line, without the invisible signs by which lines are kept whole."""
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())


def _is_shown(action: argparse.Action) -> bool:
    """Whether an option is told; `--SETTING.help` is told once for all on the page."""
    hidden = action.help == argparse.SUPPRESS or action.dest.endswith(".help")
    return not hidden and not isinstance(action, argparse._SubParsersAction)


def _section(identity: str, title: str) -> nodes.section:
    section = nodes.section(ids=[nodes.make_id(identity)])
    section += nodes.title(text=title)
    return section


def _texts(parser: argparse.ArgumentParser) -> dict[str, tuple[str, str]]:
    """How each option is written, and its help with type and default, as `--help` gives them."""
    texts: dict[str, tuple[str, str]] = {}

    class Recorder(parser.formatter_class):  # type: ignore[name-defined, misc]
        def _format_action(self, action: argparse.Action) -> str:
            written = self._format_action_invocation(action)
            described = self._expand_help(action) if action.help else ""
            texts[action.dest] = _line(written), _line(described)
            return ""

    with mock.patch.object(parser, "formatter_class", Recorder):
        parser.format_help()
    return texts


def _options(texts: Sequence[tuple[str, str]], name: str) -> nodes.definition_list:
    listed = nodes.definition_list(classes=["options"])
    for written, described in texts:
        term = nodes.term("", "", nodes.literal(text=written))
        term["ids"] = [nodes.make_id(f"{name} {written.split(',')[-1].split()[0].strip('-')}")]
        body = nodes.definition("", nodes.paragraph("", "", *_marked(described)))
        listed += nodes.definition_list_item("", term, body)
    return listed


def _marked(text: str) -> Iterator[nodes.Node]:
    """A help text with its `code` as such; Lightning's texts have roles of its own pages."""
    text = _OBJECTS.sub("the objects of default.yaml)", text)
    for number, part in enumerate(_CODE.split(text)):
        yield nodes.literal(text=part.lstrip("~!")) if number % 2 else nodes.Text(part)


def setup(app: Sphinx) -> dict[str, bool]:
    """Makes the directive known to Sphinx."""
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
