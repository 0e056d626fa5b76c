"""Lightning callbacks: zero-shot baseline, per-domain metrics, selection, reports, pre-training."""

from lit_causalmix.callbacks.best_weights import BestWeights
from lit_causalmix.callbacks.curriculum import ConfidenceCurriculum
from lit_causalmix.callbacks.domain_metrics import DomainMetrics
from lit_causalmix.callbacks.early_stopping import ZeroShotEarlyStopping
from lit_causalmix.callbacks.ema import EMAWeights
from lit_causalmix.callbacks.exact_resume import ExactResume
from lit_causalmix.callbacks.fgsm import FGSM
from lit_causalmix.callbacks.finite_loss import FiniteLoss
from lit_causalmix.callbacks.fit_progress import FitProgress
from lit_causalmix.callbacks.fold_recorder import FoldRecorder, MemberPredictions
from lit_causalmix.callbacks.generator_quality import GeneratorQuality
from lit_causalmix.callbacks.interpolation import WeightInterpolation
from lit_causalmix.callbacks.predictions import PredictionWriter
from lit_causalmix.callbacks.pretrained_folder import PretrainedFolder
from lit_causalmix.callbacks.ratio_schedule import RatioSchedule
from lit_causalmix.callbacks.reference_models import ReferenceModels
from lit_causalmix.callbacks.run_report import RunReport
from lit_causalmix.callbacks.task_scores import TaskScores
from lit_causalmix.callbacks.time_limit import TimeLimit
from lit_causalmix.callbacks.trajectory import ScoreTrajectory
from lit_causalmix.callbacks.zero_shot import ZeroShotBaseline

__all__ = [
    "FGSM",
    "BestWeights",
    "ConfidenceCurriculum",
    "DomainMetrics",
    "EMAWeights",
    "ExactResume",
    "FiniteLoss",
    "FitProgress",
    "FoldRecorder",
    "GeneratorQuality",
    "MemberPredictions",
    "PredictionWriter",
    "PretrainedFolder",
    "RatioSchedule",
    "ReferenceModels",
    "RunReport",
    "ScoreTrajectory",
    "TaskScores",
    "TimeLimit",
    "WeightInterpolation",
    "ZeroShotBaseline",
    "ZeroShotEarlyStopping",
]
