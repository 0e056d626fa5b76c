"""L2-SP: a penalty on the distance to the pre-trained weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lit_causalmix.errors import ConfigurationError


def squared_distance(parameters: list[nn.Parameter], start: list[Tensor]) -> Tensor:
    """The sum of (w - w0)² over all parameters, a float32 scalar with gradient."""
    return torch.stack(
        [(p.float() - s.float()).square().sum() for p, s in zip(parameters, start, strict=True)]
    ).sum()


class L2SP:
    """The penalty coefficient / 2 * ||w - w0||² (Li, Grandvalet and Davoine, arXiv 1802.01483).

    It takes the place of weight decay, which pulls toward zero: set the optimiser's weight decay
    to 0 for the published form. The published second term, toward zero for new layers, has no
    subject here, as a backbone's layers are all pre-trained.

    The penalty is added to the loss, as published, so that an adaptive optimiser such as AdamW
    scales its gradient like any other. It covers the parameters that are trained, all of them
    alike, biases and norms included [our choice: the paper treats convolutional networks].

    Args:
        module: The module with its pre-trained weights; w0 is copied from it now, before any
            checkpoint is restored.
        coefficient: Weight of the penalty, at least 0.

    Raises:
        ConfigurationError: If the coefficient is negative.
    """

    def __init__(self, module: nn.Module, coefficient: float) -> None:
        if coefficient < 0:
            raise ConfigurationError(f"l2_sp must be >= 0, got {coefficient}")
        self.coefficient = coefficient
        self._module = module
        parameters = module.named_parameters() if coefficient else ()
        self._start = {name: parameter.detach().clone() for name, parameter in parameters}

    def __call__(self) -> Tensor:
        """Returns the penalty at the present weights, a scalar with gradient."""
        trained = {n: p for n, p in self._module.named_parameters() if p.requires_grad}
        for name, parameter in trained.items():
            self._start[name] = self._start[name].to(parameter.device)
        start = [self._start[name] for name in trained]
        return self.coefficient / 2 * squared_distance(list(trained.values()), start)
