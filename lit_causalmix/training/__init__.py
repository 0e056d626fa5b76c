"""Fine-tuning: the task, what selects its weights, schedules, adapters, optimisers, reports."""

from lit_causalmix.training.adapters import Adapter, LoRA
from lit_causalmix.training.admission import RowAdmission
from lit_causalmix.training.gate import Gate, GradientProjection
from lit_causalmix.training.optim import MuonAdamW, WarmupStableDecay
from lit_causalmix.training.retouche import Retouche
from lit_causalmix.training.schedules import Constant, Cosine, Linear, Schedule, Step
from lit_causalmix.training.selection import (
    BalancedValidation,
    CautiousValidation,
    FixedBudget,
    MixedValidation,
    RealValidation,
    Selection,
    SyntheticValidation,
)
from lit_causalmix.training.task import CausalMixTask

__all__ = [
    "Adapter",
    "BalancedValidation",
    "CausalMixTask",
    "CautiousValidation",
    "Constant",
    "Cosine",
    "FixedBudget",
    "Gate",
    "GradientProjection",
    "Linear",
    "LoRA",
    "MixedValidation",
    "MuonAdamW",
    "RealValidation",
    "Retouche",
    "RowAdmission",
    "Schedule",
    "Selection",
    "Step",
    "SyntheticValidation",
    "WarmupStableDecay",
]
