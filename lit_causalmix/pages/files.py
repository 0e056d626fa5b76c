"""A page and the folder beside it that takes its pictures and numbers."""

from __future__ import annotations

from pathlib import Path

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import write_bytes, write_text
from lit_causalmix.pages.content import Page
from lit_causalmix.pages.html import render


def files_folder(page: Path) -> Path:
    """The folder beside a page."""
    return page.with_name(f"{page.stem}_files")


def check_writable(page: Path) -> None:
    """Makes the folder of a page, so that an unusable path is refused before anything slow.

    Raises:
        ConfigurationError: If the page or its folder cannot be written.
    """
    if page.is_dir():
        raise ConfigurationError(f"--out names an HTML file to write, but {page} is a folder")
    try:
        files_folder(page).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--out {page} cannot be written: {error}") from error


def write_page(path: Path, page: Page) -> None:
    """Writes what belongs beside a page, then the page in one step. Folders are made where absent.

    The page carries its pictures itself and needs no other file.
    """
    folder = files_folder(path)
    for name, content in page.files().items():
        write_bytes(folder / name, content)
    write_text(path, render(page))
