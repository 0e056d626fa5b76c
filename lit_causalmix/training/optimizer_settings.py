"""What an optimiser was configured with: kept in checkpoints, compared where a fit goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_causalmix.errors import ConfigurationError
from lit_causalmix.names import public_name
from lit_causalmix.training.described import described_object, in_words

KEY = "optimizer_settings"
_NOT_COMPARED = ("params", "name", "foreach", "fused", "capturable", "differentiable")
"""What is said apart, and how torch is to compute the same step."""


def described(optimizer: Optimizer) -> dict[str, Any]:
    """Class and parameter groups of an optimiser that has taken no step, as plain values.

    A schedule changes the groups later, so that they do not tell what was asked for.

    Example:
        >>> import torch
        >>> found = described(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5))
        >>> found["groups"][0]["settings"]["lr"]
        '0.5'
    """
    groups = [
        {
            "name": str(group.get("name", number)),
            "tensors": len(group["params"]),
            "settings": {k: str(v) for k, v in group.items() if k not in _NOT_COMPARED},
        }
        for number, group in enumerate(optimizer.param_groups)
    ]
    return {"class": public_name(type(optimizer)), "groups": groups}


def scheduled(
    optimizer: Optimizer, schedule: Callable[[Optimizer], LRScheduler] | None
) -> tuple[LRScheduler | None, dict[str, Any]]:
    """Makes the schedule of an optimiser, and describes both as `described` does.

    The arguments of a schedule are what its state holds: torch takes them from a checkpoint,
    whatever is configured. Those that it leaves out, as `WarmupStableDecay` does, may change.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
        >>> steps = lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, step_size=3)
        >>> scheduled(optimizer, steps)[1]["schedule"]["settings"]["step_size"]
        '3'
    """
    settings = described(optimizer)  # before the schedule changes its rates
    if schedule is None:
        return None, {**settings, "schedule": None}
    scheduler = schedule(optimizer)
    own = {name: value for name, value in scheduler.state_dict().items() if name != "last_epoch"}
    return scheduler, {**settings, "schedule": described_object(scheduler, own)}


def check_optimizer(
    content: Mapping[str, Any], own: Mapping[str, Any], *, sizes: bool = True
) -> None:
    """Refuses to go on with another optimiser than that of the checkpoint.

    Its state is that of the checkpoint, so that other settings would fail late, or not count.

    Args:
        content: The checkpoint; one of an earlier version, which does not say, passes.
        own: `described` of the present fit.
        sizes: Whether groups of one name have to be of as many tensors, too.

    Raises:
        ConfigurationError: With the first that differs, both ways.
    """
    stored = content.get(KEY)
    if stored is None:
        return
    difference = next(_differences(stored, own, sizes=sizes), None)
    if difference is not None:
        raise ConfigurationError(
            f"the checkpoint belongs to another fit: its optimiser {difference}; go on with the "
            "settings that the fit was begun with, which stand in the config.yaml of its run"
        )


def _differences(
    stored: Mapping[str, Any], own: Mapping[str, Any], *, sizes: bool
) -> Iterator[str]:
    if stored["class"] != own["class"]:
        yield f"is {stored['class']}, model.optimizer is {own['class']}"
    trained, trains = _trained(stored, sizes=sizes), _trained(own, sizes=sizes)
    if trained != trains:
        yield f"trains {trained}, this fit {trains} (model.freeze, model.adapter)"
    for before, now in zip(stored["groups"], own["groups"], strict=False):
        for name in sorted(before["settings"].keys() & now["settings"].keys()):
            values = before["settings"][name], now["settings"][name]
            if values[0] != values[1]:
                yield f"has {name} {values[0]}, model.optimizer has {name} {values[1]}"
    if "schedule" in stored and stored["schedule"] != own["schedule"]:
        yield (
            f"has the schedule {in_words(stored['schedule'])}, model.lr_scheduler is "
            f"{in_words(own['schedule'])}"
        )


def _trained(description: Mapping[str, Any], *, sizes: bool) -> str:
    groups = description["groups"]
    return ", ".join(
        f"{g['name']} ({g['tensors']} tensors)" if sizes else g["name"] for g in groups
    )
