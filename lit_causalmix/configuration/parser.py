"""The parser of every command, and the part of LightningCLI that parses and builds."""

from __future__ import annotations

from typing import Any, NoReturn

from jsonargparse import Namespace, set_loader, set_parsing_settings
from jsonargparse import get_loader as loader_of
from lightning.pytorch import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from yaml import YAMLError

from lit_causalmix.configuration.classes import check_classes
from lit_causalmix.configuration.files import check_yaml
from lit_causalmix.configuration.messages import explained
from lit_causalmix.errors import ConfigurationError, LitCausalMixError

_MODE = "checked_yaml"


def _load(text: str) -> Any:
    check_yaml(text)
    try:
        return loader_of("yaml")(text)
    except (ValueError, AttributeError) as error:  # of texts such as "2024-99-99", "=" or "{1: }"
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

    def dump(self, namespace: Any, format: str = "yaml", **kwargs: Any) -> str:
        """Writes a configuration as text; by default as YAML."""
        text: str = super().dump(namespace, "yaml" if format == "parser_mode" else format, **kwargs)
        return text

    def instantiate(self, namespace: Namespace, *args: Any, **kwargs: Any) -> Any:
        """Builds the objects; our own error inside jsonargparse's many-lined one comes through."""
        if not getattr(self, "_inner_parser", False):  # that of a class within: it was checked
            check_classes(self, namespace)
        try:
            return super().instantiate(namespace, *args, **kwargs)
        except ValueError as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, LitCausalMixError):
                cause = cause.__cause__
            if cause is None:
                raise
            raise cause from None


class ConfiguredCLI(LightningCLI):
    """LightningCLI whose refusals and interruptions reach the caller as what they are."""

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parses, and refuses classes of another kind before anything else is done."""
        super().parse_arguments(parser, args)
        check_classes(parser, self.config)

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
