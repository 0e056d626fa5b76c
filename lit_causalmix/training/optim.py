"""Training from nothing: Muon for the layers' matrices and AdamW for the rest, and a schedule."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, cast, overload

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_causalmix.errors import ConfigurationError


class MuonByShape(Muon):
    """torch's Muon, with the matrices of one shape orthogonalised in one product per step.

    The layers of a small model have many small matrices of few shapes, where torch's loop over them
    takes most of its time for calls. Arithmetic, settings and state are torch's; the step has
    AdamW's typical size in any case ("match_rms_adamw").
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            shapes: defaultdict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes[parameter.shape].append(parameter)
            for shape, parameters in shapes.items():
                updates = _orthogonal(self._momenta(parameters, group), group)
                rate = float(group["lr"])
                scaled = rate * 0.2 * math.sqrt(max(shape))
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.mul_(1 - rate * group["weight_decay"])
                    parameter.add_(update, alpha=-scaled)
        return loss

    def _momenta(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> Tensor:
        """Nesterov's momenta of parameters of one shape, (N, rows, columns)."""
        found = []
        for parameter in parameters:
            gradient, state = cast("Tensor", parameter.grad), self.state[parameter]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(gradient)
            state["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
            found.append(gradient.lerp(state["momentum_buffer"], group["momentum"]))
        return torch.stack(found)


def _orthogonal(matrices: Tensor, group: dict[str, Any]) -> Tensor:
    """The matrices (N, rows, columns) with singular values near 1, in bfloat16: Newton-Schulz."""
    linear, cubic, quintic = group["ns_coefficients"]
    x = matrices.bfloat16()
    norms = torch.stack([matrix.norm() for matrix in x]).clamp(min=group["eps"])
    tall = x.shape[1] > x.shape[2]
    x = (x.mT if tall else x) / norms[:, None, None]
    for _ in range(group["ns_steps"]):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=cubic, alpha=quintic)
        x = torch.baddbmm(x, polynomial, x, beta=linear)
    return x.mT if tall else x


class MuonAdamW(Optimizer):
    """Muon (Jordan et al., 2024) for the matrices of named groups, AdamW for everything else.

    Embeddings, norms, biases and the head follow AdamW, as is usual with Muon. Muon's step is
    scaled to AdamW's typical size ("match_rms_adamw"), so that one learning rate serves both.

    Args:
        params: Parameter groups with a "name" each, as `CausalMixTask` makes them.
        lr: Learning rate of both.
        weight_decay: Decoupled weight decay of both.
        betas: AdamW's averaging rates.
        momentum: Muon's momentum (Nesterov).
        hidden: Names of the groups whose matrices Muon takes.

    Raises:
        ConfigurationError: If no group has one of these names.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float = 2e-3,
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.98),
        momentum: float = 0.95,
        hidden: tuple[str, ...] = ("layers",),
    ) -> None:
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for group in params:
            for parameter in group["params"]:
                muon = group.get("name") in hidden and parameter.ndim == 2
                (matrices if muon else others).append(parameter)
        if not matrices or not others:
            raise ConfigurationError(
                f"MuonAdamW finds {len(matrices)} matrices in the parameter groups named "
                f"{', '.join(hidden)} and {len(others)} other parameters, and needs both: set "
                "hidden to the backbone's groups of layers, or choose another optimiser"
            )
        self._muon = MuonByShape(
            matrices,
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            adjust_lr_fn="match_rms_adamw",
        )
        self._adamw = AdamW(others, lr=lr, betas=betas, weight_decay=weight_decay)
        # Groups of both, made by them: schedulers, Lightning and checkpoints see one optimiser.
        super().__init__([*self._muon.param_groups, *self._adamw.param_groups], {})
        self._link()

    def _link(self) -> None:
        """Lets both optimisers work on this one's groups and state."""
        split = len(self._muon.param_groups)
        self._muon.param_groups = self.param_groups[:split]
        self._adamw.param_groups = self.param_groups[split:]
        self._muon.state = self._adamw.state = self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._link()

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Takes one step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._muon.step()
        self._adamw.step()
        return loss


class WarmupStableDecay(LRScheduler):
    """A rate that rises linearly, stays, and falls linearly to zero at the end; counts steps.

    While it stays, training knows nothing of its end, so a run may be cut and continued, or ended
    early: continue its checkpoint with a smaller `total_steps`. Hence the three numbers come from
    the configuration, not from the checkpoint.

    Args:
        optimizer: Whose rates to set; their present ones are the highest.
        total_steps: Steps until the rate is zero.
        warmup_steps: Steps of the rise.
        decay_steps: Steps of the fall.

    Raises:
        ConfigurationError: If rise and fall do not fit into the steps.
    """

    def __init__(
        self, optimizer: Optimizer, total_steps: int, warmup_steps: int, decay_steps: int
    ) -> None:
        if min(warmup_steps, decay_steps) < 1 or warmup_steps + decay_steps > total_steps:
            raise ConfigurationError(
                "WarmupStableDecay needs warmup_steps and decay_steps >= 1 that fit into "
                f"total_steps, got {warmup_steps}, {decay_steps} and {total_steps}"
            )
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.decay_steps = decay_steps
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        step = self.last_epoch
        rise = (step + 1) / (self.warmup_steps + 1)
        fall = (self.total_steps - step) / self.decay_steps
        factor = max(0.0, min(1.0, rise, fall))
        return [rate * factor for rate in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        ours = ("total_steps", "warmup_steps", "decay_steps")
        return {name: value for name, value in super().state_dict().items() if name not in ours}
