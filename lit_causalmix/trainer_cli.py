"""`fit`, `validate`, `test` and `predict`: one LightningCLI over our task and datamodule."""

from __future__ import annotations

import logging
import os
import warnings
from importlib.resources import files
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NoReturn

import lightning.pytorch as pl
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

import lit_causalmix.backbones
import lit_causalmix.callbacks
import lit_causalmix.generators
import lit_causalmix.optim  # noqa: F401  # these four make the class names known to the parser
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.errors import ConfigurationError, LitCausalMixError
from lit_causalmix.task import CausalMixTask

_CKPT_KEYWORDS = ("best", "last", "hpc")


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


class TrainerCLI(LightningCLI):
    """LightningCLI with our defaults; after a fit it tests the selected weights."""

    def _parse_ckpt_path(self) -> None:
        # Lightning would let hyper-parameters in the checkpoint override the YAML; ours holds
        # none. What is left to do is to refuse a damaged file before any work starts.
        path = self.config[self.config.subcommand].get("ckpt_path")
        if path and path not in _CKPT_KEYWORDS:
            check_checkpoint(Path(path))

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
        except SystemExit:
            if self.trainer.interrupted:
                raise KeyboardInterrupt from None
            raise

    def after_fit(self) -> None:
        """Scores the selected weights on the test rows, so that a fit ends with an answer."""
        if isinstance(self.datamodule, CausalMixDataModule) and len(self.datamodule.splits.test):
            self.trainer.test(self.model, datamodule=self.datamodule, verbose=False)


def check_checkpoint(path: Path) -> None:
    """Refuses a file that is no Lightning checkpoint.

    Raises:
        ConfigurationError: With the path and what is wrong with it.
    """
    if not path.is_file():
        raise ConfigurationError(f"ckpt_path {str(path)!r} does not exist")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, UnpicklingError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigurationError(
            f"ckpt_path {str(path)!r} is damaged or no checkpoint: {first}"
        ) from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ConfigurationError(f"ckpt_path {str(path)!r} is no Lightning checkpoint")


def run(args: ArgsType) -> int:
    """Runs one command of the trainer.

    Raises:
        LitCausalMixError: For anything that the user can put right.
    """
    # The arguments differ from the process's own only where a packaged configuration is named.
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter is intended")
    # Hardware lines, tips and the echo of the seed; warnings and our own messages stay.
    for name in (
        "pytorch.utilities.rank_zero",
        "fabric.utilities.rank_zero",
        "fabric.utilities.seed",
    ):
        logging.getLogger(f"lightning.{name}").setLevel(logging.WARNING)
    args = with_packaged_configs(args)
    other = _names_datamodule(args)
    defaults = {} if other else {"default_config_files": [str(config_folder() / "default.yaml")]}
    try:
        TrainerCLI(
            CausalMixTask,
            pl.LightningDataModule if other else CausalMixDataModule,
            subclass_mode_data=other,
            save_config_kwargs={"overwrite": True},
            parser_class=Parser,
            parser_kwargs={name: dict(defaults) for name in TrainerCLI.subcommands()},
            seed_everything_default=0,
            auto_configure_optimizers=False,
            # A checkpoint's stored hyper-parameters would silently override the YAML.
            load_from_checkpoint_support=False,
            args=args,
        )
    except MisconfigurationException as error:
        raise ConfigurationError(str(error)) from error
    return 0


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


def _names_datamodule(args: Any) -> bool:
    """Whether a configuration chooses a datamodule by `data.class_path`.

    Then any datamodule is taken, and nothing is preset: such a configuration is complete in
    itself. Otherwise `data` is a `CausalMixDataModule`, whose options need no class path.
    """
    given = list(args)
    for argument, following in zip(given, [*given[1:], ""], strict=True):
        option, equals, value = argument.partition("=")
        if option in ("--data", "--data.class_path"):
            return True
        path = Path(value if equals else following)
        if option in ("--config", "-c") and path.is_file():
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            data = content.get("data") if isinstance(content, dict) else None
            if isinstance(data, dict) and "class_path" in data:
                return True
    return False


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
