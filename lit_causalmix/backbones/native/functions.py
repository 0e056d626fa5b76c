"""The kernels as functions with gradients.

Shape legend: B = tables of equal shape, S = rows, C = columns, E = width of a cell, H = heads,
D = width of a head, I = H * D.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lit_causalmix.backbones.native.library import kernels

_MLP_ROWS = 1_024  # whose hidden cells stay in a core's cache


Update = tuple[Tensor, Tensor]
"""What is added to cells: rows (..., E) in the dtype of products, and a bias (E,) in float32."""


class _Shape(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("outer", "inner", "heads", "n_queries", "n_keys")),
        *((name, ctypes.c_int64 * 3) for name in ("q_stride", "k_stride", "out_stride")),
    ]


def _pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _sequences(qkv: Tensor, n_heads: int, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (B, C or S, S or C, H, D), views of (B, S, C, 3 * I)."""
    parts = qkv.view(*qkv.shape[:-1], 3, n_heads, -1)
    parts = parts if axis == 2 else parts.transpose(1, 2)
    q, k, v = parts.unbind(3)
    return q, k, v


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, qkv: Tensor, scale: Tensor, axis: int, queries: slice, n_keys: int
    ) -> Tensor:
        n_heads = len(scale)
        q, k, v = _sequences(qkv, n_heads, axis)
        q, k, v = q[:, :, queries], k[:, :, :n_keys], v[:, :, :n_keys]
        outer, inner, n_queries, _, head_dim = q.shape
        rows = (inner, n_queries) if axis == 2 else (n_queries, inner)
        out = qkv.new_empty(outer, *rows, n_heads, head_dim)
        to = out if axis == 2 else out.transpose(1, 2)
        shape = _Shape(
            outer, inner, n_heads, n_queries, n_keys,
            q.stride()[:3], k.stride()[:3], to.stride()[:3],
        )  # fmt: skip
        sums = torch.empty(outer, inner, n_heads, n_queries)
        scale = scale.contiguous()
        arrays = (q, k, v, scale, out, sums)
        library = kernels(qkv.dtype, head_dim, n_keys)
        if library.attention(ctypes.byref(shape), *map(_pointer, arrays)):
            raise MemoryError("attention")
        ctx.save_for_backward(qkv, scale, out, sums)
        ctx.axis, ctx.queries, ctx.shape, ctx.library = axis, queries, shape, library
        return out.flatten(-2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        qkv, scale, out, sums = ctx.saved_tensors
        d_qkv = torch.zeros_like(qkv)  # what no query and no key was read for has no gradient
        d_scale = torch.zeros_like(scale)
        q, k, v = _sequences(qkv, len(scale), ctx.axis)
        d_q, d_k, d_v = _sequences(d_qkv, len(scale), ctx.axis)
        q, d_q = q[:, :, ctx.queries], d_q[:, :, ctx.queries]
        arrays = (q, k, v, scale, out, sums, grad.contiguous(), d_q, d_k, d_v, d_scale)
        if ctx.library.attention_backward(ctypes.byref(ctx.shape), *map(_pointer, arrays)):
            raise MemoryError("attention")
        return d_qkv, d_scale, None, None, None


def attend(qkv: Tensor, scale: Tensor, axis: int, queries: slice, n_keys: int) -> Tensor:
    """Attention along one axis of a table, without a copy of the table.

    Args:
        qkv: float32 or bfloat16 (B, S, C, 3 * I), contiguous: query, key and value of every cell.
        scale: float32 (H,), what scores are multiplied by.
        axis: 1 to attend along the rows, 2 along the columns.
        queries: The places along the axis that ask, a slice of step 1.
        n_keys: How many places along it, from the first, are asked.

    Returns:
        (B, S, C, I), as long as `queries` along the axis.
    """
    length = qkv.shape[axis]
    asked = slice(*queries.indices(length))
    return _Attend.apply(qkv, scale, axis, asked, n_keys)  # type: ignore[no-any-return, no-untyped-call]


class _AddNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, cells: Tensor, update: Tensor | None, shift: Tensor | None, weight: Tensor,
        bias: Tensor, dtype: torch.dtype,
    ) -> tuple[Tensor | None, Tensor]:  # fmt: skip
        width = cells.shape[-1]
        cells = cells.contiguous()
        sums = cells if update is None else torch.empty_like(cells)
        normed = torch.empty_like(cells, dtype=dtype)
        stats = cells.new_empty(cells.numel() // width, 2)
        update = None if update is None else update.contiguous()
        arrays = (cells, update, shift, weight, bias, sums, normed, stats)
        _rowwise(kernels(dtype).add_norm, sums, arrays)
        ctx.save_for_backward(sums, stats, weight)
        ctx.updated = update is not None
        ctx.set_materialize_grads(False)
        return (sums if ctx.updated else None), normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_sums: Tensor | None, d_normed: Tensor) -> tuple[Tensor | None, ...]:
        sums, stats, weight = ctx.saved_tensors
        d_normed = d_normed.contiguous()
        d_sums = None if d_sums is None else d_sums.contiguous()
        d_cells = torch.empty_like(sums)
        d_update = torch.empty_like(d_normed) if ctx.updated else None
        d_shift = torch.zeros_like(weight) if ctx.updated else None
        d_weight, d_bias = torch.zeros_like(weight), torch.zeros_like(weight)
        found = (d_cells, d_update, d_shift, d_weight, d_bias)
        arrays = (sums, stats, weight, d_sums, d_normed, *found)
        _rowwise(kernels(d_normed.dtype).add_norm_backward, sums, arrays)
        return *found, None


