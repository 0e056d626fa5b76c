"""What a command line says, read before the parser is made: the parser's defaults depend on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lit_causalmix.configuration.files import check_yaml, read_mapping
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.starting import DEFAULT_BACKBONE, is_unnamed

CONFIG = ("--config", "-c")


def options(args: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The options of a command line with what follows them, which may be the next option."""
    for argument, following in zip(args, [*args[1:], ""], strict=True):
        option, equals, value = argument.partition("=")
        if option.startswith("-"):
            yield option, value if equals else following


def model_pieces(args: Sequence[str]) -> list[dict[str, Any]]:
    """What files and options say of `model`, as pieces of a configuration in rising precedence.

    What cannot be read is left to the parser, which says why.

    Example:
        >>> model_pieces(["fit", "--model.backbone=Nano", "--model.backbone.n_ensemble", "1"])
        [{'model': {'backbone': 'Nano'}}, {'model': {'backbone': {'n_ensemble': 1}}}]
    """
    pieces = []
    for option, value in options(args):
        path = option.removeprefix("--").split(".")
        if option in CONFIG:
            content = _value(value)
            if isinstance(content, dict):
                pieces.append({"model": content.get("model")})
        elif path[0] == "model":
            said = _value(value)
            for name in reversed(path):
                said = {name: said}
            pieces.append(said)
    return pieces


def with_named_backbone(args: Sequence[str], pieces: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names the default backbone, below all else, where settings of it are given without a class.

    Args:
        args: The command line.
        pieces: Its `model_pieces`.

    Example:
        >>> args = ["fit", "--model.backbone.version=1"]
        >>> with_named_backbone(args, model_pieces(args))[1]
        '--model.backbone=lit_causalmix.backbones.Nano'
    """
    if is_unnamed(*pieces):
        return [args[0], f"--model.backbone={DEFAULT_BACKBONE}", *args[1:]]
    return list(args)


def names_datamodule(args: Sequence[str]) -> bool:
    """Whether a configuration chooses a datamodule by `data.class_path`.

    Then any datamodule is taken, and nothing is preset: such a configuration is complete in
    itself. Otherwise `data` is a `CausalMixDataModule`, whose options need no class path.

    Subclass mode with a default class parses both (jsonargparse 4.53), but would preset
    `default.yaml` for both: LightningCLI chooses `default_config_files` before it parses, and
    `--print_config` ends the parse itself. Below a configuration of another datamodule, arguments
    of the preset classes live on in other classes that have them, too (AdamW's `betas` in
    `MuonAdamW`), and so change what pre-training does, without a word.
    """
    for option, value in options(args):
        if option in ("--data", "--data.class_path"):
            return True
        content = _value(value) if option in CONFIG else None
        data = content.get("data") if isinstance(content, dict) else None
        if isinstance(data, dict) and "class_path" in data:
            return True
    return False


def _value(text: str) -> Any:
    """The value of an option: YAML, or the file that it names."""
    try:
        content = _file(text)
        check_yaml(text)
        return yaml.safe_load(text) if content is None else content
    except (ConfigurationError, yaml.YAMLError, ValueError):
        return text


def _file(name: str) -> dict[str, Any] | None:
    """The mapping in a YAML file; None where the text names no file."""
    try:
        path = Path(name)
        return read_mapping(path) if path.is_file() else None
    except (OSError, ValueError):  # too long for a path, or with a null byte
        return None
