"""The network: attention along the columns and along the rows of a table, in every layer.

Shape legend: B = tables of equal shape, R = context rows, Q = query rows, S = R + Q, F = columns,
E = width. Column 0 of a cell tensor (B, S, F + 1, E) holds the target, the others the features.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import gelu, scaled_dot_product_attention

from lit_causalmix.backbones import native
from lit_causalmix.backbones.axial.config import AxialConfig
from lit_causalmix.backbones.axial.inputs import (
    N_CELL_INPUTS,
    N_NUMBER_INPUTS,
    CellInputs,
    TargetInputs,
)

_USUAL_KEYS = 128
_FEW_KEYS = 24
_MOST_LAUNCHED = 65_535
"""Blocks along the second and third axis of a CUDA launch."""
_ANY_SHAPE = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""All but cuDNN's, which builds a plan for each new shape, and tables have many."""
_FIRST_SCALE = 3.0  # of place and value; the weights of their waves stay at 1 / sqrt(inputs)


Keys = tuple[Tensor, Tensor]
"""Keys and values of an attention, (N, n_heads, T, E / n_heads) each."""


class Attention(nn.Module):
    """Multi-head attention, in a narrower space than the cells' where `inner` < `dim`.

    On a CPU attention and not the linear maps takes the time, so it is what to save on. With
    `sharpened` the scores grow with the logarithm of the number of keys by a learned factor per
    head, as otherwise attention spreads out over long contexts (arXiv 2501.19399).
    """

    def __init__(self, dim: int, inner: int, n_heads: int, *, sharpened: bool = False) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(dim, inner, bias=False)
        self.key = nn.Linear(dim, inner, bias=False)
        self.value = nn.Linear(dim, inner, bias=False)
        self.output = nn.Linear(inner, dim)
        self.sharpness = nn.Parameter(torch.zeros(n_heads)) if sharpened else None

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Attends from query (N, S, E) to key (N, T, E); returns (N, S, E)."""
        return self.attend(query, self.keys(key))

    def keys(self, key: Tensor) -> Keys:
        """Keys and values of (N, T, E)."""
        return self._heads(self.key(key)), self._heads(self.value(key))

    def attend(self, query: Tensor, keys: Keys) -> Tensor:
        """Attends from query (N, S, E); returns (N, S, E)."""
        q, (k, v) = self._heads(self.query(query)), keys
        if self.sharpness is not None:
            growth = math.log(max(k.shape[2], 1) / _USUAL_KEYS)
            q = q * (1 + self.sharpness * growth)[:, None, None]
        if q.device.type == "cpu":  # torch's bfloat16 kernel for the CPU is slower than float32's
            with torch.autocast("cpu", enabled=False):
                mixed = scaled_dot_product_attention(q.float(), k.float(), v.float())
        else:
            mixed = _on_gpu(q.to(v.dtype), k, v)
        return self.output(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def attend_native(self, x: Tensor, axis: int, queries: slice, n_keys: int) -> native.Update:
        """What `forward` makes of the cells (B, S, C, E) along an axis, by the C kernels."""
        qkv = native.projected(x, (self.query, self.key, self.value))
        scale = x.new_full((self.n_heads,), (len(self.key.weight) // self.n_heads) ** -0.5)
        scale = scale.float()
        if self.sharpness is not None:
            scale = scale * (1 + self.sharpness * math.log(max(n_keys, 1) / _USUAL_KEYS))
        out = native.attend(qkv, scale, axis, queries, n_keys)
        return nn.functional.linear(out, self.output.weight.to(out.dtype)), self.output.bias

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.n_heads, -1).transpose(1, 2)


def _for_products(x: Tensor) -> Tensor:
    """Rounds what several maps read once, as autocast would for each of them."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


