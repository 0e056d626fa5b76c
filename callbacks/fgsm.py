"""Test rows perturbed against the model, each step size a domain of its own."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch

from lit_causalmix.callbacks.evaluation import (
    Stage,
    as_task,
    episode_datamodule,
    find_callback,
    log_scores,
    packed,
    stage_episodes,
    unpacked,
)
from lit_causalmix.callbacks.zero_shot import ZeroShotBaseline
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import DomainScores, Score, normalized_scores
from lit_causalmix.training.adversarial import attack_direction, perturbed
from lit_causalmix.training.report import ReportRow, report_rows
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)


class FGSM(pl.Callback):
    """Logs `test/perturbed_EPSILON/metric` and `…_normalized` of FGSM-perturbed test rows.

    The numerical cells of each real test row move by epsilon along the sign of the gradient of the
    loss (`lit_causalmix.training.adversarial`); categorical and missing cells and the context
    stay. The context is real rows only, as in every test.

    Each model meets its own attack: the score to normalise by is that of the zero-shot weights
    under the attack computed on the zero-shot weights, at the same epsilon [our choice]. So the
    normalised score says how much more robust fine-tuning made the model, not how well an attack
    on one set of weights carries over to another.

    Args:
        epsilons: Step sizes in training standard deviations of each column.

    Attributes:
        scores: "perturbed_EPSILON/metric" → score of the latest test.
        zero_shot: The same for the zero-shot weights; empty without a `ZeroShotBaseline`.
        normalized: The first by the second, in percent.
        undefined: Metric name as logged → why it has no value.

    Raises:
        ConfigurationError: If an epsilon is negative, not finite, or given twice.
    """

    def __init__(self, epsilons: Sequence[float] = (0.05, 0.1, 0.2, 0.4)) -> None:
        bad = [e for e in epsilons if not (math.isfinite(e) and e >= 0)]
        names = [domain(e) for e in epsilons]
        if bad or not names or len(set(names)) < len(names):
            raise ConfigurationError(
                "FGSM needs one or more different finite epsilons >= 0, in standard deviations, "
                f"got {list(epsilons)}"
            )
        self.epsilons = tuple(epsilons)
        self.scores: dict[str, Score] = {}
        self.zero_shot: dict[str, Score] = {}
        self.normalized: dict[str, Score] = {}
        self.undefined: dict[str, str] = {}
        self._measured_on = ""

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task, baseline = as_task(pl_module), find_callback(trainer, ZeroShotBaseline)
        self.scores = self._attack(trainer, task)
        fingerprint = self.fingerprint(trainer) if baseline is not None else ""
        if baseline is None or not self.scores:
            self.zero_shot = {}
        elif fingerprint != self._measured_on:
            with baseline.pretrained(task):
                self.zero_shot = self._attack(trainer, task)
        self._measured_on = fingerprint
        self.normalized = normalized_scores(self.scores, self.zero_shot)
        log_scores(pl_module, "test", self.scores, self.normalized, self.undefined)

    def fingerprint(self, trainer: pl.Trainer) -> str:
        """What the zero-shot scores belong to: the test rows, their context, the step sizes."""
        rows = episode_datamodule(trainer).evaluation_fingerprint("test")
        return f"{rows} {','.join(map(domain, self.epsilons))}"

    def state_dict(self) -> dict[str, Any]:
        return {"fingerprint": self._measured_on, "zero_shot": packed(self.zero_shot)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._measured_on = state_dict["fingerprint"]
        self.zero_shot = unpacked(state_dict["zero_shot"])

    def report_rows(self, method: str, stage: Stage) -> list[ReportRow]:
        """The lines that `RunReport` adds to its table."""
        if stage != "test":
            return []
        return report_rows(method, stage, self.zero_shot, self.scores, self.normalized)

    def _attack(self, trainer: pl.Trainer, task: CausalMixTask) -> dict[str, Score]:
        """Scores the present weights under their own attack, over all ranks."""
        classifies = episode_datamodule(trainer).is_classification
        collected = {epsilon: DomainScores(classifies, ()) for epsilon in self.epsilons}
        task.eval()
        for episode in stage_episodes(trainer, task, "test"):
            if bool(episode.categorical.all()):
                _log.warning("FGSM: the table has no numerical column, nothing is perturbed")
                return {}
            with trainer.precision_plugin.forward_context():
                direction = attack_direction(task.backbone, episode)
            with torch.no_grad(), trainer.precision_plugin.forward_context():
                for epsilon, scores in collected.items():
                    attacked = perturbed(episode, direction, epsilon)
                    scores.update(task.evaluate(attacked)["predictions"], attacked)
        return {
            f"{domain(epsilon)}/{key.removeprefix('perturbed/')}": score
            for epsilon, scores in collected.items()
            for key, score in scores.compute().items()
        }


def domain(epsilon: float) -> str:
    """Name of the domain of rows perturbed by epsilon, for example "perturbed_0.1"."""
    return f"perturbed_{epsilon:g}"
