"""What pages say is true: links lead somewhere, commands are taken, code imports what there is."""

import ast
import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_causalmix.commands.main import TRAINER_COMMANDS, main
from lit_causalmix.configuration import config_folder
from lit_causalmix.study.spec import read_study

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
WRITTEN = sorted(p for p in DOCS.rglob("*.md") if not {"_build", "api"} & {*p.parts})
OWN = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
PAGES = {p.relative_to(ROOT).as_posix(): p for p in (*(ROOT / n for n in OWN), *WRITTEN)}


def text_of(page: str) -> str:
    return PAGES[page].read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Names of the headings, as GitHub and MyST make them."""
    text = re.sub(
        r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    heads = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, heading = target.partition("#")
        if "://" in target or target.startswith("mailto:") or file.startswith("api/"):
            continue  # api/ is written when the site is built, which knows its pages
        path = PAGES[page].parent / file if file else PAGES[page]
        assert path.exists(), target
        if heading:
            assert heading in anchors(path), target


def test_every_page_is_in_the_contents() -> None:
    listed = set()
    for index in (DOCS / "index.md", DOCS / "results" / "index.md"):
        for tree in re.findall(
            r"```\{toctree\}\n(.*?)```", index.read_text(encoding="utf-8"), re.S
        ):
            entries = [line for line in tree.splitlines() if line and line[0] != ":"]
            names = [re.sub(r".*<(.*)>", r"\1", entry) for entry in entries]
            for name in (name for name in names if not name.startswith("api")):
                found = set(index.parent.glob(f"{name}.md"))
                assert found, f"{index} names the page {name}, which is not there"
                listed |= found
    missing = set(WRITTEN) - listed - {DOCS / "index.md"}
    assert not missing, "name these pages in the contents of docs/index.md"


@pytest.mark.parametrize("page", PAGES)
def test_packaged_configurations_that_are_named_exist(page: str) -> None:
    for name in re.findall(r"--config[ =]([\w/.-]+)", text_of(page)):
        there = (config_folder() / f"{name}.yaml").is_file() or (
            config_folder() / "study" / f"{name}.yaml"
        ).is_file()
        assert there or name.endswith(".yaml"), name
    for folder, name in re.findall(
        r"`(baselines|stopping|finetune|episodes)/([\w-]+)`", text_of(page)
    ):
        assert (config_folder() / folder / f"{name}.yaml").is_file(), name


def commands(page: str) -> Iterator[list[str]]:
    """The words of each `lit-causalmix` command of a page, without what is before and behind."""
    for block in blocks(text_of(page), "console"):
        joined = re.sub(r"\\\n\s*", " ", block)
        for line in re.findall(r"^\$ (.*)$", joined, flags=re.MULTILINE):
            words = shlex.split(line, comments=True)
            heads = [i for i, w in enumerate(words) if w in ("lit-causalmix", "lit_causalmix")]
            runs = words[0] in ("lit-causalmix", "torchrun", "srun")  # and not an image's name
            if runs and words[heads[0] + 1 :]:
                yield words[heads[0] + 1 :]


@pytest.fixture(scope="module")
def reference() -> Any:
    """What takes the parsers out of the commands for the site."""
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    sys.path.insert(0, str(DOCS / "extensions"))
    try:
        return importlib.import_module("command_reference")
    finally:
        sys.path.remove(str(DOCS / "extensions"))


SAID = [
    pytest.param(words, id=f"{page}: {shlex.join(words)}")
    for page in PAGES
    for words in commands(page)
]


@pytest.mark.parametrize("words", SAID)
def test_commands_are_taken_by_their_parsers(words: list[str], reference: Any) -> None:
    if "--help" in words or (words[0] == "study" and len(words) == 1):
        return
    parser, args = reference.reached(main, without_files(words))
    status = 0
    try:
        parser.parse_args(args)
    except SystemExit as end:  # of --print_config, or of the help of a class
        status = int(end.code or 0)
    assert status == 0


def without_files(words: list[str]) -> list[str]:
    """The words without configurations of the reader's own, and with a table that is there."""
    kept: list[str] = []
    for word in words:
        if not word.endswith(".yaml"):
            kept.append(word)
        elif (ROOT / word).is_file():
            kept.append(str(ROOT / word))
        else:
            kept.pop()
    named = any("source" in word or "pretrain" in word for word in kept)
    takes = words[0] in (*TRAINER_COMMANDS, "inspect") and "--model" not in words
    return kept if named or not takes else [kept[0], "--data.table.source=german_credit", *kept[1:]]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(text_of(page), "python")])
def test_code_imports_what_there_is(page: str) -> None:
    for block in blocks(text_of(page), "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), block


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(text_of(page), "yaml")])
def test_yaml_is_taken_as_what_it_is(page: str, reference: Any, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(text_of(page), "yaml")):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block, encoding="utf-8")
        if "methods" in yaml.safe_load(block):
            read_study(file, {})
        elif "my_module" not in block:
            source = [] if "source:" in block else ["--data.table.source=german_credit"]
            parser, args = reference.reached(main, ["fit", "--config", str(file), *source])
            parser.parse_args(args)
