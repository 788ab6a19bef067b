"""Scoring: features or models against people and brains, in one table beside the noise ceilings."""

from alignkit.score._row import Difference, ScoreRow
from alignkit.score._score import score
from alignkit.score._score_suite import score_suite
from alignkit.score._suite_scores import SuiteScores
from alignkit.score._table import ScoreTable

__all__ = ["Difference", "ScoreRow", "ScoreTable", "SuiteScores", "score", "score_suite"]
