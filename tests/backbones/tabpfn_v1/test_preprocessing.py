import math

import numpy as np
import pytest
import torch

from lit_causalmix.backbones.tabpfn_v1.preprocessing import (
    gaussianise,
    moments,
    preprocess,
    soften_outliers,
)
from lit_causalmix.seeding import rng

NAN = float("nan")


def draw(*shape, key="x"):
    return torch.as_tensor(rng(0, key).standard_normal(shape), dtype=torch.float32)


def test_moments_by_hand():
    x = torch.tensor([[1.0, 5.0], [2.0, 9.0], [6.0, 9.0]])
    counted = torch.tensor([[True, True], [True, False], [True, False]])
    mean, deviation = moments(x, counted)
    assert mean.tolist() == [3.0, 5.0]
    assert deviation.tolist() == pytest.approx([math.sqrt(7.0), 0.0])


def test_values_by_hand():
    # context 1, 3: mean 2, deviation sqrt(2); one column of 100, so everything times 100
    x = preprocess(torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [4.0]]), width=100)
    expected = [-100 / math.sqrt(2), 100 / math.sqrt(2), 0.0, 200 / math.sqrt(2)]
    assert x[:, 0].tolist() == pytest.approx(expected, rel=1e-5)


def test_columns_without_variation_in_the_context_are_dropped():
    context, query = draw(6, 3), draw(4, 3, key="q")
    context[:, 1] = 7.0
    both = preprocess(context, query, width=10)
    others = preprocess(context[:, [0, 2]], query[:, [0, 2]], width=10)
    assert torch.equal(both, others)


def test_no_column_left():
    assert preprocess(torch.ones(5, 2), draw(3, 2), width=10).shape == (8, 0)


def test_missing_cells_and_hopeless_columns_become_zero():
    context, query = draw(6, 3), draw(2, 3, key="q")
    context[2, 0] = NAN
    query[1, 1] = NAN
    context[1:, 2] = NAN
    x = preprocess(context, query, width=3)
    assert x.shape == (8, 3)
    assert x[2, 0] == 0
    assert x[7, 1] == 0
    assert (x[:, 2] == 0).all()
    assert torch.isfinite(x).all()


def test_outliers_grow_with_their_logarithm_only():
    context = draw(200, 1).clamp(-2, 2)
    rows = torch.cat([context, torch.tensor([[1.0], [50.0], [-50.0]])])
    soft = soften_outliers(rows, torch.ones_like(rows, dtype=torch.bool), 200)[:, 0]
    mean, deviation = context.mean(), context.std()
    upper, lower = mean + 4 * deviation, mean - 4 * deviation
    assert soft[200] == 1.0
    assert soft[201].item() == pytest.approx((upper + math.log1p(50.0)).item(), rel=1e-5)
    # the bound on the upper side sees the value that the lower side has bent already
    assert soft[202].item() == pytest.approx((lower - math.log1p(50.0)).item(), rel=1e-5)
    assert torch.equal(soft[:200], context[:, 0])


@pytest.mark.parametrize("power", [False, True])
def test_shift_and_scale_of_a_column_do_not_matter(power):
    context, query = draw(60, 4).exp(), draw(20, 4, key="q").exp()
    scale, shift = torch.tensor([1.0, 2.0, 0.5, 10.0]), torch.tensor([0.0, -1.0, 3.0, 5.0])
    plain = preprocess(context, query, width=4, power=power)
    moved = preprocess(context * scale + shift, query * scale + shift, width=4, power=power)
    torch.testing.assert_close(plain, moved, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("power", [False, True])
def test_query_rows_change_nothing_but_themselves(power):
    context, query = draw(30, 3), draw(5, 3, key="q")
    together = preprocess(context, query, width=3, power=power)
    for i in range(len(query)):
        alone = preprocess(context, query[i : i + 1], width=3, power=power)
        torch.testing.assert_close(alone[:30], together[:30], rtol=0, atol=0)
        torch.testing.assert_close(alone[30], together[30 + i], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("power", [False, True])
def test_gradient_in_the_query_is_that_of_finite_differences(power):
    context, query = draw(30, 3).double(), draw(4, 3, key="q").double()
    query[0, 0] = 30.0  # an outlier
    step = 1e-2
    query.requires_grad_(True)

    def total(q):
        return preprocess(context, q, width=3, power=power)[30:].double().square().sum()

    (gradient,) = torch.autograd.grad(total(query), query)
    for i, j in ((0, 0), (1, 1), (2, 2), (3, 0)):
        up, down = query.detach().clone(), query.detach().clone()
        up[i, j] += step
        down[i, j] -= step
        slope = (total(up) - total(down)) / (2 * step)
        assert gradient[i, j].item() == pytest.approx(slope.item(), rel=2e-2, abs=2e-2)


def test_gradient_is_finite_beside_missing_cells():
    context, query = draw(20, 3), draw(4, 3, key="q")
    context[:, 2] = NAN
    context[3, 0] = NAN
    query[1, 1] = NAN
    query.requires_grad_(True)
    preprocess(context, query, width=3, power=True)[20:].square().sum().backward()
    assert torch.isfinite(query.grad).all()
    assert query.grad[1, 1] == 0
    assert query.grad[0, 0] != 0


def test_power_transformation_is_that_of_scikit_learn():
    from sklearn.preprocessing import PowerTransformer

    context, query = draw(80, 3).exp() - 2, draw(20, 3, key="q").exp() - 2
    context[5, 1] = NAN
    rows = torch.cat([context, query])
    known = ~rows.isnan()
    ours = gaussianise(torch.where(known, rows, 0.0), known, 80)
    theirs = PowerTransformer().fit(context.double().numpy()).transform(rows.double().numpy())
    np.testing.assert_allclose(ours[known].numpy(), theirs[known.numpy()], rtol=0, atol=1e-4)
