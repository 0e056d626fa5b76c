"""A fitted CTGAN as arrays: its generator network and what its outputs mean.

Source: CTGAN (Xu et al., NeurIPS 2019, arXiv 1907.00503) as in the package ctgan 0.12. Shape
legend: B = rows of one batch, E = embedding, K = entries of the condition, W = columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EPS = 1e-5  # torch's batch norm
_DEVIATIONS = 4  # a component's outputs span this many standard deviations to each side


@dataclass(frozen=True, eq=False)
class Residual:
    """Linear map, batch normalisation, ReLU; the input is appended to the output.

    Attributes:
        weight: float32 (out, in).
        bias: float32 (out,).
        gain: float32 (out,), of the normalisation.
        shift: float32 (out,), of the normalisation.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    gain: NDArray[np.float32]
    shift: NDArray[np.float32]

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps float32 (B, in) to (B, out + in).

        The moments are those of the batch, as the package samples in training mode.
        """
        y = x @ self.weight.T + self.bias
        y = (y - y.mean(axis=0)) / np.sqrt(y.var(axis=0) + _EPS) * self.gain + self.shift
        return np.concatenate([np.maximum(y, 0), x], axis=1)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Outputs that stand for a number: its place within a Gaussian component, and which one.

    Attributes:
        means: float64 (k,), of the components.
        deviations: float64 (k,).
    """

    means: NDArray[np.float64]
    deviations: NDArray[np.float64]

    @property
    def width(self) -> int:
        return 1 + len(self.means)

    def values(self, outputs: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws values, float64 (B,), from outputs (B, 1 + k)."""
        component = draw_category(outputs[:, 1:], rng)
        place = np.tanh(outputs[:, 0].astype(np.float64))
        return place * _DEVIATIONS * self.deviations[component] + self.means[component]


@dataclass(frozen=True, eq=False)
class Levels:
    """Outputs that stand for a level of a discrete column.

    Attributes:
        levels: float64 (k,).
    """

    levels: NDArray[np.float64]

    @property
    def width(self) -> int:
        return len(self.levels)

    def values(self, outputs: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws values, float64 (B,), from outputs (B, k)."""
        return self.levels[draw_category(outputs, rng)]


def draw_category(logits: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draws from the softmax of each row of logits, by Gumbel noise: the package's outputs too."""
    return np.asarray(np.argmax(logits + rng.gumbel(size=logits.shape), axis=1))


@dataclass(frozen=True, eq=False)
class CTGANNetwork:
    """The generator network.

    Attributes:
        residuals: Its hidden layers.
        weight: float32 (outputs, in), the last linear map.
        bias: float32 (outputs,).
        condition: float64 (K,), probability of each entry of the condition, one per level of each
            discrete column; no entry without discrete columns. The package draws levels by the
            logarithm of their frequency also here, where its paper has the frequency.
        spans: What the outputs mean, one per column.
        embedding_dim: E.
        batch_size: B; the moments of batch normalisation are taken over so many rows.
    """

    residuals: tuple[Residual, ...]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    condition: NDArray[np.float64]
    spans: tuple[Mixture | Levels, ...]
    embedding_dim: int
    batch_size: int

    @classmethod
    def of(cls, model: Any) -> CTGANNetwork:
        """Reads a fitted `ctgan.CTGAN`."""
        tensors = {k: v.cpu().numpy() for k, v in model._generator.state_dict().items()}
        depth = len(model._generator_dim)
        probabilities = model._data_sampler._discrete_column_category_prob.ravel()
        probabilities = probabilities[probabilities > 0]
        return cls(
            residuals=tuple(
                Residual(
                    *(
                        tensors[f"seq.{i}.{name}"]
                        for name in ("fc.weight", "fc.bias", "bn.weight", "bn.bias")
                    )
                )
                for i in range(depth)
            ),
            weight=tensors[f"seq.{depth}.weight"],
            bias=tensors[f"seq.{depth}.bias"],
            condition=probabilities / max(probabilities.sum(), 1.0),
            spans=tuple(
                _mixture(info.transform) if info.column_type == "continuous" else _levels(info)
                for info in model._transformer._column_transform_info_list
            ),
            embedding_dim=model._embedding_dim,
            batch_size=model._batch_size,
        )

    def outputs(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps noise and condition, float32 (B, E + K), to the raw outputs of all columns."""
        for residual in self.residuals:
            x = residual(x)
        return x @ self.weight.T + self.bias

    def decode(self, outputs: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws the columns' values, float64 (B, W), from raw outputs."""
        ends = np.cumsum([span.width for span in self.spans])
        parts = np.split(outputs, ends[:-1], axis=1)
        return np.column_stack(
            [span.values(part, rng) for span, part in zip(self.spans, parts, strict=True)]
        )

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws values, float64 (n, W): whole batches, of which the last is cut."""
        batches = [self._batch(rng) for _ in range(-(-n // self.batch_size))]
        return np.concatenate([np.empty((0, len(self.spans))), *batches])[:n]

    def _batch(self, rng: np.random.Generator) -> NDArray[np.float64]:
        n, k = self.batch_size, len(self.condition)
        condition = np.zeros((n, k), dtype=np.float32)
        if k:
            condition[np.arange(n), rng.choice(k, size=n, p=self.condition)] = 1
        noise = rng.standard_normal((n, self.embedding_dim)).astype(np.float32)
        return self.decode(self.outputs(np.concatenate([noise, condition], axis=1)), rng)


def _mixture(normaliser: Any) -> Mixture:
    fitted, kept = normaliser._bgm_transformer, normaliser.valid_component_indicator
    return Mixture(fitted.means_.ravel()[kept], np.sqrt(fitted.covariances_.ravel()[kept]))


def _levels(info: Any) -> Levels:
    return Levels(np.array(info.transform.dummies, dtype=np.float64))


CLASSES = {c.__name__: c for c in (CTGANNetwork, Residual, Mixture, Levels)}
"""Classes that a saved network is made of."""
