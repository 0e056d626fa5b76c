"""The one contract of all backbones: a tabular in-context learner over episodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor, nn

from lit_causalmix.backbones.memory import StepShape
from lit_causalmix.episode import Episode
from lit_causalmix.errors import ConfigurationError, LimitError
from lit_causalmix.tables.schema import Schema


@dataclass(frozen=True)
class Limits:
    """What a backbone takes; None means no limit.

    Attributes:
        context_rows: Most labelled rows in one episode.
        columns: Most feature columns.
        classes: Most classes; 0 when the backbone does no classification.
        regression: Whether it predicts numbers.
    """

    context_rows: int | None = None
    columns: int | None = None
    classes: int | None = None
    regression: bool = False


class EncodedContext(Protocol):
    """What a backbone keeps of a context: keys and values, say."""

    def output(self, episode: Episode) -> Tensor:
        """What the backbone's `forward` returns for query rows of that context."""
        ...


@dataclass(frozen=True, eq=False)
class PlainContext:
    """Keeps nothing: the context is read again with each chunk."""

    backbone: Backbone

    def output(self, episode: Episode) -> Tensor:
        output: Tensor = self.backbone(episode)
        return output


class Backbone(nn.Module, ABC):
    """A tabular foundation model that predicts query rows from context rows in one forward pass.

    A subclass implements `limits` and `forward`; everything about preprocessing that the model was
    pre-trained with (imputation, quantiles, clipping, padding) happens inside `forward`, from the
    context rows alone. Where possible it is `differentiable` in its inputs, as adversarial
    evaluation and adapters of the inputs follow that gradient.

    Attributes:
        recommended: The packaged configuration ("finetune/mitra-v2") with the rate, steps, batch
            and stopping that suit it, laid over `default.yaml` and under all that the user says.
            None is `default.yaml` as it is, whose rate is the published one of TabPFN and TabICL.

    Example:
        >>> from lit_causalmix.backbones import Tab2D
        >>> from lit_causalmix.prior import PriorSettings, draw_episode
        >>> episode = draw_episode(PriorSettings(), seed=0, epoch=0, index=0)
        >>> backbone = Tab2D(dim=16, n_layers=1)
        >>> backbone(episode).shape == (episode.n_query, episode.n_classes)
        True
    """

    recommended: ClassVar[str | None] = None

    @classmethod
    def starting_checksum(cls, arguments: Mapping[str, Any]) -> str | None:  # noqa: ARG003
        """Checksum of the weights that an object starts from, without building it.

        Args:
            arguments: Of the class, as JSON values, as far as they are given.

        Returns:
            `of_module(cls(**arguments))`; None where only building it tells.
        """
        return None

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """What the backbone takes."""

    @property
    def differentiable(self) -> bool:
        """Whether `losses` has gradients in the numerical cells of `x_context` and `x_query`."""
        return False

    @abstractmethod
    def forward(self, episode: Episode) -> Tensor:
        """Predicts the query rows.

        Returns:
            Classification: logits, float (Q, n_classes). Regression: what `loss` and `predict`
            of the same class read, by default float (Q,) in standardised target units.
        """

    def encode_context(self, episode: Episode) -> EncodedContext:
        """Computes once what `forward` computes of the context alone, for many query chunks.

        Its `output` is what `forward` returns, up to rounding, for every episode of the same
        context, as long as the weights stay the same. Without gradients, and for evaluation: call
        it under `torch.no_grad` in evaluation mode. Here nothing is kept; a backbone that can
        overrides this and `context_bytes`.

        Args:
            episode: Its query rows are not read.

        Example:
            >>> from lit_causalmix.backbones import Tab2D
            >>> from lit_causalmix.prior import PriorSettings, draw_episode
            >>> episode = draw_episode(PriorSettings(), seed=0, epoch=0, index=0)
            >>> backbone = Tab2D(dim=16, n_layers=1).eval()
            >>> with torch.no_grad():
            ...     encoded = backbone.encode_context(episode)
            ...     found = backbone.predict_with(encoded, episode)
            ...     torch.allclose(found, backbone.predict(backbone(episode), episode), atol=1e-6)
            True
        """
        return PlainContext(self)

    def context_bytes(self, episode: Episode) -> int:
        """Bytes that `encode_context` keeps; 0 where it keeps nothing, and so saves nothing."""
        return 0

    def step_bytes(self, shape: StepShape) -> int | None:
        """Bytes that a step holds at its peak beside weights, gradients and optimiser states.

        None where that is not known: nothing is claimed then, and nothing refused. A backbone that
        knows it has measured coefficients (`memory.StepBytes`).
        """
        return None

    @property
    def checkpointing(self) -> bool | None:
        """Whether a backward pass computes activations again; None where it cannot.

        That is an attribute `activation_checkpointing`, of the backbone or of a module within.
        """
        name = "activation_checkpointing"
        found = [getattr(module, name) for module in self.modules() if hasattr(module, name)]
        return any(found) if found else None

    def predict_with(self, encoded: EncodedContext, episode: Episode) -> Tensor:
        """`predict` for the query rows of an episode, whose context was encoded before."""
        return self.predict(encoded.output(episode), episode)

    def loss(self, output: Tensor, episode: Episode) -> Tensor:
        """Training loss, a scalar: cross-entropy, or squared error in standardised units."""
        if episode.is_classification:
            return nn.functional.cross_entropy(output.float(), episode.y_query)
        return nn.functional.mse_loss(output.float(), episode.y_query)

    def losses(self, episodes: Sequence[Episode]) -> Tensor:
        """Training losses of several episodes, (B,): `loss` of each.

        A subclass may compute episodes of equal shape in one pass.
        """
        return torch.stack([self.loss(self(episode), episode) for episode in episodes])

    def predict(self, output: Tensor, episode: Episode) -> Tensor:
        """Returns float32 probabilities (Q, n_classes), or float64 (Q,) in the target's units."""
        if episode.is_classification:
            return torch.softmax(output.float(), dim=-1)
        return episode.y_location + episode.y_scale * output.double()

    def quantiles(self, output: Tensor, episode: Episode, levels: Sequence[float]) -> Tensor:
        """Quantiles of the predicted distributions of a regression.

        Args:
            output: What `forward` returned.
            episode: What it was given.
            levels: L probabilities in (0, 1).

        Returns:
            float64 (Q, L), in the target's units.

        Raises:
            LimitError: If the model predicts no distribution.
        """
        raise LimitError(
            f"{type(self).__name__} predicts no distribution of a number, so it has no quantiles: "
            "take a regression backbone with bins, such as Nano"
        )

    def arguments(self) -> dict[str, Any]:
        """Arguments, JSON values, that make a backbone of this form, to load these weights into.

        By default each argument of the class is the attribute of its name; what is a tensor comes
        with the weights. A subclass that keeps them elsewhere, or whose sizes come with a file of
        weights, overrides this.

        Raises:
            ConfigurationError: If there is no such attribute.
        """
        found = {}
        named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
        for name, parameter in signature(type(self)).parameters.items():
            if parameter.kind not in named:
                continue
            if not hasattr(self, name):
                raise ConfigurationError(
                    f"{type(self).__name__} has no attribute {name!r} for its argument of that "
                    "name: keep it, or override `arguments`"
                )
            if not isinstance(getattr(self, name), Tensor):
                found[name] = getattr(self, name)
        return found

    @classmethod
    def rebuilt(cls, arguments: Mapping[str, Any]) -> Self:
        """Makes a backbone from `arguments`; its weights are still to be loaded."""
        return cls(**arguments)

    def origin(self) -> dict[str, str]:
        """Where the pre-trained weights come from, and their licence, as far as it is known."""
        return {"weights": "not known", "licence": "not known"}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Names disjoint groups of all parameters, from input to output."""
        return {"all": list(self.parameters())}

    def specialise(self, schema: Schema) -> None:
        """Called on every rank once the table is known, before optimisers are made."""
        return

    def check(self, schema: Schema, n_context: int, *, n_columns: int | None = None) -> None:
        """Refuses a table that exceeds the limits.

        Args:
            schema: Columns and task of the table.
            n_context: Rows of the largest context that will be used.
            n_columns: Feature columns after encoding; by default all of the schema.

        Raises:
            LimitError: With the limit, the value received and what to do.
        """
        name, limits = type(self).__name__, self.limits
        columns = len(schema.features) if n_columns is None else n_columns
        if schema.task.is_classification:
            if limits.classes is not None and schema.n_classes > limits.classes:
                raise LimitError(
                    f"{name} takes at most {limits.classes} classes, the target "
                    f"{schema.target.name!r} has {schema.n_classes}: merge rare classes, or wrap "
                    "it in the backbone ManyClasses with a max_classes that suffices"
                )
        elif not limits.regression:
            raise LimitError(
                f"{name} does classification only, the task is regression: choose a regression "
                "backbone, or set data.table.task to binary or multiclass"
            )
        if limits.columns is not None and columns > limits.columns:
            raise LimitError(
                f"{name} takes at most {limits.columns} feature columns, the table has {columns}: "
                "leave some out with data.table.drop, or choose another backbone"
            )
        if limits.context_rows is not None and n_context > limits.context_rows:
            raise LimitError(
                f"{name} takes at most {limits.context_rows} context rows, an episode has "
                f"{n_context}: lower data.episode_rows or data.split.max_train_rows, or choose "
                "another backbone"
            )