def _rowwise(kernel: Any, rows: Tensor, arrays: tuple[Tensor | None, ...]) -> None:
    """Calls a kernel that takes the number of rows and their width first."""
    width = rows.shape[-1]
    sizes = (rows.numel() // width, width)
    kernel(*map(ctypes.c_int64, sizes), *map(_pointer, arrays))


def add_norm(
    cells: Tensor, update: Update | None, norm: torch.nn.LayerNorm, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """A residual sum and its layer norm.

    Args:
        cells: float32 (..., E).
        update: What is added to them, `dtype` (..., E) and float32 (E,); None for nothing.
        norm: The norm's weights (E,).
        dtype: float32 or bfloat16.

    Returns:
        The sum, float32 (..., E), and its norm, `dtype` (..., E).
    """
    added, shift = update if update is not None else (None, None)
    sums, normed = _AddNorm.apply(cells, added, shift, norm.weight, norm.bias, dtype)  # type: ignore[no-untyped-call]
    return (cells if sums is None else sums), normed


class _Mlp(torch.autograd.Function):
    """In blocks of rows, whose hidden cells are computed again in the backward pass.

    They are four times as wide as cells: to write and to read them takes longer than computing
    them, and memory that the other parts need.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, up: Tensor, bias: Tensor, down: Tensor) -> Tensor:
        x, up, down = x.contiguous(), up.to(x.dtype), down.to(x.dtype)
        ctx.save_for_backward(x, up, bias, down)
        out = torch.empty_like(x)
        activate = kernels(x.dtype).activate
        for rows, to in zip(_blocks(x), _blocks(out), strict=True):
            hidden = rows @ up.mT
            _rowwise(activate, hidden, (bias, hidden))
            torch.mm(hidden, down.mT, out=to)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, up, bias, down = ctx.saved_tensors
        d_x, d_up, d_down = torch.empty_like(x), torch.zeros(up.shape), torch.zeros(down.shape)
        d_bias = torch.zeros_like(bias)
        activate = kernels(x.dtype).activate_backward
        for rows, d_rows, to in zip(*map(_blocks, (x, grad.contiguous(), d_x)), strict=True):
            hidden, d_hidden = rows @ up.mT, d_rows @ down
            _rowwise(activate, hidden, (bias, hidden, d_hidden, d_bias))
            d_down += d_rows.mT @ hidden
            d_up += d_hidden.mT @ rows
            torch.mm(d_hidden, up, out=to)
        return d_x, d_up, d_bias, d_down


def _blocks(x: Tensor) -> tuple[Tensor, ...]:
    return torch.split(x.flatten(0, -2), _MLP_ROWS)


def mlp(x: Tensor, up: torch.nn.Linear, down: torch.nn.Linear) -> Update:
    """down(gelu(up(x))) for float32 or bfloat16 (..., E), in blocks."""
    return _Mlp.apply(x, up.weight, up.bias, down.weight), down.bias  # type: ignore[no-untyped-call]


def product_dtype() -> torch.dtype:
    """What products on a CPU are to be computed in: autocast's dtype under autocast, or float32."""
    autocast = torch.is_autocast_enabled("cpu")
    return torch.get_autocast_dtype("cpu") if autocast else torch.float32


def projected(x: Tensor, linears: Sequence[torch.nn.Linear]) -> Tensor:
    """The outputs of linear maps of (..., E), side by side, in one product."""
    weights: list[Tensor] = [linear.weight for linear in linears]
    weight = torch.cat(weights).to(x.dtype)
    biases: list[Tensor] = [linear.bias for linear in linears if linear.bias is not None]
    bias = torch.cat(biases).to(x.dtype) if biases else None
    return torch.nn.functional.linear(x, weight, bias)
