"""Class-specific energies from an in-context classifier, and Langevin sampling from them.

Source: TabEBM (Margeloiu et al., NeurIPS 2024, arXiv 2409.16118), section 2. Shape legend: R =
real rows of the class, M = surrogate negatives, N = chains, D = columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lit_causalmix.backbones.base import Backbone
from lit_causalmix.errors import GeneratorError
from lit_causalmix.generators.parts.backbone import in_context

N_NEGATIVES = 4
"""Surrogate negatives, as published."""


def surrogate_negatives(
    n_columns: int, distance: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draws corners of the hypercube [-distance, distance]^D, float64 (M, D).

    As published, two random corners, each with the opposite one; in two dimensions these are all
    corners, in one there are but two.

    Args:
        n_columns: D.
        distance: Of each coordinate from the centre, in standard deviations.
        rng: Source of the corners.
    """
    corners: list[NDArray[np.float64]] = []
    while len(corners) < min(N_NEGATIVES, 2**n_columns):
        corner = distance * rng.choice([-1.0, 1.0], size=n_columns)
        if not any((corner == c).all() for c in corners):
            corners += [corner, -corner]
    return np.stack(corners)


@dataclass(frozen=True, eq=False)
class ClassEnergy:
    """E(x) = -log(exp f0(x) + exp f1(x)), f the logits of "real row of this class or negative".

    The backbone learns from its context alone, so each class has a classifier of its own and no
    state is shared. Its own preprocessing stays on [our choice; the published code runs TabPFN
    without]. No row that is asked about influences another one's energy.

    Attributes:
        backbone: A frozen classifier.
        x_context: float32 (R + M, D).
        y_context: int64 (R + M,), 0 for real rows, 1 for negatives.
    """

    backbone: Backbone
    x_context: Tensor
    y_context: Tensor

    @classmethod
    def of(
        cls,
        backbone: Backbone,
        real: NDArray[np.float64],
        negatives: NDArray[np.float64],
        device: str,
    ) -> ClassEnergy:
        """Makes the energy of one class from real rows (R, D) and negatives (M, D)."""
        x = np.concatenate([real, negatives]).astype(np.float32)
        y = np.repeat([0, 1], [len(real), len(negatives)])
        return cls(backbone, torch.from_numpy(x).to(device), torch.from_numpy(y).to(device))

    def __call__(self, x: Tensor) -> Tensor:
        """Returns the energies (N,) of rows, float32 (N, D)."""
        categorical = torch.zeros(x.shape[1], dtype=torch.bool, device=x.device)
        episode = in_context(
            self.x_context, self.y_context, x, categorical=categorical, n_classes=2
        )
        logits: Tensor = self.backbone(episode)
        return -torch.logsumexp(logits.float(), dim=1)

    def gradient(self, x: Tensor) -> Tensor:
        """Returns dE/dx of each row, float32 (N, D)."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self(x).sum(), x)
        return gradient


@dataclass(frozen=True)
class Langevin:
    """Stochastic gradient Langevin dynamics, x <- x - step_size * dE/dx + noise * N(0, I).

    Each chain takes the full step, as in the paper's formula. The published code takes the gradient
    of the mean energy over the chains, so that its step shrinks with their number.

    Attributes:
        n_steps: Steps of a chain.
        step_size: Factor of the gradient.
        noise: Standard deviation of the noise of a step.
        start_noise: Standard deviation of the noise on the starting points.
    """

    n_steps: int
    step_size: float
    noise: float
    start_noise: float

    def run(
        self,
        energy: ClassEnergy,
        start: NDArray[np.float64],
        rng: np.random.Generator,
        on_step: Callable[[], object] = lambda: None,
    ) -> NDArray[np.float64]:
        """Runs all chains together, float64 (N, D) to (N, D).

        Args:
            energy: What the chains descend.
            start: Their starting points.
            rng: Source of the noise.
            on_step: Called after each step.

        Raises:
            GeneratorError: If the gradient of the energy is not finite.
        """
        device = energy.x_context.device

        def noise(deviation: float) -> Tensor:
            drawn = deviation * rng.standard_normal(start.shape)
            return torch.from_numpy(drawn.astype(np.float32)).to(device)

        x = torch.from_numpy(start.astype(np.float32)).to(device) + noise(self.start_noise)
        for _ in range(self.n_steps):
            x = x - self.step_size * energy.gradient(x) + noise(self.noise)
            on_step()
        if not torch.isfinite(x).all():
            raise GeneratorError(
                f"the energy of {type(energy.backbone).__name__} has gradients that are not "
                "finite: choose another backbone for the generator"
            )
        return x.cpu().numpy().astype(np.float64)
