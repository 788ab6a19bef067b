"""Scoring: features or models against people, brains and zero-shot tasks, beside the noise ceilings."""

from alignkit.score._average_precision import AveragePrecision, average_precision
from alignkit.score._clip_benchmark import ClipBenchmarkRecord, read_clip_benchmark, write_clip_benchmark
from alignkit.score._few_shot import few_shot
from alignkit.score._fill_templates import Prompts, fill_templates
from alignkit.score._learning_curve import LearningCurve, learning_curve
from alignkit.score._linear_probe import linear_probe
from alignkit.score._power_law import PowerLaw, fit_power_law
from alignkit.score._probe_accuracy import ProbeAccuracy
from alignkit.score._retrieval_recall import RetrievalRecall, retrieval_recall
from alignkit.score._row import Difference, ScoreRow
from alignkit.score._score import score
from alignkit.score._score_suite import score_suite
from alignkit.score._score_zero_shot import score_zero_shot
from alignkit.score._suite_scores import SuiteScores
from alignkit.score._table import ScoreTable
from alignkit.score._win_counts import WinCounts, win_counts
from alignkit.score._zero_shot_accuracy import ZeroShotAccuracy, zero_shot_accuracy
from alignkit.score._zero_shot_classifier import zero_shot_classifier
from alignkit.score._zero_shot_scores import ZeroShotScores
from alignkit.score._zero_shot_tasks import ZeroShotTask, zero_shot_tasks

__all__ = [
    "AveragePrecision",
    "ClipBenchmarkRecord",
    "Difference",
    "LearningCurve",
    "PowerLaw",
    "ProbeAccuracy",
    "Prompts",
    "RetrievalRecall",
    "ScoreRow",
    "ScoreTable",
    "SuiteScores",
    "WinCounts",
    "ZeroShotAccuracy",
    "ZeroShotScores",
    "ZeroShotTask",
    "average_precision",
    "few_shot",
    "fill_templates",
    "fit_power_law",
    "learning_curve",
    "linear_probe",
    "read_clip_benchmark",
    "retrieval_recall",
    "score",
    "score_suite",
    "score_zero_shot",
    "win_counts",
    "write_clip_benchmark",
    "zero_shot_accuracy",
    "zero_shot_classifier",
    "zero_shot_tasks",
]
