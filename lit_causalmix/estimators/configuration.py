"""From an estimator's arguments to the configuration of a fit, as the command line reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lit_causalmix.configuration import config_folder
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.names import meant
from lit_causalmix.study.candidates import KEY
from lit_causalmix.study.fit_config import read_fragment
from lit_causalmix.study.merging import class_name, is_packaged, merged
from lit_causalmix.study.starting import starting_fragment

_REPORTING = ("RunReport", "ReferenceModels", "PredictionWriter", "ModelCheckpoint")
"""Callbacks that leave files and scores of test rows, which a fit in Python has no use for."""

Settings = Mapping[str, Any]


def recipe(name: str, folder: str) -> dict[str, Any]:
    """Reads a packaged recipe by its short name, any packaged one by its path, or a YAML file.

    Args:
        name: "causalmixft", "finetune/ema" or "my.yaml".
        folder: Where short names are looked up: "baselines" or "backbones".

    Raises:
        ConfigurationError: If there is none, with what was probably meant.

    Example:
        >>> recipe("default", "baselines")["data"]["synthetic_ratio"]
        0.0
    """
    root = config_folder()
    if (root / folder / f"{name}.yaml").is_file():
        return read_fragment(f"{folder}/{name}")
    if Path(name).is_file() or (root / f"{name}.yaml").is_file():
        return read_fragment(name)
    known = [path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml")]
    short = sorted(path.removeprefix(f"{folder}/") for path in known if path.startswith(folder))
    raise ConfigurationError(
        f"there is no recipe {name!r}{meant(name, [*short, *known])}: there are "
        f"{', '.join(short)}, every other one of the package by its path, such as finetune/ema, "
        "and YAML files"
    )


def backbone_settings(backbone: str | Settings | None) -> dict[str, Any]:
    """A backbone by its packaged name, its class, or its class with arguments."""
    if backbone is None:
        return {}
    if not isinstance(backbone, str):
        return {"model": {"backbone": dict(backbone)}}
    if (config_folder() / "backbones" / f"{backbone}.yaml").is_file():
        return recipe(backbone, "backbones")
    return {"model": {"backbone": {"class_path": backbone}}}


def fit_settings(
    *,
    method: str | Sequence[str],
    backbone: str | Settings | None,
    synthetic_ratio: float | None,
    max_steps: int | None,
    time_limit: float | None,
    folds: int,
    device: str,
    seed: int,
    verbose: int,
    folder: Path,
    keeps_run: bool,
    table: Settings,
    settings: Settings | None,
    class_weight: str | Settings | None = None,
) -> dict[str, Any]:
    """The configuration of a fit: what every fit starts from, recipes, arguments, settings.

    Args:
        method: One recipe or several, each over those before it.
        backbone: See `backbone_settings`.
        synthetic_ratio: None leaves what the recipes say.
        max_steps: None leaves what the recipes say; 0 is zero-shot.
        time_limit: Seconds, shared by the folds, with auto by all fits; None sets no limit.
        folds: Fits, each validated on a fold of its own; with auto 1 takes those of the recipe.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        seed: Of the split and of everything else.
        verbose: 0 shows no progress.
        folder: Where the run writes.
        keeps_run: Whether it writes what a run of the command line does.
        table: Settings of `data.table`; its kinds yield to those of recipes and settings.
        settings: Of the user, over all others; as YAML has them, with `config` naming more recipes.
        class_weight: "balanced" or weights by label; None leaves what the recipes say.

    Raises:
        ConfigurationError: For an unknown recipe, arguments that contradict each other or the
            settings, or settings of where a run writes.
    """
    recipes = [method] if isinstance(method, str) else list(method)
    asked = *(recipe(name, "baselines") for name in recipes), backbone_settings(backbone)
    said = read_fragment(settings)
    _check_files(said, keeps_run=keeps_run)
    base = merged(starting_fragment(*asked, said), *asked)
    # The whole of X is for training and validation: whoever wants a test keeps rows back.
    own: dict[str, Any] = {
        "data": {"seed": seed, "split": {"seed": seed, "test_fraction": 0.0}},
        "trainer": _device(device) | {"enable_progress_bar": verbose > 0},
        "seed_everything": False,  # nothing here draws from global generators, or moves them
    }
    own["data"]["progress"] = verbose > 0
    auto = merged(base, said).get(KEY) is not None
    if folds != 1 or not auto:  # one fit compares nothing
        own["data"]["folds"] = folds
    if auto and synthetic_ratio is not None:
        raise ConfigurationError(
            "synthetic_ratio belongs to one recipe, and auto compares several: name it in the "
            "candidates of settings['auto']"
        )
    if auto and time_limit is not None:
        own[KEY], time_limit = {"time_limit": time_limit}, None
    if synthetic_ratio is not None:
        own["data"]["synthetic_ratio"] = synthetic_ratio
    if class_weight is not None:
        own["model"] = {"class_weight": class_weight}
        if base["model"].get("selection") is None:  # log-loss would keep zero-shot
            own["model"]["selection"] = "lit_causalmix.training.BalancedValidation"
    if max_steps is not None:
        if max_steps < 0:
            raise ConfigurationError(f"max_steps is >= 0, 0 being zero-shot, got {max_steps}")
        own["trainer"]["max_steps"] = max_steps
    whole = merged(base, own, said)
    if max_steps:
        whole = merged(whole, {"data": {"episodes_per_epoch": _episodes(whole)}})
    if max_steps is not None and "max_epochs" not in said.get("trainer", {}):
        whole = merged(whole, {"trainer": {"max_epochs": _epochs(whole)}})
    whole = merged(whole, {"data": {"table": _table(table, whole["data"].get("table"))}})
    return _with_run(whole, folder, keeps_run=keeps_run, time_limit=time_limit)


def _episodes(config: Settings) -> Any:
    """Episodes between two validations, of which one comes before the steps are over."""
    steps, each = config["trainer"]["max_steps"], config["data"].get("episodes_per_epoch", 10)
    known = isinstance(each, int) and isinstance(steps, int) and steps > 0
    return min(each, steps) if known else each  # who reads the settings says what is wrong


def _epochs(config: Settings) -> int:
    """Epochs that have room for the steps of a configuration."""
    steps, each = config["trainer"]["max_steps"], config["data"].get("episodes_per_epoch", 10)
    try:
        epochs: int = math.ceil(steps / each)
    except (TypeError, ZeroDivisionError):  # no numbers of them: who reads the settings says so
        return 1
    return max(1, epochs)


def _table(table: Settings, said: Any) -> dict[str, Any]:
    """Settings of the frame, its own types yielding where kind or order of a column are said.

    Raises:
        ConfigurationError: If both say which rows belong together.
    """
    known = said if isinstance(said, Mapping) else {}
    if "group_column" in table and known.get("group_column") is not None:
        raise ConfigurationError(
            "groups says which rows are never parted, and so does data.table.group_column "
            f"{known['group_column']!r} of settings or recipe: leave one of them out"
        )
    named = {*(known.get("kinds") or ()), *(known.get("order") or ())}
    kinds = table.get("kinds", {})
    return {**table, "kinds": {name: kinds[name] for name in kinds if name not in named}}


def _check_files(said: Settings, *, keeps_run: bool) -> None:
    """Refuses settings of files that a fit in Python does not leave.

    Raises:
        ConfigurationError: If they name a logger or a folder, or, where the run is not kept, a
            callback that writes files.
    """
    trainer = said.get("trainer", {})
    for name in ("logger", "default_root_dir"):
        if trainer.get(name):
            raise ConfigurationError(
                f"settings name trainer.{name}, and a fit in Python writes into its run_folder, or "
                "nowhere: leave it out, or fit from the command line, which takes it"
            )
    for listed in (*_as_list(trainer.get("callbacks")), *_as_list(trainer.get("callbacks+"))):
        if not keeps_run and is_packaged(listed, _REPORTING):
            raise ConfigurationError(
                f"settings name the callback {class_name(listed)}, which writes files, and a fit "
                "without run_folder leaves none: name a run_folder, or leave the callback out"
            )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _with_run(
    config: dict[str, Any], folder: Path, *, keeps_run: bool, time_limit: float | None
) -> dict[str, Any]:
    """Puts in where the run writes, and the callbacks."""
    trainer = {"default_root_dir": str(folder), "logger": False}
    callbacks = _as_list(config["trainer"]["callbacks"])
    if keeps_run:
        trainer["logger"] = {
            "class_path": "lightning.pytorch.loggers.CSVLogger",
            "init_args": {"save_dir": str(folder), "name": ""},
        }
    else:
        callbacks = [c for c in callbacks if not is_packaged(c, _REPORTING)]
        trainer["enable_checkpointing"] = True  # BestWeights is one of Lightning's checkpoints
    if time_limit is not None:
        seconds = time_limit / max(1, config["data"]["folds"])
        limit = {"class_path": "TimeLimit", "init_args": {"seconds": seconds}}
        callbacks = [*callbacks, limit]
    return merged(config, {"trainer": {**trainer, "callbacks": callbacks}})


def _device(device: str) -> dict[str, Any]:
    """Lightning's words for a device as torch names it.

    Raises:
        ConfigurationError: If there is no number behind a colon, or one that the device has not.
    """
    kind, colon, number = device.partition(":")
    single = kind in ("cpu", "mps")
    if colon and (not number.isdecimal() or (single and int(number))):
        raise ConfigurationError(f"a device is auto, cpu, cuda, cuda:1 or mps, got {device!r}")
    accelerator = {"cuda": "gpu"}.get(kind, kind)
    # To Lightning the devices of a CPU are processes, which have no numbers.
    return {"accelerator": accelerator, "devices": [int(number)] if colon and not single else 1}
