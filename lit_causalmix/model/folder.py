"""A kept model on disk: `model.json`, which names every other file with its digest, or nothing.

Files of weights and of context rows are named after their content, so that saving into the folder
of an older model overwrites none of its files: it is the old model until `model.json` is replaced
in one step, and the new one from then on. Members with equal weights or rows share a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from lit_causalmix.errors import ModelError
from lit_causalmix.files.atomic import finite, refusals, replacing, write_json
from lit_causalmix.files.digests import of_file, of_json, of_parts, of_tensors
from lit_causalmix.files.reading import parse_json

FORMAT = 2
"""Of the folder; raised where an older version could not read it, or would read it wrongly: 2 has a
threshold for decisions, and what has none is written as 1."""

MODEL_FILE = "model.json"
CARD_FILE = "README.md"

_DATA_FILE = re.compile(r"(?:weights|context)-[0-9a-f]{16}\.safetensors")
_PARTIAL = re.compile(r"\..+\.[0-9a-f]{32}")
"""What an atomic write leaves behind when its process is killed."""

Tensors = Mapping[str, Tensor]


class FolderWriter:
    """Writes the files of a model, `model.json` last.

    Args:
        folder: Made where absent. It may hold a model, which this one takes the place of.

    Raises:
        ModelError: If it holds other files, among them a README.md that is none of a model.
        FileError: If it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, dict[str, Any]] = {}
        with refusals(folder):
            folder.mkdir(parents=True, exist_ok=True)
        own = re.compile(
            f"{re.escape(MODEL_FILE)}|{re.escape(CARD_FILE)}|{_DATA_FILE.pattern}|"
            f"{_PARTIAL.pattern}"
        )
        names = {path.name for path in folder.iterdir()}
        others = sorted(name for name in names if not own.fullmatch(name))
        if CARD_FILE in names and MODEL_FILE not in names:
            others.append(CARD_FILE)  # a model's own is written after its description
        if others:
            raise ModelError(
                f"{folder} holds other files ({', '.join(map(repr, others[:3]))}): name a new "
                "folder for the model"
            )

    def add(self, kind: str, tensors: Tensors) -> str:
        """Writes tensors, unless the folder has them already; returns the name of their file."""
        plain = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        name = f"{kind}-{of_tensors(plain)[:16]}.safetensors"
        if name not in self._files:
            path = self.folder / name
            with replacing(path) as scratch:
                safetensors.torch.save_file(plain, scratch)
            self._files[name] = {"sha256": of_file(path), "bytes": path.stat().st_size}
        return name

    def finish(self, content: Mapping[str, Any]) -> None:
        """Writes `model.json`, and removes the files of the model that stood there before."""
        known = FORMAT if "threshold" in content else 1
        whole = finite({"format": known, **content, "files": self._files})
        write_json(self.folder / MODEL_FILE, whole | {"sha256": of_json(whole)})
        for path in self.folder.iterdir():
            stale = _DATA_FILE.fullmatch(path.name) and path.name not in self._files
            if stale or _PARTIAL.fullmatch(path.name):
                path.unlink(missing_ok=True)


def read_content(folder: Path) -> dict[str, Any]:
    """Reads and checks `model.json`.

    Raises:
        ModelError: If the folder holds no model, one of a newer version, or a damaged one.
    """
    path = folder / MODEL_FILE
    if not folder.is_dir():
        raise ModelError(f"no model at {folder}: it is no folder")
    try:
        content = parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} holds no model: its {MODEL_FILE}, which is written last, is missing"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged or no JSON: {error}") from error
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise ModelError(f"{path} describes no model of lit-causalmix")
    if content["format"] > FORMAT:
        raise ModelError(
            f"{folder} is of a newer version of lit-causalmix, {content.get('version')} (format "
            f"{content['format']}; this one reads up to {FORMAT}): update lit-causalmix"
        )
    rest = {name: value for name, value in content.items() if name != "sha256"}
    if content.get("sha256") != of_json(rest):
        raise ModelError(f"{path} is damaged: its content is not what was written")
    return content


def read_tensors(folder: Path, name: str, files: Mapping[str, Any]) -> dict[str, Tensor]:
    """Reads a file of tensors that `model.json` names.

    Raises:
        ModelError: If it is missing, cut or not what was written.
    """
    if not _DATA_FILE.fullmatch(name) or name not in files:
        raise ModelError(f"{folder / MODEL_FILE} names a file that is none of the model: {name!r}")
    path, noted = folder / name, files[name]
    try:
        data = path.read_bytes()
        if len(data) != noted["bytes"]:
            raise ModelError(
                f"{path} is cut or not the model's own: it has {len(data):,} bytes in place of "
                f"{noted['bytes']:,}"
            )
        if of_parts([data]) != noted["sha256"]:
            raise ModelError(f"{path} is damaged: its SHA-256 is not the one in {MODEL_FILE}")
        return safetensors.torch.load(data)
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing: copy the whole folder of the model") from error
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
