"""K fits on K folds that are one model: chosen by pooled predictions, averaged in the end."""

from lit_causalmix.ensembles.choice import Choice, choose
from lit_causalmix.ensembles.comparison import AutoSettings, Comparison, Rule
from lit_causalmix.ensembles.halving import halve, rungs
from lit_causalmix.ensembles.held_out import HeldOut, member_weights
from lit_causalmix.ensembles.predictions import Predicted, averaged, scored
from lit_causalmix.ensembles.running import FitFold, fold_folder, run_folds

__all__ = [
    "AutoSettings",
    "Choice",
    "Comparison",
    "FitFold",
    "HeldOut",
    "Predicted",
    "Rule",
    "averaged",
    "choose",
    "fold_folder",
    "halve",
    "member_weights",
    "run_folds",
    "rungs",
    "scored",
]
