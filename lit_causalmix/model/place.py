"""Where a kept model stands: the folder that a user names."""

from __future__ import annotations

import os
from pathlib import Path

from lit_causalmix.errors import ModelError
from lit_causalmix.model.folder import MODEL_FILE


def place(folder: str | os.PathLike[str]) -> Path:
    """The path of a folder, `~` being the user's own as in the source of a table."""
    return Path(os.path.expanduser(folder))


def holding_model(folder: str | os.PathLike[str]) -> Path:
    """The path of a folder to read a model from.

    Raises:
        ModelError: If it is the folder of a run, whose model stands in a folder below it.
    """
    path = place(folder)
    below = path / "model"
    if not (path / MODEL_FILE).exists() and (below / MODEL_FILE).is_file():
        raise ModelError(f"{path} is the folder of a run: its model is {below}, name that")
    return path
