"""Random tasks to pre-train an in-context learner on: structural causal models and trees."""

from lit_causalmix.prior.batch import draw_tasks
from lit_causalmix.prior.settings import PriorSettings
from lit_causalmix.prior.task import draw_episode

__all__ = ["PriorSettings", "draw_episode", "draw_tasks"]
