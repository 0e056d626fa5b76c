"""The network of TabPFN v1: a transformer over rows.

Source: Hollmann et al., "TabPFN", ICLR 2023 (arXiv 2207.01848), and the published checkpoint. A
row is one token. Context tokens hold features and label, query tokens features only; all tokens
attend to the context tokens alone, so query rows cannot see each other, nor themselves.

Shape legend: B = batch, R = context rows, N = all rows (context first), F = input columns,
E = embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from lit_causalmix.errors import ConfigurationError, WeightsError
from lit_causalmix.seeding import rng


@dataclass(frozen=True)
class TabPFNV1Architecture:
    """Sizes of the network; the defaults are those of the official weights.

    Attributes:
        n_features: Width of the input; tables with fewer columns are padded.
        n_classes: Outputs.
        dim: Embedding of a row.
        n_heads: Attention heads; divides dim.
        n_layers: Layers.
        dim_hidden: Width of the layers' and the decoder's hidden layer.
    """

    n_features: int = 100
    n_classes: int = 10
    dim: int = 512
    n_heads: int = 4
    n_layers: int = 12
    dim_hidden: int = 1024

    def __post_init__(self) -> None:
        sizes = vars(self)
        if min(sizes.values()) < 1 or self.dim % self.n_heads:
            raise ConfigurationError(
                f"all sizes must be at least 1 and n_heads must divide dim, got {sizes}"
            )


Keys = tuple[Tensor, Tensor]
"""Keys and values of the context rows, (B, n_heads, R, E / n_heads) each."""


class Layer(nn.Module):
    """Attention to the context rows, then an MLP; each is added and then normalised (post-norm)."""

    def __init__(self, architecture: TabPFNV1Architecture) -> None:
        super().__init__()
        dim, hidden = architecture.dim, architecture.dim_hidden
        self.n_heads = architecture.n_heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, hidden)
        self.linear2 = nn.Linear(hidden, dim)
        self.norm2 = nn.LayerNorm(dim)

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.n_heads, -1).transpose(-3, -2)

    def keys(self, context: Tensor) -> Keys:
        """Keys and values of context rows (B, R, E)."""
        return self._heads(self.key(context)), self._heads(self.value(context))

    def attend(self, rows: Tensor, keys: Keys) -> Tensor:
        """Maps rows (B, N, E) to (B, N, E), given the context's keys."""
        attended = functional.scaled_dot_product_attention(self._heads(self.query(rows)), *keys)
        rows = self.norm1(rows + self.out(attended.transpose(-3, -2).flatten(-2)))
        hidden = functional.gelu(self.linear1(rows))
        return torch.as_tensor(self.norm2(rows + self.linear2(hidden)))

    def forward(self, rows: Tensor, n_context: int) -> Tensor:
        """Maps (B, N, E) to (B, N, E)."""
        return self.attend(rows, self.keys(rows[:, :n_context]))


class TabPFNV1Network(nn.Module):
    """From preprocessed rows to logits over all outputs."""

    def __init__(self, architecture: TabPFNV1Architecture) -> None:
        super().__init__()
        dim, hidden = architecture.dim, architecture.dim_hidden
        self.x_encoder = nn.Linear(architecture.n_features, dim)
        self.y_encoder = nn.Linear(1, dim)
        self.layers = nn.ModuleList(Layer(architecture) for _ in range(architecture.n_layers))
        self.decoder = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, architecture.n_classes)
        )

    def forward(self, x: Tensor, y: Tensor, *, activation_checkpointing: bool = False) -> Tensor:
        """Predicts the query rows.

        Args:
            x: float (B, N, C), context rows first; C <= F, columns are filled up with zeros.
            y: Class index of the context rows, (B, R).
            activation_checkpointing: Whether layers are computed again in the backward pass
                instead of being kept in memory.

        Returns:
            Logits, float (B, N - R, n_classes), in the dtype of the parameters.
        """
        n_context = y.shape[1]
        rows = self._features(x)
        rows = torch.cat([rows[:, :n_context] + self._labels(y), rows[:, n_context:]], dim=1)
        for layer in self.layers:
            if activation_checkpointing and torch.is_grad_enabled():
                rows = checkpoint(layer, rows, n_context, use_reentrant=False)
            else:
                rows = layer(rows, n_context)
        return torch.as_tensor(self.decoder(rows[:, n_context:]))

    def encode(self, x: Tensor, y: Tensor) -> list[Keys]:
        """Keys and values of context rows, (B, R, C) and (B, R), in each layer."""
        rows, found = self._features(x) + self._labels(y), []
        for layer in self.layers:
            keys = cast("Layer", layer).keys(rows)
            rows = cast("Layer", layer).attend(rows, keys)
            found.append(keys)
        return found

    def query(self, x: Tensor, keys: list[Keys]) -> Tensor:
        """What `forward` returns for query rows (B, Q, C) of the context that was encoded."""
        rows = self._features(x)
        for layer, of_context in zip(self.layers, keys, strict=True):
            rows = cast("Layer", layer).attend(rows, of_context)
        return torch.as_tensor(self.decoder(rows))

    def _features(self, x: Tensor) -> Tensor:
        missing_columns = self.x_encoder.in_features - x.shape[-1]
        padded = functional.pad(x.to(self.x_encoder.weight.dtype), (0, missing_columns))
        return torch.as_tensor(self.x_encoder(padded))

    def _labels(self, y: Tensor) -> Tensor:
        return torch.as_tensor(self.y_encoder(y.to(self.x_encoder.weight.dtype).unsqueeze(-1)))


def from_published(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the published parameters to those of `TabPFNV1Network`.

    The published attention packs query, key and value into one matrix, in this order.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        target = name.replace("transformer_encoder.", "").replace("self_attn.out_proj", "out")
        if target.startswith("encoder."):
            renamed[f"x_{target}"] = tensor
        elif "self_attn.in_proj_" in target:
            prefix, kind = target.split("self_attn.in_proj_")
            for part, chunk in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                renamed[f"{prefix}{part}.{kind}"] = chunk
        else:
            renamed[target] = tensor
    return renamed


def _uninitialised(architecture: TabPFNV1Architecture) -> TabPFNV1Network:
    # torch's own initialisation would draw from its global generator.
    with torch.device("meta"):
        network = TabPFNV1Network(architecture)
    return network.to_empty(device="cpu")


def network_from(
    architecture: TabPFNV1Architecture, tensors: Mapping[str, Tensor]
) -> TabPFNV1Network:
    """Builds the network with published parameters; every one must be there and fit.

    Raises:
        WeightsError: If parameters are missing, unknown or of another shape.
    """
    network = _uninitialised(architecture)
    try:
        network.load_state_dict(from_published(tensors), strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"the tensors are not those of TabPFN v1: {reason}") from error
    return network


def random_network(architecture: TabPFNV1Architecture, seed: int) -> TabPFNV1Network:
    """Builds the network with random parameters that depend on the seed alone [our choice].

    Matrices are normal with variance 1 / columns, biases 0, norms the identity. The published
    pre-training starts with zeros at the end of each residual branch instead; here every
    parameter takes part from the start, as tests want it.
    """
    network = _uninitialised(architecture)
    for name, parameter in network.named_parameters():
        fill = torch.zeros(parameter.shape)
        if parameter.ndim == 2:
            draw = rng(seed, "tabpfn-v1", name).standard_normal(tuple(parameter.shape))
            fill = torch.as_tensor(draw, dtype=torch.float32) / parameter.shape[1] ** 0.5
        elif "norm" in name and name.endswith("weight"):
            fill = torch.ones(parameter.shape)
        parameter.data.copy_(fill)
    return network
