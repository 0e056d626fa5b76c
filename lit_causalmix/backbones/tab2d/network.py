"""The network of Tab2D: attention over rows, then over columns, in every layer.

Tab2D is the architecture of Mitra (arXiv 2510.21204; published in AutoGluon). The parameter names
are the official ones, so that weight files can be exchanged both ways.

Shape legend: B = tables of equal shape, R = context rows, Q = query rows, S = R + Q, F = columns,
E = embedding. Column 0 of a cell tensor (B, S, F + 1, E) holds the target, the others the features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, scaled_dot_product_attention

from lit_causalmix.backbones import native
from lit_causalmix.backbones.tab2d.preprocessing import Places, quantile_features

Keys = tuple[Tensor, Tensor]
"""Keys and values of an attention."""


class Attention(nn.Module):
    """Multi-head attention with a bias in all four projections."""

    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Attends from query (N, S, E) to key (N, T, E); returns (N, S, E)."""
        return self.attend(query, self.keys(key))

    def keys(self, key: Tensor) -> Keys:
        """Keys and values of (N, T, E), (N, n_heads, T, E / n_heads) each."""
        return self._heads(self.k(key)), self._heads(self.v(key))

    def attend(self, query: Tensor, keys: Keys) -> Tensor:
        """Attends from query (N, S, E); returns (N, S, E)."""
        mixed = _attend(self._heads(self.q(query)), *keys)
        return self.o(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def attend_native(self, x: Tensor, axis: int, queries: slice, n_keys: int) -> native.Update:
        """What `forward` makes of the cells (B, S, C, E) along an axis, by the C kernels."""
        qkv = native.projected(x, (self.q, self.k, self.v))
        scale = torch.full((self.n_heads,), (x.shape[-1] // self.n_heads) ** -0.5)
        out = native.attend(qkv, scale, axis, queries, n_keys)
        return linear(out, self.o.weight.to(out.dtype)), self.o.bias

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.n_heads, -1).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled-dot-product attention; on the CPU in float32 in any case.

    The backward pass of torch's bfloat16 kernel for the CPU takes about seven times float32's time,
    more than bfloat16 saves in all linear maps.
    """
    if q.device.type != "cpu":
        return scaled_dot_product_attention(q, k, v)
    with torch.autocast("cpu", enabled=False):
        return scaled_dot_product_attention(q.float(), k.float(), v.float()).to(q.dtype)


class Layer(nn.Module):
    """Pre-norm residual blocks: attention over rows, MLP, attention over columns, MLP."""

    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(dim)
        self.attention1 = Attention(dim, n_heads)
        self.layer_norm2 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, 4 * dim)
        self.linear2 = nn.Linear(4 * dim, dim)
        self.layer_norm3 = nn.LayerNorm(dim)
        self.attention2 = Attention(dim, n_heads)
        self.layer_norm4 = nn.LayerNorm(dim)
        self.linear3 = nn.Linear(dim, 4 * dim)
        self.linear4 = nn.Linear(4 * dim, dim)

    def forward(self, cells: Tensor, n_context: int, last: bool = False) -> Tensor:
        """Maps cells (B, S, F + 1, E), whose first `n_context` rows are context, to the same shape.

        Context rows see each other and query rows see the context, so that no query row
        influences any other row. The `last` layer returns the query rows' target cells alone,
        (B, Q, 1, E): nobody reads the others, and leaving them out saves most of its work.
        """
        rows = slice(n_context if last else 0, None)
        x = self._by_column(cells)
        keys = self.attention1.keys(x[:, :n_context])
        return self._answer(cells[:, rows], x[:, rows], keys, last)

    def forward_native(
        self, cells: Tensor, update: native.Update | None, n_context: int, last: bool
    ) -> tuple[Tensor, native.Update]:
        """What `forward` makes of `cells + update`, by the C kernels, as such a sum again.

        Cells are float32, updates bfloat16 under autocast to it and float32 otherwise.
        """
        dtype = native.product_dtype()
        rows, columns = slice(n_context if last else 0, None), slice(1 if last else None)
        cells, x = native.add_norm(cells, update, self.layer_norm1, dtype)
        update = self.attention1.attend_native(x, 1, rows, n_context)
        cells, x = native.add_norm(cells[:, rows], update, self.layer_norm2, dtype)
        update = native.mlp(x, self.linear1, self.linear2)
        cells, x = native.add_norm(cells, update, self.layer_norm3, dtype)
        update = self.attention2.attend_native(x, 2, columns, cells.shape[2])
        cells, x = native.add_norm(cells[:, :, columns], update, self.layer_norm4, dtype)
        return cells, native.mlp(x, self.linear3, self.linear4)

    def encode(self, cells: Tensor) -> tuple[Tensor, Keys]:
        """What `forward` makes of context rows (B, R, F + 1, E), and their keys for others."""
        x = self._by_column(cells)
        keys = self.attention1.keys(x)
        return self._answer(cells, x, keys, last=False), keys

    def query(self, cells: Tensor, keys: Keys, last: bool) -> Tensor:
        """What `forward` makes of query rows (B, Q, F + 1, E), given the context's keys."""
        return self._answer(cells, self._by_column(cells), keys, last)

    def _by_column(self, cells: Tensor) -> Tensor:
        """The rows' attention's input: (B, S, F + 1, E) to (B * (F + 1), S, E)."""
        return self.layer_norm1(cells).transpose(1, 2).flatten(0, 1)  # type: ignore[no-any-return]

    def _answer(self, cells: Tensor, x: Tensor, keys: Keys, last: bool) -> Tensor:
        columns = slice(1) if last else slice(None)
        batch, n_columns = cells.shape[0], cells.shape[2]
        x = self.attention1.attend(x, keys)
        cells = cells + x.reshape(batch, n_columns, *x.shape[1:]).transpose(1, 2)
        cells = cells + self.linear2(gelu(self.linear1(self.layer_norm2(cells))))
        x = self.layer_norm3(cells).flatten(0, 1)  # (B * S, F + 1, E)
        x = self.attention2(x[:, columns], x)
        cells = cells[:, :, columns] + x.reshape(batch, cells.shape[1], *x.shape[1:])
        return cells + self.linear4(gelu(self.linear3(self.layer_norm4(cells))))  # type: ignore[no-any-return]


class CellEmbedding(nn.Module):
    """One linear map from a value to an embedding, shared by all columns."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.x_embedding = nn.Linear(1, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Maps float32 (B, S, F) to (B, S, F, E)."""
        dtype = self.x_embedding.weight.dtype
        return self.x_embedding(x.unsqueeze(-1).to(dtype))  # type: ignore[no-any-return]


class TargetEmbedding(nn.Module):
    """The target column: an embedding of each context label, one learned mask for query rows."""

    def __init__(self, dim: int, n_labels: int | None) -> None:
        """Creates the embedding.

        Args:
            dim: Width of the embedding.
            n_labels: Number of classes or bins; None for a number, embedded by a linear map.
        """
        super().__init__()
        self.n_labels = n_labels
        self.y_embedding: nn.Linear | nn.Embedding = (
            nn.Linear(1, dim) if n_labels is None else nn.Embedding(n_labels, dim)
        )
        self.y_mask = nn.Embedding(1, dim)

    def forward(self, y_context: Tensor, n_query: int) -> Tensor:
        """Maps labels (B, R) to (B, R + n_query, 1, E)."""
        y = y_context.unsqueeze(-1)
        if self.n_labels is None:
            y = y.unsqueeze(-1).to(self.y_mask.weight.dtype)
        y = self.y_embedding(y)
        return torch.cat([y, self.masks(len(y), n_query).to(y.dtype)], dim=1)

    def masks(self, batch: int, n_query: int) -> Tensor:
        """The target column of query rows: (B, n_query, 1, E)."""
        return self.y_mask.weight.expand(batch, n_query, 1, -1)


@dataclass(frozen=True, eq=False)
class EncodedTables:
    """What query rows ask of the context of a batch of tables.

    Attributes:
        places: Of values among the context's.
        keys: Of the context rows, of each layer.
    """

    places: Places
    keys: list[Keys]


class Tab2DNetwork(nn.Module):
    """The trainable part of Tab2D, for a batch of tables of equal shape.

    Attributes:
        activation_checkpointing: Recompute each layer in the backward pass instead of keeping its
            activations; may be switched at any time.
        native: Let the C kernels (`backbones.native`) compute the layers on a CPU, where the
            weights are float32; may be switched at any time.
    """

    def __init__(
        self, dim: int, dim_output: int, n_layers: int, n_heads: int, *, classification: bool
    ) -> None:
        super().__init__()
        self.activation_checkpointing = False
        self.native = False
        self.x_embedding = CellEmbedding(dim)
        n_labels = dim_output if classification or dim_output > 1 else None
        self.y_embedding = TargetEmbedding(dim, n_labels)
        self.layers = nn.ModuleList(Layer(dim, n_heads) for _ in range(n_layers))
        self.final_layer_norm = nn.LayerNorm(dim)
        self.final_layer = nn.Linear(dim, dim_output)

    def forward(self, x_context: Tensor, y_context: Tensor, x_query: Tensor) -> Tensor:
        """Predicts the query rows.

        Args:
            x_context: float32 (B, R, F), finite.
            y_context: int64 (B, R) class or bin index; float32 (B, R) where dim_output is 1.
            x_query: float32 (B, Q, F), finite.

        Returns:
            float (B, Q, dim_output).
        """
        n_context, n_query = x_context.shape[1], x_query.shape[1]
        x = torch.cat(quantile_features(x_context, x_query), dim=1)
        cells = self._cells(self.y_embedding(y_context, n_query), x)
        cells = native.through_layers(self, cells, n_context)
        return self._head(cells)

    def encode(self, x_context: Tensor, y_context: Tensor) -> EncodedTables:
        """Computes once what `forward` computes of context rows alone; arguments as there."""
        places, x = Places.of(x_context)
        cells = self._cells(self.y_embedding(y_context, 0), x)
        keys = []
        for layer in self.layers:
            cells, of_layer = cast("Layer", layer).encode(cells)
            keys.append(of_layer)
        return EncodedTables(places, keys)

    def query(self, x_query: Tensor, encoded: EncodedTables) -> Tensor:
        """What `forward` returns for query rows (B, Q, F) of the context that was encoded."""
        cells = self._cells(
            self.y_embedding.masks(*x_query.shape[:2]), encoded.places.query(x_query)
        )
        for i, (layer, keys) in enumerate(zip(self.layers, encoded.keys, strict=True), start=1):
            cells = cast("Layer", layer).query(cells, keys, i == len(self.layers))
        return self._head(cells)

    def _cells(self, y: Tensor, x: Tensor) -> Tensor:
        return torch.cat([y, self.x_embedding(x).to(y.dtype)], dim=2)

    def _head(self, cells: Tensor) -> Tensor:
        return self.final_layer(self.final_layer_norm(cells[:, :, 0]))  # type: ignore[no-any-return]


@torch.no_grad()
def initialise(network: Tab2DNetwork, generator: torch.Generator) -> None:
    """Draws the weights as the official code does, from a generator of its own.

    Embeddings are N(0, 1), the cell embedding's weight and bias too; every other linear map is
    uniform in +-1 / sqrt(inputs), torch's default; norms start at the identity.
    """
    for module in network.modules():
        if isinstance(module, nn.LayerNorm):
            module.reset_parameters()  # ones and zeros: draws nothing
        if isinstance(module, nn.Linear):
            bound = module.in_features**-0.5
            module.weight.uniform_(-bound, bound, generator=generator)
            module.bias.uniform_(-bound, bound, generator=generator)
    cell, target = network.x_embedding.x_embedding, network.y_embedding
    for weight in (cell.weight, cell.bias, target.y_embedding.weight, target.y_mask.weight):
        weight.normal_(generator=generator)
