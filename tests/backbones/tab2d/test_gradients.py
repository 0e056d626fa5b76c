"""The gradient of quantile places in the context: of its values, and of the quantiles they make."""

import pytest
import torch
from torch import Tensor

from lit_causalmix.backbones.tab2d.preprocessing import quantile_features


def column(seed: int, n: int) -> Tensor:
    return torch.randn(1, n, 1, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def test_a_whole_column_that_moves_changes_nothing() -> None:
    context, query = column(0, 200), column(1, 50)
    weight = torch.linspace(-1, 2, 50)[None, :, None]
    own, asked = quantile_features(context, query)
    moved = torch.autograd.grad((asked * weight).sum(), (context, query), retain_graph=True)
    assert moved[1].abs().max() > 0.1
    assert abs(float(moved[0].sum() + moved[1].sum())) < 1e-3 * float(moved[1].abs().sum())
    (alone,) = torch.autograd.grad((own.square() * own).sum(), context)
    assert alone.abs().max() > 0.01
    assert abs(float(alone.sum())) < 1e-3 * float(alone.abs().sum())


def test_moving_the_context_is_as_moving_the_query_the_other_way() -> None:
    context = torch.linspace(0, 1, 2001)[None, :, None].requires_grad_()
    _, place = quantile_features(context, torch.tensor([[[0.3]]]))
    (gradient,) = torch.autograd.grad(place.sum(), context)
    slope = 12**0.5  # of a standardised uniform variable on [0, 1]
    torch.testing.assert_close(gradient.sum(), torch.tensor(-slope), rtol=0.02, atol=0)
    far = (context.detach() - 0.3).abs() > 0.1  # the window is a tenth of the deviation, 0.029
    # Beyond the quantiles at 0.3 the context acts by its mean place and deviation alone.
    assert gradient[far].abs().max() < gradient[~far].abs().max() / 5


def test_a_gradient_that_is_asked_for_leaves_the_values_alone() -> None:
    context, query = column(2, 90), column(3, 20)
    asked = quantile_features(context, query)
    plain = quantile_features(context.detach(), query.detach())
    assert all(torch.equal(a, b) for a, b in zip(asked, plain, strict=True))


@pytest.mark.parametrize("constant", [0.0, 1.0, 1e-32])
def test_a_constant_context_has_no_gradient_and_poisons_none(constant: float) -> None:
    context, query = column(4, 40).detach().repeat(1, 1, 2), column(5, 20).detach().repeat(1, 1, 2)
    context[..., 1] = constant
    query[:, :10, 1] = constant  # the others beside it
    plain = quantile_features(context, query)
    inputs = context.requires_grad_(), query.requires_grad_()
    asked = quantile_features(*inputs)
    assert all(torch.equal(a, b) for a, b in zip(asked, plain, strict=True))
    weight = torch.linspace(-1, 2, 20)[None, :, None]
    found = torch.autograd.grad((asked[0] ** 3).sum() + (asked[1] * weight).sum(), inputs)
    for gradient in found:
        assert (gradient[..., 0] != 0).any()
        assert (gradient[..., 1] == 0).all()
