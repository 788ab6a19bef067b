"""Scores of predictions that are pooled over folds, and their intervals over resampled concepts."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.stats import rankdata

from alignkit.rsa import similarity_matrix
from alignkit.train.hba._data import HBAData, restrict_answers
from alignkit.train.hba._item_bootstrap import draw_items

N_DRAWS = 2000


@dataclasses.dataclass(frozen=True)
class Scored:
    """What one division into folds gives: whether each answer is predicted, and ranks of all pairs' similarities."""

    hits: Any
    ranks: Any
    theirs: Any


class PooledScores:
    """People's answers and SPoSE's similarities, to score predictions on.

    Parameters
    ----------
    data : HBAData
        Concepts and answers.
    spose : ndarray, shape (concepts, 66)
        In its own units.
    """

    def __init__(self, data: HBAData, spose: Any) -> None:
        self.data, self.spose = data, spose
        self.draws = draw_items(len(data.labels), N_DRAWS, 0)

    def of(self, values: Any, name: str) -> Scored:
        """Score pooled predictions; features that are no dimensions are compared by their cosine."""
        kernel = "cosine" if name.startswith("frozen") else "dot"
        keep = ~np.isnan(values).any(axis=1)
        mine = similarity_matrix(values[keep], kernel=kernel)
        answers = restrict_answers(self.data.triplets, np.array(self.data.labels)[keep].tolist())
        hits = np.empty(0)
        if answers is not None:  # few of the answers are about concepts of one fold alone
            i, j, odd = answers.items.T
            hits = (mine[i, j] > np.maximum(mine[i, odd], mine[j, odd])).astype(float)
        return Scored(hits, _ranks(mine), _ranks(similarity_matrix(self.spose[keep], kernel="dot")))

    def mean(self, found: list[Scored]) -> dict[str, Any]:
        """Return accuracy and rank correlation, means over divisions into folds, each with its interval."""
        one = np.ones((1, len(found[0].ranks)))
        accuracy = [own.hits.mean() if len(own.hits) else float("nan") for own in found]
        rho = [_correlation(own, one)[0] for own in found]
        row: dict[str, Any] = {"accuracy": float(np.mean(accuracy)), "rho": float(np.mean(rho))}
        row["by_seed"] = [[float(a), float(r)] for a, r in zip(accuracy, rho, strict=True)]
        if len(one[0]) == len(self.data.labels):
            hits = np.mean([own.hits for own in found], axis=0)
            row["accuracy_95"] = self._interval(self._resampled(hits))
            row["rho_95"] = self._interval(np.mean([_correlation(own, self.draws) for own in found], axis=0))
        return row

    def difference(self, better: list[Scored], worse: list[Scored]) -> dict[str, Any]:
        """Return what one row has over another in both scores, and the intervals of these differences."""
        gains = np.mean([a.hits - b.hits for a, b in zip(better, worse, strict=True)], axis=0)
        draws, one = self.draws, np.ones((1, len(self.data.labels)))
        rho, resampled = (
            np.mean([_correlation(a, w) - _correlation(b, w) for a, b in zip(better, worse, strict=True)], axis=0)
            for w in (one, draws)
        )
        return {
            "accuracy": float(gains.mean()),
            "accuracy_95": self._interval(self._resampled(gains)),
            "rho": float(rho[0]),
            "rho_95": self._interval(resampled),
        }

    def _resampled(self, of_answers: Any) -> Any:
        """Return the mean of the answers in every draw: one counts as often as its concepts are drawn together."""
        assert self.data.triplets is not None
        weights = self.draws[:, self.data.triplets.items].prod(axis=2)
        return (weights @ of_answers) / weights.sum(axis=1)

    @staticmethod
    def _interval(values: Any) -> list[float]:
        return [float(end) for end in np.quantile(values, [0.025, 0.975])]


def _ranks(similarity: Any) -> Any:
    """Return the ranks of all pairs' similarities as a symmetric matrix with 0 on its diagonal."""
    i, j = np.triu_indices(len(similarity), 1)
    ranks = np.zeros(similarity.shape)
    ranks[i, j] = ranks[j, i] = rankdata(similarity[i, j])
    return ranks


def _correlation(own: Scored, draws: Any) -> Any:
    """Return the rank correlation in every draw of concepts, whose pairs keep the ranks they have among all."""

    def total(matrix: Any) -> Any:
        return ((draws @ matrix) * draws).sum(axis=1)

    x, y = own.ranks, own.theirs
    pairs = total(1.0 - np.eye(len(x)))
    mean_x, mean_y = total(x) / pairs, total(y) / pairs
    covariance = total(x * y) / pairs - mean_x * mean_y
    variances = (total(x**2) / pairs - mean_x**2) * (total(y**2) / pairs - mean_y**2)
    return covariance / np.sqrt(variances)
