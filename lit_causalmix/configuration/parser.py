"""The parser of every command, and the part of LightningCLI that parses and builds."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, NoReturn

from jsonargparse import Namespace, set_loader, set_parsing_settings
from jsonargparse import get_loader as loader_of
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from yaml import YAMLError

from lit_causalmix.configuration.callbacks import with_each_once
from lit_causalmix.configuration.classes import check_classes
from lit_causalmix.configuration.files import check_yaml
from lit_causalmix.configuration.messages import explained
from lit_causalmix.errors import ConfigurationError, LitCausalMixError

_MODE = "checked_yaml"


def _load(text: str) -> Any:
    check_yaml(text)
    try:
        return loader_of("yaml")(text)
    except Exception as error:  # YAML's own, or what Python makes of "!!timestamp x" or "{1: }"
        raise YAMLError(str(error)) from error


set_loader(_MODE, _load, (YAMLError,))
set_parsing_settings(
    # A mapping for an argument without a type stays one, whatever class it names.
    instantiate_subclass_spec_in_any=False,
    # A configuration is a file of this machine; LightningCLI would also fetch it from elsewhere.
    config_read_mode_fsspec_enabled=False,
    # Given, if empty, the parser's own list of modules that run commands is in force.
    import_path_denylist=[],
)


class Parser(LightningArgumentParser):
    """A parser whose errors are exceptions, and which builds nothing but what is expected.

    Every text is read as safe YAML within limits (`check_yaml`), and every class that a value names
    is checked before anything is called (`check_classes`).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"parser_mode": _MODE} | kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if isinstance(ex, LitCausalMixError):
            raise ex
        raise ConfigurationError(explained(message, self)) from ex

    def parse_args(self, *args: Any, **kwargs: Any) -> Any:
        """Parses arguments; whatever the parser stumbles over is refused."""
        with self._refusing("read"):
            return super().parse_args(*args, **kwargs)

    def parse_object(self, *args: Any, **kwargs: Any) -> Any:
        """Parses values; whatever the parser stumbles over is refused."""
        with self._refusing("read"):
            return super().parse_object(*args, **kwargs)

    def dump(self, namespace: Any, format: str = "yaml", **kwargs: Any) -> str:
        """Writes a configuration as text; by default as YAML."""
        format = "yaml" if format == "parser_mode" else format
        text: str = super().dump(with_each_once(namespace), format, **kwargs)
        return text

    def instantiate(self, namespace: Namespace, *args: Any, **kwargs: Any) -> Any:
        """Builds the objects; what one of them stumbles over is refused, with the place."""
        if not self._is_within:
            check_classes(self, namespace)
        with self._refusing("built"):
            return super().instantiate(namespace, *args, **kwargs)

    @property
    def _is_within(self) -> bool:
        """Whether this is the parser's own, of a class that a value names."""
        return bool(getattr(self, "_inner_parser", False))

    @contextmanager
    def _refusing(self, what: str) -> Iterator[None]:
        """Turns errors into refusals; our own inside jsonargparse's many-lined one comes through.

        Values come from the user, so that an error while they are read or built is theirs to put
        right, whatever its kind. Within, jsonargparse needs the error as it is.
        """
        try:
            yield
        except LitCausalMixError:
            raise
        except Exception as error:
            causes = list(_causes(error))
            for cause in causes:
                if isinstance(cause, LitCausalMixError):
                    raise cause from None
            if self._is_within:
                raise
            raise ConfigurationError(
                f"the settings cannot be {what}: {_described(causes[-1])}"
            ) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _described(error: BaseException) -> str:
    """What an error says, with the file and line that raised it, for those who wrote the class."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())[:300] or "no message"
    return f"{type(error).__name__}: {text} ({Path(frame.filename).name}, line {frame.lineno})"


class ConfiguredCLI(LightningCLI):
    """LightningCLI whose refusals and interruptions reach the caller as what they are.

    Attributes:
        only: The subcommand that is run, where it is known: no parser is made for the others.
    """

    only: str | None = None

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """The subcommands, each with the arguments of its method that are none of it."""
        every = super().subcommands()
        return every if self.only is None else {self.only: every[self.only]}

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parses, and refuses classes of another kind before anything else is done."""
        super().parse_arguments(parser, args)
        subcommand = self.config.get("subcommand")
        if subcommand is None:
            self.config = with_each_once(self.config)
        else:
            self.config[subcommand] = with_each_once(self.config[subcommand])
        check_classes(parser, self.config)

    def _set_seed(self) -> None:
        try:
            super()._set_seed()
        except ValueError as error:
            raise ConfigurationError(f"seed_everything: {error}") from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Makes the trainer; settings that it refuses are the user's to put right."""
        try:
            return super().instantiate_trainer(**kwargs)
        except (MisconfigurationException, OSError):
            raise
        except Exception as error:
            raise ConfigurationError(f"the trainer refuses its settings: {error}") from error

    def fit(self, **kwargs: Any) -> None:
        """Fits; an interruption reaches the caller as what it is, not as Lightning's exit."""
        with self._interruptible():
            self.trainer.fit(**kwargs)

    def validate(self, **kwargs: Any) -> None:
        """Validates; interrupted as a fit is."""
        with self._interruptible():
            self.trainer.validate(**kwargs)

    def test(self, **kwargs: Any) -> None:
        """Tests; interrupted as a fit is."""
        with self._interruptible():
            self.trainer.test(**kwargs)

    def predict(self, **kwargs: Any) -> None:
        """Predicts; interrupted as a fit is."""
        with self._interruptible():
            self.trainer.predict(**kwargs)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Undoes how Lightning answers Ctrl-C: it leaves the process, and ignores all that follow.

        It puts SIGINT back itself, but for what it was told before its loops began: in discovery.
        """
        before = signal.getsignal(signal.SIGINT)
        try:
            yield
        except SystemExit as end:
            if isinstance(end.__context__, KeyboardInterrupt):
                raise end.__context__ from None
            if self.trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
        finally:
            if current_thread() is main_thread() and before is not None:
                signal.signal(signal.SIGINT, before)
