"""YAML and arguments → objects: the parser, the packaged configurations, the CLI's parsing half."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from lit_causalmix.errors import ConfigurationError, LitCausalMixError


def config_folder() -> Path:
    """The folder of the YAML files that come with the package."""
    return Path(str(files("lit_causalmix.configs")))


class Parser(LightningArgumentParser):
    """A parser whose errors are exceptions, so that the caller prints one clear line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise ConfigurationError(message) from ex

    def instantiate_classes(self, *args: Any, **kwargs: Any) -> Any:
        """Builds the objects; our own error inside jsonargparse's many-lined one comes through."""
        try:
            return super().instantiate_classes(*args, **kwargs)
        except ValueError as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, LitCausalMixError):
                cause = cause.__cause__
            if cause is None:
                raise
            raise cause from None


class ConfiguredCLI(LightningCLI):
    """LightningCLI whose refusals and interruptions reach the caller as what they are."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Makes the trainer; settings that it refuses are the user's to put right."""
        try:
            return super().instantiate_trainer(**kwargs)
        except (RuntimeError, ValueError, TypeError) as error:
            raise ConfigurationError(f"the trainer refuses its settings: {error}") from error

    def fit(self, **kwargs: Any) -> None:
        """Fits; an interruption reaches the caller as what it is, not as Lightning's exit."""
        try:
            self.trainer.fit(**kwargs)
        except SystemExit as end:
            if isinstance(end.__context__, KeyboardInterrupt):
                raise end.__context__ from None
            if self.trainer.interrupted:
                raise KeyboardInterrupt from None
            raise


def with_packaged_configs(args: Any) -> Any:
    """Lets `--config NAME` stand for a YAML file that comes with the package."""
    resolved = list(args)
    for position, argument in enumerate(resolved):
        option, equals, value = argument.partition("=")
        if option not in ("--config", "-c"):
            continue
        if equals:
            resolved[position] = f"{option}={_config_path(value)}"
        elif position + 1 < len(resolved):
            resolved[position + 1] = _config_path(resolved[position + 1])
    return resolved


def _config_path(value: str) -> str:
    path = Path(value)
    if not path.exists():
        name = value.removeprefix(f"configs{os.sep}").removesuffix(".yaml")
        path = config_folder() / f"{name}.yaml"
        if not path.is_file():
            return value  # the parser says what it makes of it
    try:
        yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"{value} is not readable as YAML: {error}") from error
    return str(path)
