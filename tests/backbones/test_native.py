"""The C kernels give what torch gives, and say what they need."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

from lit_causalmix.backbones import AxialTransformer, Tab2D, native
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.prior import PriorSettings, draw_tasks

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler"
)


def random(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator).to(dtype).requires_grad_()


def gradients(output: Tensor, *inputs: Tensor) -> list[Tensor]:
    weights = random(*output.shape).detach().to(output.dtype)
    return [output, *torch.autograd.grad((output * weights).sum(), inputs)]


def torch_attention(qkv: Tensor, scale: Tensor, axis: int, rows: slice, n_keys: int) -> Tensor:
    parts = qkv.unflatten(-1, (3, len(scale), -1))
    q, k, v = (parts if axis == 2 else parts.transpose(1, 2)).transpose(2, 4).unbind(3)
    q, k, v = q[:, :, :, rows] * scale[:, None, None], k[:, :, :, :n_keys], v[:, :, :, :n_keys]
    out = scaled_dot_product_attention(q, k, v, scale=1.0).transpose(2, 3).flatten(3)
    return out if axis == 2 else out.transpose(1, 2)


# Lengths below, at and beyond the borders of tiles (8 queries by 16 or 32 keys).
@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("length", [1, 16, 17, 75])
@pytest.mark.parametrize("head_dim", [16, 32])
def test_attention_is_torchs_with_its_gradients(axis: int, length: int, head_dim: int) -> None:
    shape = (2, length, 3) if axis == 1 else (2, 3, length)
    qkv, scale = random(*shape, 3 * 2 * head_dim), torch.tensor([0.2, 0.3], requires_grad=True)
    for queries, n_keys in ((slice(None), length), (slice(length // 2, None), (length + 1) // 2)):
        arguments = qkv, scale, axis, queries, n_keys
        found = gradients(native.attend(*arguments), qkv, scale)
        expected = gradients(torch_attention(*arguments), qkv, scale)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_scores_of_any_size_stay_finite() -> None:
    qkv = 60 * random(1, 2, 40, 48).detach()
    found = native.attend(qkv, torch.ones(1), 2, slice(None), 40)
    expected = torch_attention(qkv, torch.ones(1), 2, slice(None), 40)
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=1e-3)


def test_in_bfloat16_the_result_is_float32s_rounded() -> None:
    exact = random(2, 40, 3, 96)
    short = exact.detach().bfloat16().requires_grad_()
    scale = torch.full((2,), 0.25)
    found = gradients(native.attend(short, scale, 1, slice(None), 30), short)
    expected = gradients(native.attend(short.float(), scale, 1, slice(None), 30), short)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.bfloat16
        torch.testing.assert_close(one.float(), other.float(), atol=2e-2, rtol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sum_and_norm_are_torchs_with_their_gradients(dtype: torch.dtype) -> None:
    cells, update, shift = random(7, 5, 32), random(7, 5, 32, dtype=dtype), random(32)
    norm = torch.nn.LayerNorm(32)
    inputs = (cells, update, shift, norm.weight, norm.bias)
    with torch.no_grad():
        norm.weight.copy_(random(32))
    sums, normed = native.add_norm(cells, (update, shift), norm, dtype)
    total = cells + update + shift
    expected = layer_norm(total, (32,), norm.weight, norm.bias).to(dtype)
    atol, rtol = (1e-5, 1e-5) if dtype == torch.float32 else (0.05, 0.02)
    pairs = zip(
        gradients(torch.cat([sums, normed]), *inputs),
        gradients(torch.cat([total, expected]), *inputs),
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, atol=atol, rtol=rtol)


def test_the_mlp_is_torchs_with_its_gradients_over_several_blocks() -> None:
    x, up, down = random(3, 700, 16), torch.nn.Linear(16, 32), torch.nn.Linear(32, 16)
    with torch.no_grad():
        x.mul_(4)  # into both tails
    inputs = (x, up.weight, up.bias, down.weight)
    rows, bias = native.mlp(x, up, down)
    assert bias is down.bias
    expected = linear(gelu(up(x)), down.weight)
    torch.testing.assert_close(rows, expected, atol=3e-6, rtol=1e-5)
    for one, other in zip(gradients(rows, *inputs), gradients(expected, *inputs), strict=True):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-4)


def with_and_without(
    regression: bool, checkpointing: bool, n_steps: int
) -> list[tuple[list[float], dict[str, Tensor]]]:
    """Losses of some steps, and the weights after them."""
    prior = PriorSettings(regression=regression, context_rows=(20, 60), columns=(1, 6))
    found: list[tuple[list[float], dict[str, Tensor]]] = []
    for by_kernels in (False, True):
        model = AxialTransformer(
            dim=32, attention_dim=32, n_heads=2, n_layers=2,
            task="regression" if regression else "classification",
            native=by_kernels, activation_checkpointing=checkpointing,
        )  # fmt: skip
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        losses = []
        for index in range(n_steps):
            tasks = draw_tasks(prior, cells=600, seed=0, epoch=0, index=index)
            loss = model.losses(tasks).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
        found.append((losses, model.state_dict()))
    return found


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_model_trains_alike_with_and_without(regression: bool, checkpointing: bool) -> None:
    plain, by_kernels = with_and_without(regression, checkpointing, 5)
    assert by_kernels[0] == pytest.approx(plain[0], abs=2e-4)
    same = [torch.equal(plain[1][name], weight) for name, weight in by_kernels[1].items()]
    assert not all(same)  # the kernels did compute, and round otherwise


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_tab2d_gives_the_same_with_its_gradients(task: str, checkpointing: bool) -> None:
    tasks = PriorSettings(regression=task == "regression", columns=(3, 3))
    episode = draw_tasks(tasks, cells=1, seed=0, epoch=0, index=0)[0]
    found = []
    for by_kernels in (False, True):
        model = Tab2D(
            dim=64, n_heads=2, n_layers=2, task=task,  # type: ignore[arg-type]
            native=by_kernels, activation_checkpointing=checkpointing,
        )  # fmt: skip
        output = model(episode)
        model.loss(output, episode).backward()  # type: ignore[no-untyped-call]
        found.append([output.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
        assert len(found[-1]) == 1 + len(list(model.parameters()))
    # By norm: a gradient that cancels in sums (to 0, for the keys' bias) is rounding alone.
    scale = max(float(one.norm()) for one in found[0][1:])
    for one, other in zip(*found, strict=True):
        assert float((one - other).norm()) <= 1e-4 * float(one.norm()) + 1e-6 * scale


class Doubled(torch.nn.Module):
    """A map in the place of another, as adapters put there, with the other's weight."""

    def __init__(self, base: torch.nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.bias = base.bias

    @property
    def weight(self) -> Tensor:
        return self.base.weight

    def forward(self, x: Tensor) -> Tensor:
        return 2 * self.base(x)  # type: ignore[no-any-return]


def test_a_map_that_an_adapter_replaced_is_computed_by_itself() -> None:
    episode = draw_tasks(PriorSettings(columns=(3, 3)), cells=1, seed=0, epoch=0, index=0)[0]
    outputs = []
    for by_kernels in (False, True):
        model = Tab2D(dim=64, n_layers=2, native=by_kernels)
        attention = model.network.layers[0].get_submodule("attention1")
        attention.v = Doubled(attention.v)  # type: ignore[arg-type]
        outputs.append(model(episode))
    assert torch.equal(*outputs)


def test_the_weights_have_the_same_names() -> None:
    plain, by_kernels = (AxialTransformer(dim=32, attention_dim=32, native=on) for on in (0, 1))
    for one, other in zip(plain.state_dict().items(), by_kernels.state_dict().items(), strict=True):
        assert one[0] == other[0]
        assert torch.equal(one[1], other[1])
    assert plain.arguments() == by_kernels.arguments()


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="multiples of 16, got cells of 64 and 2 heads in 24"
    ):
        AxialTransformer(attention_dim=24, native=True)
    model = AxialTransformer(attention_dim=32, native=True)
    tasks = draw_tasks(PriorSettings(), cells=200, seed=0, epoch=0, index=0)
    with (
        torch.autocast("cpu", dtype=torch.float16),
        pytest.raises(ConfigurationError, match=r"not in torch\.float16"),
    ):
        model.losses(tasks)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ConfigurationError, match="need a C compiler"):
        AxialTransformer(attention_dim=32, native=True)
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho cannot >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    odd = AxialTransformer(dim=48, attention_dim=48, n_heads=1, native=True)  # a kind of its own
    with pytest.raises(ConfigurationError, match=r"cc fails \(cannot\)"):
        odd.losses(tasks)
