"""A page and the folder beside it that takes its pictures and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.files.atomic import write_bytes, write_text


@dataclass
class Files:
    """Files by name, as they are made."""

    content: dict[str, bytes] = field(default_factory=dict)

    def keep(self, name: str, content: bytes) -> bytes:
        """Keeps a file under a name and returns it."""
        self.content[name] = content
        return content


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


def write_page(page: Path, text: str, files: Files) -> None:
    """Writes the files into the folder, then the page in one step. Folders are made where absent.

    The page carries its pictures itself and needs no other file.
    """
    folder = files_folder(page)
    for name, content in files.content.items():
        write_bytes(folder / name, content)
    write_text(page, text)
