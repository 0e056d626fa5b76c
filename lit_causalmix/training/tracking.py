"""What a fit hands to its loggers besides numbers, each logger in its own words.

A logger of another class than those below takes the settings as hyper-parameters, and no pictures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import singledispatch
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)

_MLFLOW_NAME = re.compile(r"[\w/. :-]+")
"""What MLflow takes as the name of a parameter; a column's name may hold anything."""


@singledispatch
def log_settings(logger: Logger, settings: Mapping[str, Any]) -> None:
    """Logs the whole configuration of a run.

    Args:
        logger: One of the trainer's; on rank 0.
        settings: The configuration, as JSON values.
    """
    logger.log_hyperparams(dict(settings))


@log_settings.register
def _(logger: CSVLogger, settings: Mapping[str, Any]) -> None:
    """The run's folder holds `config.yaml` already."""


@log_settings.register
def _(logger: TensorBoardLogger, settings: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(settings), sort_keys=False)
    logger.experiment.add_text("settings", f"```yaml\n{text}```")  # it is shown as Markdown


@log_settings.register
def _(logger: MLFlowLogger, settings: Mapping[str, Any]) -> None:
    # Lightning cuts each parameter at 250 characters; the file has all of it.
    logger.experiment.log_dict(logger.run_id, dict(settings), "config.yaml")
    flat = flattened(settings)
    logger.log_hyperparams({k: v for k, v in flat.items() if _MLFLOW_NAME.fullmatch(k)})


@singledispatch
def log_picture(logger: Logger, path: Path, step: int) -> None:
    """Logs a picture under the name of its file.

    Args:
        logger: One of the trainer's; on rank 0.
        path: A PNG file.
        step: The training step that it belongs to.
    """


@log_picture.register
def _(logger: TensorBoardLogger, path: Path, step: int) -> None:
    from matplotlib.image import imread

    logger.experiment.add_image(path.stem, imread(path)[..., :3], step, dataformats="HWC")


@log_picture.register
def _(logger: WandbLogger, path: Path, step: int) -> None:
    logger.log_image(path.stem, [str(path)], step)


@log_picture.register
def _(logger: MLFlowLogger, path: Path, _step: int) -> None:
    logger.experiment.log_artifact(logger.run_id, str(path))


@singledispatch
def close(logger: Logger) -> None:
    """Ends the logger's run, where the next one in this process would go on with it."""


@close.register
def _(logger: WandbLogger) -> None:
    if logger._experiment is not None:
        logger.experiment.finish()


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dots between the names; lists stay as they are.

    Example:
        >>> flattened({"data": {"seed": 0, "table": {"kinds": {}}}, "a": [1]})
        {'data.seed': 0, 'a': [1]}
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