def _on_gpu(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of (N, n_heads, S, E) by what is fast for many short sequences and any shape.

    The fused kernels work in tiles of 128 keys: with few keys they take several times as long as
    plain products (docs/performance.md). One launch takes so many N at most.
    """
    if k.shape[2] <= _FEW_KEYS:
        return torch.softmax(q @ k.mT * q.shape[-1] ** -0.5, dim=-1).to(v.dtype) @ v
    blocks = zip(*(torch.split(x, _MOST_LAUNCHED) for x in (q, k, v)), strict=True)
    with sdpa_kernel(_ANY_SHAPE):
        found = [scaled_dot_product_attention(*block) for block in blocks]
    return found[0] if len(found) == 1 else torch.cat(found)


class Layer(nn.Module):
    """Pre-norm residual blocks: attention over columns, attention over rows, MLP."""

    def __init__(self, config: AxialConfig) -> None:
        super().__init__()
        dim, inner, n_heads = config.dim, config.attention_dim, config.n_heads
        self.column_norm = nn.LayerNorm(dim)
        self.columns = Attention(dim, inner, n_heads)
        self.row_norm = nn.LayerNorm(dim)
        self.rows = Attention(dim, inner, n_heads, sharpened=True)
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, config.mlp_factor * dim)
        self.down = nn.Linear(config.mlp_factor * dim, dim)

    def forward(self, cells: Tensor, n_context: int, last: bool = False) -> Tensor:
        """Maps cells (B, S, F + 1, E), whose first `n_context` rows are context, to the same shape.

        No query row influences any other row. The `last` layer returns the query rows' target
        cells alone, (B, Q, 1, E): nobody reads the others.
        """
        cells, x = self._across_columns(cells, last)
        rows = slice(n_context if last else 0, None)
        return self._across_rows(cells[:, rows], x[:, rows], self.rows.keys(x[:, :n_context]))

    def forward_native(
        self, cells: Tensor, update: native.Update | None, n_context: int, last: bool
    ) -> tuple[Tensor, native.Update]:
        """What `forward` makes of `cells + update`, by the C kernels, as such a sum again.

        Cells are float32, updates bfloat16 under autocast to it and float32 otherwise.
        """
        dtype = native.product_dtype()
        read = slice(0, 1) if last else slice(None)
        rows = slice(n_context if last else 0, None)
        cells, x = native.add_norm(cells, update, self.column_norm, dtype)
        update = self.columns.attend_native(x, 2, read, cells.shape[2])
        cells, x = native.add_norm(cells[:, :, read], update, self.row_norm, dtype)
        update = self.rows.attend_native(x, 1, rows, n_context)
        cells, x = native.add_norm(cells[:, rows], update, self.norm, dtype)
        return cells, native.mlp(x, self.up, self.down)

    def encode(self, cells: Tensor, last: bool) -> tuple[Tensor, Keys]:
        """What `forward` makes of context rows (B, R, F + 1, E), and their keys for others.

        The `last` layer's rows are read by nobody: they come back as they went in.
        """
        through, x = self._across_columns(cells, last)
        keys = self.rows.keys(x)
        return cells if last else self._across_rows(through, x, keys), keys

    def query(self, cells: Tensor, keys: Keys, last: bool) -> Tensor:
        """What `forward` makes of query rows (B, Q, F + 1, E), given the context's keys."""
        return self._across_rows(*self._across_columns(cells, last), keys)

    def _across_columns(self, cells: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """The cells behind attention over columns, and the attention over rows' input."""
        batch, n_rows = cells.shape[:2]
        read = slice(0, 1) if last else slice(None)
        x = _for_products(self.column_norm(cells)).flatten(0, 1)  # (B * S, F + 1, E)
        cells = cells[:, :, read] + self.columns(x[:, read], x).unflatten(0, (batch, n_rows))
        x = _for_products(self.row_norm(cells))
        return cells, x.transpose(1, 2).flatten(0, 1)  # (B * (F + 1), S, E)

    def _across_rows(self, cells: Tensor, x: Tensor, keys: Keys) -> Tensor:
        x = self.rows.attend(x, keys)
        by_column = x.reshape(cells.shape[0], cells.shape[2], *x.shape[1:])
        cells = cells + by_column.transpose(1, 2)
        return cells + self.down(gelu(self.up(self.norm(cells))))  # type: ignore[no-any-return]


class AxialNetwork(nn.Module):
    """The trainable part, for a batch of tables of equal shape.

    Attributes:
        activation_checkpointing: Recompute each layer in the backward pass instead of keeping its
            activations; may be switched at any time.
        native: Let the C kernels (`backbones.native`) compute the layers on a CPU, where the
            weights are float32; may be switched at any time.
    """

    def __init__(self, config: AxialConfig) -> None:
        super().__init__()
        self.activation_checkpointing = False
        self.native = False
        self.inputs = CellInputs()
        self.cell = nn.Linear(N_CELL_INPUTS, config.dim)
        n_classes = config.n_outputs if config.task == "classification" else None
        self.target = TargetInputs(config.dim, n_classes)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.n_layers))
        self.head_norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, config.n_outputs)

    def forward(
        self, x_context: Tensor, y_context: Tensor, x_query: Tensor, categorical: Tensor
    ) -> Tensor:
        """Predicts the query rows.

        Args:
            x_context: float32 (B, R, F), NaN in gaps.
            y_context: int64 (B, R) class index, or float32 (B, R) standardised by the context.
            x_query: float32 (B, Q, F), NaN in gaps.
            categorical: bool (B, F).

        Returns:
            float (B, Q, n_outputs).
        """
        n_context, n_query = x_context.shape[1], x_query.shape[1]
        # In float32 also under autocast: bfloat16 would keep three digits of a value.
        with torch.autocast(x_context.device.type, enabled=False):
            x = self.cell(self.inputs(x_context, x_query, categorical))
            cells = torch.cat([self.target(y_context, n_query), x], dim=2)
        cells = native.through_layers(self, cells, n_context)
        return self.head(self.head_norm(cells[:, :, 0]))  # type: ignore[no-any-return]

    def encode(self, x_context: Tensor, y_context: Tensor, categorical: Tensor) -> list[Keys]:
        """Keys and values of the context rows in each layer; arguments as of `forward`."""
        with torch.autocast(x_context.device.type, enabled=False):
            x = self.cell(self.inputs(x_context, x_context[:, :0], categorical))
            cells = torch.cat([self.target(y_context, 0), x], dim=2)
        found = []
        for i, layer in enumerate(self.layers, start=1):
            cells, keys = cast("Layer", layer).encode(cells, i == len(self.layers))
            found.append(keys)
        return found

    def query(
        self, x_context: Tensor, x_query: Tensor, categorical: Tensor, keys: list[Keys]
    ) -> Tensor:
        """What `forward` returns for query rows of the context that was encoded.

        The context's rows are read for what cells are told of them: ranks, moments and counts.
        """
        with torch.autocast(x_context.device.type, enabled=False):
            inputs = self.inputs(x_context, x_query, categorical)[:, x_context.shape[1] :]
            x = self.cell(inputs)
            mask = self.target.mask.expand(*x_query.shape[:2], 1, -1)
            cells = torch.cat([mask.to(x.dtype), x], dim=2)
        for i, (layer, of_context) in enumerate(zip(self.layers, keys, strict=True), start=1):
            cells = cast("Layer", layer).query(cells, of_context, i == len(self.layers))
        return self.head(self.head_norm(cells[:, :, 0]))  # type: ignore[no-any-return]


@torch.no_grad()
def initialise(network: AxialNetwork, generator: torch.Generator) -> None:
    """Draws the weights, in the order of the modules, from a generator of its own.

    Embeddings and fixed vectors are N(0, 1); linear maps uniform in ±1 / sqrt(inputs); norms start
    at the identity, sharpness at none. Of the cells' inputs, numbers alone begin with a weight,
    their waves with a small one: with codes and column keys of that size, in-context learning
    begins about twice as late [measured].
    """
    for module in network.modules():
        if isinstance(module, nn.LayerNorm):
            module.reset_parameters()  # ones and zeros: draws nothing
        elif isinstance(module, nn.Linear):
            bound = module.in_features**-0.5
            module.weight.uniform_(-bound, bound, generator=generator)
            if module.bias is not None:
                module.bias.uniform_(-bound, bound, generator=generator)
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(generator=generator)
        elif isinstance(module, Attention) and module.sharpness is not None:
            module.sharpness.zero_()
    network.cell.weight[:, :2].mul_(_FIRST_SCALE)
    network.cell.weight[:, N_NUMBER_INPUTS:].zero_()
    for vector in (network.target.mask, network.inputs.codes, network.inputs.columns):
        vector.normal_(generator=generator)
