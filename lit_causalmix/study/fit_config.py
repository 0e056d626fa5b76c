"""Configurations of `fit`, parsed and built by the parser of the command line itself."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

import lit_causalmix.backbones
import lit_causalmix.callbacks
import lit_causalmix.generators
import lit_causalmix.training  # noqa: F401  # these four make the class names known to the parser
from lit_causalmix.configuration import ConfiguredCLI, Parser, config_folder, with_packaged_configs
from lit_causalmix.configuration.files import read_mapping
from lit_causalmix.datamodules import CausalMixDataModule
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.names import key_name, resolve
from lit_causalmix.study.merging import merged
from lit_causalmix.tables import TableSpec
from lit_causalmix.training.task import CausalMixTask

_SECTIONS = ("model", "data", "trainer")
_made = threading.local()


class FitCLI(ConfiguredCLI):
    """`lit-causalmix fit` up to the built objects; nothing is run.

    Args:
        config: A complete configuration of `fit`.

    Attributes:
        trainer: Built, as are `model` and `datamodule`.

    Raises:
        ConfigurationError: For what the command line would refuse.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        try:
            super().__init__(
                CausalMixTask,
                CausalMixDataModule,
                save_config_callback=None,
                parser_class=Parser,
                seed_everything_default=0,
                auto_configure_optimizers=False,
                load_from_checkpoint_support=False,
                args=dict(config),
                run=False,
            )
        except MisconfigurationException as error:
            raise ConfigurationError(str(error)) from error

    def setup_parser(
        self, add_subcommands: bool, main_kwargs: dict[str, Any], subparser_kwargs: dict[str, Any]
    ) -> None:
        """Takes the parser of all fits of this thread: making one takes as long as parsing."""
        if not hasattr(_made, "parser"):
            super().setup_parser(add_subcommands, main_kwargs, subparser_kwargs)
            _made.parser = self.parser
        self.parser = _made.parser

    def instantiate_classes(self) -> None:
        """Builds the objects; the parsed configuration stays as it was read."""
        self._parsed = self.config.clone()
        super().instantiate_classes()

    def values(self, *, with_defaults: bool) -> dict[str, Any]:
        """The parsed configuration as JSON values, with or without what equals a default."""
        text = self.parser.dump(
            self._parsed, format="json", skip_default=not with_defaults, with_comments=False
        )
        content: dict[str, Any] = json.loads(text)
        return content if with_defaults else _without_defaults(content)


class ParsedFit(FitCLI):
    """The parsed configuration alone: no object is built."""

    def instantiate_classes(self) -> None:
        self._parsed = self.config.clone()


def parsed_table(table: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked of a table: `data.table` of a configuration, without what equals a default.

    Raises:
        ConfigurationError: For what the command line would refuse.
    """
    parser = Parser()
    parser.add_argument("--table", type=TableSpec)
    parsed = parser.parse_object({"table": dict(table)})
    text = parser.dump(parsed, format="json", skip_default=True, with_comments=False)
    content: dict[str, Any] = json.loads(text)["table"]
    return content


def read_fragment(fragment: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Reads a piece of a configuration.

    Args:
        fragment: Values; a mapping may start from `config`, one or several names of packaged
            configurations or YAML files, which a text alone names, too.

    Raises:
        ConfigurationError: If a named file does not exist, or it or one of its sections is no
            mapping.
    """
    content = _content(fragment)
    for name in _SECTIONS:
        if name in content and not isinstance(content[name], Mapping):
            raise ConfigurationError(f"{name} is a mapping of settings, got {content[name]!r}")
    return content


def _content(fragment: str | Mapping[str, Any] | None) -> dict[str, Any]:
    if fragment is None:
        return {}
    if isinstance(fragment, str):
        return _read_file(fragment)
    if not isinstance(fragment, Mapping):
        raise ConfigurationError(
            f"a piece of a configuration is a mapping or the name of a YAML file, got {fragment!r}"
        )
    values = dict(fragment)
    names = values.pop("config", [])
    files = [names] if isinstance(names, str) else names
    return merged(*(_read_file(name) for name in files), values)


def portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of `fit` without this machine's folders."""
    result = merged(config)
    result["trainer"].pop("default_root_dir", None)
    data = result["data"]
    settings = data.get("init_args") or {} if "class_path" in data else data
    settings.pop("cache_dir", None)
    table = settings.get("table")
    if isinstance(table, dict):  # a class of one's own names its table as it likes
        source = Path(str(table.get("source")))
        table |= {"source": source.name} if source.is_absolute() else {}
    return result


def with_plain_data(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of `fit` as it is where `CausalMixDataModule` need not be named.

    Raises:
        ConfigurationError: If another class is named, of which no folds are made.
    """
    data = config["data"]
    if "class_path" not in data:
        return dict(config)
    if resolve(data["class_path"]) is not CausalMixDataModule:
        raise ConfigurationError(
            "folds, and auto with them, are made of CausalMixDataModule alone, and "
            f"data.class_path is {data['class_path']}: set data.folds to 1 and leave auto out"
        )
    return {**config, "data": dict(data.get("init_args") or {})}


def _read_file(name: str) -> dict[str, Any]:
    path = Path(with_packaged_configs(["--config", name])[1])
    if not path.is_file():
        known = ", ".join(
            p.relative_to(config_folder()).with_suffix("").as_posix()
            for p in sorted(config_folder().rglob("*.yaml"))
        )
        raise ConfigurationError(
            f"no configuration {name!r}: neither a YAML file nor one of the packaged {known}"
        )
    return read_mapping(path)


def _without_defaults(value: Any) -> Any:
    """Leaves out what equals the default of the class that it is an argument of."""
    if isinstance(value, list):
        return [_without_defaults(item) for item in value]
    if not isinstance(value, dict):
        return value
    content = {name: _without_defaults(item) for name, item in value.items()}
    if "class_path" not in content:
        return content
    path, defaults = _class_facts(content["class_path"])
    arguments = {
        name: item
        for name, item in (content.get("init_args") or {}).items()
        if name not in defaults or defaults[name] != item
    }
    return {**content, "class_path": path, "init_args": arguments}


@cache
def _class_facts(path: str) -> tuple[str, dict[str, Any]]:
    """The name of a class in keys, and its arguments' defaults as JSON values."""
    kind = resolve(path)
    try:
        parameters = inspect.signature(kind).parameters
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"class_path {path!r} names no class: {error}") from error
    defaults = {
        name: json.loads(json.dumps(parameter.default, default=str))
        for name, parameter in parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    return key_name(kind), defaults
