"""Test rows perturbed against the model, each step size a domain of its own."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import lightning.pytorch as pl
import torch

from lit_causalmix.callbacks.evaluation import as_task, episode_datamodule, log_sheet
from lit_causalmix.errors import ConfigurationError
from lit_causalmix.metrics import Score
from lit_causalmix.training.adversarial import attack_direction, perturbed
from lit_causalmix.training.scoring import scores_of, stage_episodes
from lit_causalmix.training.task import CausalMixTask

_log = logging.getLogger(__name__)

SHEET = "perturbed"
"""Name of the scoreboard's sheet of the perturbed test rows."""


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

    The scores of both stand in a sheet `perturbed` of the task's scoreboard.

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

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task = as_task(pl_module)
        rows = f"{task.rows('test')} {','.join(map(domain, self.epsilons))}"
        sheet = task.scoreboard.sheet(SHEET, rows=rows, stage="test")
        sheet.scores = self._attack(trainer, task)
        if sheet.scores:
            task.measured(SHEET, sheet, lambda: self._attack(trainer, task))
        log_sheet(task, sheet, task.scoreboard.undefined)

    def _attack(self, trainer: pl.Trainer, task: CausalMixTask) -> dict[str, Score]:
        """Scores the present weights under their own attack, over all ranks."""
        data = episode_datamodule(trainer)
        collected = {epsilon: scores_of(data, (), task.metrics) for epsilon in self.epsilons}
        left_out: set[str] = set()
        task.eval()
        for episode in stage_episodes(trainer, task.device, "test"):
            if bool(episode.categorical.all()):
                left_out.add(data.table_names[episode.table_id])
                continue
            with trainer.precision_plugin.forward_context():
                direction = attack_direction(task.backbone, episode)
            with torch.no_grad(), trainer.precision_plugin.forward_context():
                for epsilon, scores in collected.items():
                    attacked = perturbed(episode, direction, epsilon)
                    scores.update(task.evaluate(attacked)["predictions"], attacked)
        for name in sorted(left_out):
            _log.warning("FGSM: %s has no numerical column, nothing is perturbed in it", name)
        return {
            f"{domain(epsilon)}/{key.removeprefix('perturbed/')}": score
            for epsilon, scores in collected.items()
            for key, score in scores.compute().items()
        }


def domain(epsilon: float) -> str:
    """Name of the domain of rows perturbed by epsilon, for example "perturbed_0.1"."""
    return f"perturbed_{epsilon:g}"
