"""K fits on K folds that are one model: selected by pooled predictions, averaged in the end."""

from lit_causalmix.ensembles.choice import Choice, choose
from lit_causalmix.ensembles.held_out import HeldOut, member_weights
from lit_causalmix.ensembles.predictions import Predicted, averaged, scored
from lit_causalmix.ensembles.running import FitFold, fold_folder, run_folds

__all__ = [
    "Choice",
    "FitFold",
    "HeldOut",
    "Predicted",
    "averaged",
    "choose",
    "fold_folder",
    "member_weights",
    "run_folds",
    "scored",
]
