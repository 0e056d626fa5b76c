"""Whether a fit fits into memory, told before it begins, and what would.

Weights, gradients, states of the optimiser and copies of the weights are counted; what a step holds
beside them the backbone tells from shapes (`Backbone.step_bytes`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer

from lit_causalmix.backbones import Backbone
from lit_causalmix.backbones.memory import Precision, StepShape
from lit_causalmix.devices import in_words
from lit_causalmix.training.room import LEAST_CONTEXT, halved

MemoryRule = Literal["refuse", "fit", "ignore"]
"""What is done about a fit that memory has no room for: it is refused, or cut until it fits, or
nothing."""

PRECISIONS: Mapping[str, Precision] = {
    "32-true": "32",
    "bf16-mixed": "half",
    "16-mixed": "half",
}
"""Lightning's names of precisions, as far as they were measured."""

COPIES = 2
"""Copies of the weights that a task keeps on the CPU: the pre-trained ones, and the selected ones
or, while zero-shot is scored, the present ones."""

_CASTS: Mapping[tuple[Precision, bool], tuple[float, int]] = {
    ("32", True): (0.0, 2**20),
    ("32", False): (0.0, 2**20),
    ("half", True): (0.75, 25 * 2**20),
    ("half", False): (0.5, 10 * 2**20),
}
"""By precision and whether it is training: casts of weights (and of their gradients) under
autocast, a share of their bytes, and buffers of the kernels, in bytes [measured]."""

_TOY = 16


@dataclass(frozen=True)
class Forecast:
    """What steps of a backbone take.

    Attributes:
        backbone: Tells what a step holds.
        held: Bytes beside it, those in memory already left out.
    """

    backbone: Backbone
    held: int

    def bytes(self, shape: StepShape) -> int | None:
        """Bytes at the peak of a step, on top of what is in memory before; None: not known."""
        step = self.backbone.step_bytes(shape)
        if step is None:
            return None
        share, buffers = _CASTS[shape.precision, shape.training]
        return self.held + step + buffers + round(share * _bytes(self.backbone.parameters()))


def held_bytes(backbone: Backbone, device: torch.device, states: Mapping[str, float] | None) -> int:
    """Bytes that a task holds whatever a step's shape, those in memory before left out.

    Args:
        backbone: On the CPU.
        device: Of the steps.
        states: Of the optimiser, see `state_shares`; None without training.
    """
    weights = _bytes(backbone.parameters())
    held = COPIES * weights if device.type == "cpu" else weights
    if states is None:
        return held
    for name, parameters in backbone.parameter_groups().items():
        trained = _bytes(p for p in parameters if p.requires_grad)
        # On GPUs torch's optimisers compute all parameters at once, with a copy of them.
        held += round(trained * (1 + states.get(name, 0.0) + (device.type == "cuda")))
    return held


def _bytes(parameters: Iterable[nn.Parameter]) -> int:
    return sum(p.numel() * p.element_size() for p in parameters)


def state_shares(
    backbone: Backbone, make: Callable[[list[dict[str, object]]], Optimizer]
) -> dict[str, float] | None:
    """Bytes that an optimiser keeps for each byte of a parameter group, by its name.

    It is tried on small matrices; None where it does not take them.

    Args:
        backbone: Has the groups.
        make: Makes the optimiser from groups with "name" and "params".
    """
    toys = {
        name: nn.Parameter(torch.zeros(_TOY, _TOY))
        for name, parameters in backbone.parameter_groups().items()
        if any(p.requires_grad for p in parameters)
    }
    for toy in toys.values():
        toy.grad = torch.zeros_like(toy)
    with contextlib.suppress(Exception):  # any class may be given: no forecast, but a fit
        optimizer = make([{"name": name, "params": [toy]} for name, toy in toys.items()])
        optimizer.step()
        return {name: _state_share(optimizer, toy) for name, toy in toys.items()}
    return None


def _state_share(optimizer: Optimizer, toy: nn.Parameter) -> float:
    kept = [v for v in optimizer.state[toy].values() if isinstance(v, torch.Tensor) and v.ndim]
    return sum(v.numel() * v.element_size() for v in kept) / (toy.numel() * toy.element_size())


def fitted(shape: StepShape, available: int, forecast: Forecast) -> StepShape | None:
    """The shape, with its larger part halved until it fits; None where none does."""
    found: StepShape | None = shape
    while found is not None and (forecast.bytes(found) or 0) > available:
        sizes = halved(found.context_rows, found.query_rows, found.n_classes)
        found = sizes and replace(found, context_rows=sizes[0], query_rows=sizes[1])
    return found


def refusal(shape: StepShape, available: int, forecast: Forecast, place: str) -> str:
    """The line that says why a step is not begun, and what would fit.

    Args:
        shape: Of the step.
        available: Bytes that there are.
        forecast: Tells more than that.
        place: Where they are, in words.
    """
    needed = forecast.bytes(shape) or 0
    ways = list(would_fit(shape, available, forecast))
    choices = "; or ".join(ways) if ways else "a smaller backbone alone"
    return (
        f"{_step(shape)} takes about {in_words(needed)} of memory (forecast), {place} has "
        f"{in_words(available)} available. What would fit: {choices}; model.memory: ignore tries "
        "it as it is"
    )


def _step(shape: StepShape) -> str:
    many = f"{shape.tables} tables of " if shape.tables > 1 else ""
    return (
        f"{shape.name or 'a step'} of {many}{shape.context_rows:,} context and "
        f"{shape.query_rows:,} query rows with {shape.columns:,} columns"
    )


def would_fit(shape: StepShape, available: int, forecast: Forecast) -> Iterator[str]:
    """Single changes after which a step fits, each with its setting."""

    def fits(other: StepShape) -> bool:
        needed = forecast.bytes(other)
        return needed is not None and needed <= available

    if shape.training and forecast.backbone.checkpointing is False:
        less = replace(shape, checkpointing=True)
        if fits(less):
            size = in_words(forecast.bytes(less) or 0)
            yield f"activation checkpointing ({size}; the backbone's activation_checkpointing)"
    if shape.precision == "32" and fits(less := replace(shape, precision="half")):
        size = in_words(forecast.bytes(less) or 0)
        yield f"half precision ({size}; trainer.precision bf16-mixed)"
    if fewer := _most(shape.tables, lambda n: fits(replace(shape, tables=n))):
        yield f"{fewer:,} tables in a step"
    if rows := _most(shape.rows, lambda n: fits(_with_rows(shape, n))):
        less = _with_rows(shape, rows)
        training, scored = f"data.episode_rows {less.rows}", "data.split.max_train_rows"
        setting = training if shape.training else scored
        yield f"{less.context_rows:,} context and {less.query_rows:,} query rows ({setting})"
    if columns := _most(shape.columns, lambda n: fits(replace(shape, columns=n))):
        yield f"{columns:,} columns (data.table.drop)"
    if fitted(shape, available, forecast) is not None:
        yield "model.memory: fit, which halves the rows"


def _with_rows(shape: StepShape, rows: int) -> StepShape:
    """The shape with so many rows, in like shares."""
    least = shape.n_classes or LEAST_CONTEXT
    context = max(least, rows * shape.context_rows // shape.rows)
    return replace(shape, context_rows=context, query_rows=max(1, rows - context))


def _most(present: int, fits: Callable[[int], bool]) -> int:
    """The largest number below the present one that fits; 0 where none does."""
    low, high = 0, present  # low fits, or is 0; high does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
