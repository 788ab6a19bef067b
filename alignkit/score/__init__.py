"""Scoring: features or models against people and brains, in one table beside the noise ceilings."""

from alignkit.score._few_shot import few_shot
from alignkit.score._linear_probe import linear_probe
from alignkit.score._probe_accuracy import ProbeAccuracy
from alignkit.score._row import Difference, ScoreRow
from alignkit.score._score import score
from alignkit.score._score_suite import score_suite
from alignkit.score._suite_scores import SuiteScores
from alignkit.score._table import ScoreTable

__all__ = [
    "Difference",
    "ProbeAccuracy",
    "ScoreRow",
    "ScoreTable",
    "SuiteScores",
    "few_shot",
    "linear_probe",
    "score",
    "score_suite",
]
