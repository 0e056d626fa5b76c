"""The LightningModule that fine-tunes any backbone over episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypedDict, get_args

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lit_causalmix.backbones import Backbone, Nano
from lit_causalmix.episode import Episode
from lit_causalmix.episode_stack import query_lengths
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import MetricSpec
from lit_causalmix.tables import Encoder, Table
from lit_causalmix.tables.schema import Schema
from lit_causalmix.training.adapters import Adapter
from lit_causalmix.training.begun_with import check_selection
from lit_causalmix.training.class_weight import ClassWeight
from lit_causalmix.training.gate import Gate, GatedLoss
from lit_causalmix.training.l2_sp import L2SP
from lit_causalmix.training.memory import MemoryRule
from lit_causalmix.training.memory_module import MemoryModule
from lit_causalmix.training.optimizer_settings import KEY, check_optimizer, scheduled
from lit_causalmix.training.scoring import scored_rows
from lit_causalmix.training.selection import RealValidation, Selection


class StepOutput(TypedDict):
    """What one step computed.

    Attributes:
        loss: Scalar, with gradient in training.
        predictions: Probabilities float32 (Q, K), or values float64 (Q,) in the target's units;
            detached.
    """

    loss: Tensor
    predictions: Tensor


def _adamw(parameters: object) -> Optimizer:
    return AdamW(parameters, lr=1e-5, weight_decay=0.01)  # type: ignore[arg-type]


class CausalMixTask(MemoryModule):
    """Fine-tunes a backbone; what it scored and selected stands in its `scoreboard`.

    Callbacks measure, select and report, in any order.

    Args:
        backbone: The tabular foundation model; null takes the embedded `Nano`.
        optimizer: Makes the optimiser from parameter groups; by default AdamW at 1e-5 with weight
            decay 0.01, the rate that TabPFN's and TabICL's own recipes use.
        lr_scheduler: Makes a scheduler from the optimiser, stepped after every training step;
            null keeps the rate constant.
        freeze: Names of the backbone's parameter groups that stay at their pre-trained values.
        adapter: Trains a small part in a frozen backbone (`LoRA`), or before it (`Retouche`); null
            trains the backbone itself.
        l2_sp: Coefficient of the penalty on the distance to the pre-trained weights, of those that
            are trained: l2_sp / 2 * ||w - w0||² is added to the training loss. 0 leaves it out.
        selection: What `val/loss` is made of and which weights are kept; null takes the real
            validation rows.
        metrics: Metrics that are scored beside those of the package; those for the other kind of
            task are left out.
        gate: Decides which synthetic rows a step uses (`RowAdmission`), or what of their gradient
            (`GradientProjection`), and logs the share that passed as `train/synthetic_passed`, with
            several domains of tables also `train/DOMAIN/synthetic_passed`; null uses all.
        class_weight: Weight of each class in the training loss: balanced counts all classes of an
            episode's query rows alike, a mapping has a weight for each label (1 where it names
            none); null counts all rows alike. Classification alone, and not with a gate.
        memory: What is done about steps that memory has no room for, by a forecast before the
            first: refuse says what would fit, fit halves the larger part of their rows until they
            fit, and once more should memory run out all the same; ignore does nothing.

    Raises:
        ConfigurationError: If a group to freeze does not exist, nothing is left to train, or a
            weight of a class is none.
    """

    def __init__(
        self,
        backbone: Backbone | None = None,
        optimizer: OptimizerCallable = _adamw,
        lr_scheduler: LRSchedulerCallable | None = None,
        freeze: Sequence[str] = (),
        adapter: Adapter | None = None,
        l2_sp: float = 0.0,
        selection: Selection | None = None,
        metrics: Sequence[MetricSpec] = (),
        gate: Gate | None = None,
        class_weight: Literal["balanced"] | Mapping[str, float] | None = None,
        memory: MemoryRule = "refuse",
    ) -> None:
        super().__init__()
        backbone = Nano() if backbone is None else backbone
        self.backbone = backbone if adapter is None else adapter.insert(backbone)
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.adapter = adapter
        self.selection: Selection = RealValidation() if selection is None else selection
        self.metrics: Sequence[MetricSpec] = tuple(metrics)
        self.gate = gate
        if memory not in get_args(MemoryRule):
            raise ConfigurationError(f"memory must be refuse, fit or ignore, got {memory!r}")
        self.memory_rule = memory
        self.class_weight = None if class_weight is None else ClassWeight(class_weight)
        if gate is not None and class_weight is not None:
            raise ConfigurationError(
                "class_weight and gate both say what a row counts in the loss: give one of them"
            )
        groups = self.backbone.parameter_groups()
        unknown = sorted(set(freeze) - set(groups))
        if unknown:
            raise ConfigurationError(
                f"freeze names no parameter group of {type(backbone).__name__}: "
                f"{', '.join(unknown)}; there are {', '.join(groups)}"
            )
        for name in freeze:
            for parameter in groups[name]:
                parameter.requires_grad_(False)
        if not any(p.requires_grad for p in self.backbone.parameters()):
            raise ConfigurationError(
                f"freeze leaves nothing to train of {type(backbone).__name__}: {', '.join(freeze)}"
                f"{' (and the adapter its other groups)' if adapter else ''}; freeze fewer groups"
            )
        self.l2_sp = L2SP(self.backbone, l2_sp)
        self._optimizer_settings: dict[str, Any] | None = None
        self._trains_all = not freeze and adapter is None and gate is None

    def _trains_a_part(self) -> bool:
        return not self._trains_all

    def plain_backbone(self) -> Backbone:
        """The backbone without the parts of an adapter (`Adapter.plain`)."""
        return self.backbone if self.adapter is None else self.adapter.plain(self.backbone)

    def kept_backbone(self) -> Backbone:
        """The backbone as it is kept: an adapter is worked into plain weights where it can be."""
        return self.backbone if self.adapter is None else self.adapter.merged(self.backbone)

    def check_table(self, train: Table, encoder: Encoder, episode_context: int = 0) -> None:
        """Refuses a table that the backbone does not take, and specialises the backbone to it.

        Called before anything slow, and again on every rank.

        Args:
            train: The training split.
            encoder: Of the table.
            episode_context: Context rows of the largest episode; 0 where that is not known.

        Raises:
            LimitError: With the limit, the value received and what to do.
            ConfigurationError: If `class_weight` or `selection` does not go with the target.
        """
        self.selection.metric(train.schema.task.is_classification)
        if self.class_weight is not None:
            self.class_weight.check(train.schema)
        n_context = episode_context or len(train)
        self.backbone.check(train.schema, n_context, n_columns=len(encoder.columns))
        self.backbone.specialise(train.schema)
        if self.adapter is not None and self.adapter.specialise(self.backbone, encoder):
            self.l2_sp = L2SP(self.backbone, self.l2_sp.coefficient)  # from the new parameters

    def learn_tables(self, schemas: Sequence[Schema]) -> None:
        """Learns the labels of each table, by `Episode.table_id`, after `check_table` took them.

        Raises:
            ConfigurationError: If the adapter cannot be trained on them together.
        """
        if self.adapter is not None:
            self.adapter.check_tables(schemas)
        if self.class_weight is not None:
            for table_id, schema in enumerate(schemas):
                self.class_weight.check(schema, table_id)

    def context_limit(self) -> int | None:
        """Most context rows that the backbone takes; None where nothing limits them."""
        return self.backbone.limits.context_rows

    def forward(self, episode: Episode) -> Tensor:
        """Predicts the query rows: probabilities (Q, K), or values (Q,) in the target's units."""
        prediction: Tensor = self.backbone.predict(self._output(episode), episode)
        return prediction

    def _output(self, episode: Episode) -> Tensor:
        if self.training or torch.is_grad_enabled():
            output: Tensor = self.backbone(episode)
            return output
        return self.evaluated(episode)

    def evaluate(self, episode: Episode) -> StepOutput:
        """One forward pass with its loss; every labelled step goes through here."""
        output = self._output(episode)
        loss = self.backbone.loss(output, episode)
        with torch.no_grad():
            predictions = self.backbone.predict(output.detach(), episode)
        return StepOutput(loss=loss, predictions=predictions)

    def training_step(self, batch: Episode | Sequence[Episode], batch_idx: int) -> Tensor:
        """The loss of an episode, or the mean loss of several that make one step."""
        episodes = self.within_room([batch] if isinstance(batch, Episode) else batch)
        n_query = sum(query_lengths(episodes))
        if self.class_weight is not None:
            loss = self.class_weight.losses(self.backbone, episodes).mean()
        elif self.gate is None:
            loss = self.backbone.losses(episodes).mean()
        else:
            gated = self.gate(self.backbone, episodes)
            loss = gated.loss
            self._log_passed(gated, n_query)
        self.log("train/loss", loss, prog_bar=True, batch_size=n_query)
        if self.l2_sp.coefficient == 0:
            return loss
        penalty = self.l2_sp()
        self.log("train/l2_sp", penalty, batch_size=n_query)
        return loss + penalty

    def _log_passed(self, gated: GatedLoss, n_query: int) -> None:
        """Logs the share that passed, and keeps it for the curves."""
        if gated.passed is None:
            return
        self.log("train/synthetic_passed", gated.passed, batch_size=n_query)
        shares, labels = {"synthetic": gated.passed}, scored_rows(self.trainer).domains
        if len(labels) > 1:
            for number, share in gated.by_domain.items():
                shares[labels[number]] = share
                self.log(f"train/{labels[number]}/synthetic_passed", share, batch_size=n_query)
        self.scoreboard.note_passed(shares)

    def validation_step(self, episode: Episode, batch_idx: int) -> StepOutput:
        return self.evaluate(episode)

    def test_step(self, episode: Episode, batch_idx: int) -> StepOutput:
        return self.evaluate(episode)

    def predict_step(self, episode: Episode, batch_idx: int) -> Tensor:
        prediction: Tensor = self(episode)
        return prediction

    def train(self, mode: bool = True) -> Self:
        if mode:
            self._contexts.forget()
        return super().train(mode)

    def on_validation_end(self) -> None:  # the trainer goes on training without calling `train`
        self._contexts.forget()

    def on_test_end(self) -> None:
        self._contexts.forget()

    def on_predict_end(self) -> None:
        self._contexts.forget()

    def _new_optimizer(self) -> tuple[Optimizer, LRScheduler | None, dict[str, Any]]:
        groups = [
            {"name": name, "params": trained}
            for name, parameters in self.backbone.parameter_groups().items()
            if (trained := [p for p in parameters if p.requires_grad])
        ]
        optimizer = self.optimizer(groups)
        return optimizer, *scheduled(optimizer, self.lr_scheduler)

    def check_resumed(self, checkpoint: Mapping[str, Any], *, sizes: bool = True) -> None:
        """Refuses to go on with another selection or optimiser, or other parts to train.

        Args:
            checkpoint: As Lightning reads it.
            sizes: Whether weights have been found to be of this very model.

        Raises:
            ConfigurationError: With what differs.
        """
        check_selection(checkpoint, self.selection)
        check_optimizer(checkpoint, self._new_optimizer()[2], sizes=sizes)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        if self._fits():
            self.check_resumed(checkpoint)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if self._optimizer_settings is not None and "optimizer_states" in checkpoint:
            checkpoint[KEY] = self._optimizer_settings

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer, scheduler, self._optimizer_settings = self._new_optimizer()
        if scheduler is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }
