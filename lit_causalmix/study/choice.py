"""Which cells a command is about: a study by its name, and parts of its grid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace

from lit_causalmix.configuration import Parser, config_folder
from lit_causalmix.configuration.files import check_yaml
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.study.checksums import Checksum
from lit_causalmix.study.grid import Cell, plan
from lit_causalmix.study.results import selected
from lit_causalmix.study.spec import StudySpec, read_study

RESULTS = Path("runs") / "study"
"""Where results lie unless a command is told otherwise, in a folder of the study's name."""

_OVERRIDES: Mapping[str, str] = {
    "tables": "a YAML list such as [credit_g, concrete]",
    "seeds": "a YAML list such as [0, 1, 2]",
    "sizes": "a YAML list such as [0, 1, null]",
    "ratios": "a YAML list such as [0, 0.5, 1]",
    "tables_dir": "folder of CSV files with an index.json",
}


def add_choice(parser: Parser, *, required: bool) -> None:
    """Gives a command the options that choose cells.

    Args:
        parser: The command's.
        required: Whether there has to be a study.
    """
    parser.add_argument(
        "-c",
        "--config",
        type=str if required else str | None,
        required=required,
        help="YAML of a study, or the name of a packaged one: " + ", ".join(_packaged()),
    )
    for name, text in _OVERRIDES.items():
        said = f"{text}, in place of the file's and of those of its grids"
        parser.add_argument(f"--{name}", type=str | None, help=said)
    parser.add_argument(
        "--only",
        type=str,
        nargs="+",
        default=[],
        metavar="LABEL=VALUE,...",
        help="take these cells alone, for example method=default,jitter table=credit_g",
    )


def add_min_gain(parser: Parser) -> None:
    """Gives a command the option to select the weights of the cells anew."""
    parser.add_argument(
        "--min_gain",
        type=float | None,
        help="selects the weights of every cell anew, as CautiousValidation would with this "
        "min_gain, in percent; needs ScoreTrajectory in the cells",
    )


def chosen_study(options: Namespace) -> tuple[str, StudySpec]:
    """Name and declaration of the study that a command was given.

    Raises:
        LitCausalMixError: For an unknown study, or an unusable declaration.
    """
    overrides = {
        name: _override(name, options[name]) for name in _OVERRIDES if options[name] is not None
    }
    path = _study_file(options.config)
    return path.stem, read_study(path, overrides)


def chosen_cells(spec: StudySpec, options: Namespace, checksum: Checksum) -> list[Cell]:
    """The cells of a study that a command is about.

    Args:
        spec: The study.
        options: Of the command.
        checksum: See `grid.plan`.

    Raises:
        LitCausalMixError: For an unusable part of the study.
    """
    return selected(plan(spec, checksum), options.only)


def _override(name: str, text: str) -> Any:
    try:
        check_yaml(text)
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a LitCausalMixError of check_yaml is one
        raise ConfigurationError(
            f"--{name} is {_OVERRIDES[name]}, got {text!r}: {error}"
        ) from error


def _study_file(value: str) -> Path:
    """A study by its path or its packaged name, with or without the folder."""
    if Path(value).is_file():
        return Path(value)
    name = value.removeprefix("configs/").removeprefix("study/").removesuffix(".yaml")
    if name in _packaged():
        return _folder() / f"{name}.yaml"
    raise ConfigurationError(
        f"no study {value!r}: neither a YAML file nor one of {', '.join(_packaged())}"
    )


def _packaged() -> list[str]:
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def _folder() -> Path:
    return config_folder() / "study"
