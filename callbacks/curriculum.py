"""A curriculum of synthetic rows: the plausible ones first."""

from __future__ import annotations

import lightning.pytorch as pl

from lit_causalmix.callbacks.scheduling import mixing_datamodule, over_the_fit
from lit_causalmix.training.schedules import Linear, Schedule


class ConfidenceCurriculum(pl.Callback):
    """Trains on the most plausible synthetic rows first, and on all of them in the end.

    A judge that tells real training rows from synthetic ones gives each synthetic row its
    plausibility; of the rows drawn for an episode the most plausible share is kept
    (`lit_causalmix.generators.parts.confidence`). The share follows a schedule over the fit, a
    function of the episode's place alone. It may stand beside a `RatioSchedule`.

    Args:
        share: The share that is admitted, above 0 and at most 1; null takes a straight line from
            0.25 to 1 [our choice].
    """

    def __init__(self, share: Schedule | None = None) -> None:
        self.share: Schedule = Linear(0.25, 1.0) if share is None else share

    def check_run(self, trainer: pl.Trainer) -> None:
        """Refuses a fit without an end, shares outside (0, 1], and one without synthetic rows.

        Raises:
            ConfigurationError: With the value received and what to do.
        """
        over_the_fit(self.share, trainer, self, zero=False)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            share = over_the_fit(self.share, trainer, self, zero=False)
            mixing_datamodule(trainer, self).schedule_confidence(share)
