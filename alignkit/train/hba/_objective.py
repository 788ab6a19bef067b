"""What is minimised, in training and in validation, and what is logged beside it."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa import RDM, compare, rdm
from alignkit.train._losses import agreeing_triplets, mse_loss, rdm_loss, triplet_loss
from alignkit.train.hba.config import Loss

#: Objects among which all triplets are looked at in validation; of more, so many (1.3 million triplets).
_MAX_TRIPLET_OBJECTS = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Objective:
    """A loss on dimensions from 0 to 100.

    Parameters
    ----------
    loss : {"mse", "triplets", "rdm"}
        Which one.
    scale : (float, float)
        What 0 and 100 are in the targets' own units, whose dot products are similarities.
    """

    loss: Loss
    scale: tuple[float, float]

    def in_units(self, embedding: Tensor) -> Tensor:
        """Return dimensions from 0 to 100 in the targets' own units."""
        low, high = self.scale
        return low + embedding / 100 * (high - low)

    def of_embeddings(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of objects whose dimensions are known, both of shape (objects, dimensions)."""
        if self.loss == "mse":
            return mse_loss(outputs, targets)
        if self.loss == "rdm":
            return rdm_loss(outputs, targets)
        return triplet_loss(self.in_units(outputs), self.in_units(targets))

    def of_answers(self, outputs: Tensor) -> Tensor:
        """Return the loss of people's answers, shape (answers, 3, dimensions), the odd one out last."""
        rows = self.in_units(outputs).flatten(0, 1)
        return triplet_loss(rows, torch.arange(len(rows), device=rows.device).reshape(-1, 3))

    def metrics(self, values: FloatArray, targets: FloatArray, answers: IntArray | None = None) -> dict[str, float]:
        """Return what is logged of validation objects.

        Parameters
        ----------
        values, targets : ndarray, shape (objects, dimensions)
            Predicted and true, from 0 to 100.
        answers : ndarray of int, shape (answers, 3), optional
            People's answers about these objects, whose likelihood is the loss then.
        """
        outputs, dimensions = torch.from_numpy(values), torch.from_numpy(targets)
        few = _few(len(values))
        own, true = self.in_units(outputs)[few], self.in_units(dimensions)[few]
        model, people = rdm(values), rdm(targets)
        if answers is not None:
            loss = self.of_answers(outputs[torch.from_numpy(answers)])
        elif self.loss == "triplets":
            loss = triplet_loss(own, true)
        else:
            loss = self.of_embeddings(outputs, dimensions)
        metrics = {
            "val_loss": loss.item(),
            "val_mse": mse_loss(outputs, dimensions).item(),
            "val_rdm_spearman": float(compare(model, people, method="spearman")),
            "val_rdm_pearson": float(compare(model, people, method="pearson")),
            "val_triplet_accuracy": agreeing_triplets(own, true),
        }
        if answers is not None:
            metrics["val_answer_accuracy"] = _accuracy(self.in_units(outputs), answers)
        return metrics


def rdm48_spearman(values: FloatArray, people: RDM, /) -> float:
    """Return Spearman's correlation of the model's RDM (1 - Pearson) with people's; rows are in the order of theirs."""
    return float(compare(rdm(values, labels=people.labels), people, method="spearman"))


def _few(n: int) -> Tensor:
    """Return all numbers below ``n``, or as many as triplets can be looked at, always the same ones."""
    if n <= _MAX_TRIPLET_OBJECTS:
        return torch.arange(n)
    return torch.from_numpy(np.sort(np.random.default_rng(0).permutation(n)[:_MAX_TRIPLET_OBJECTS]))


def _accuracy(embedding: Tensor, answers: IntArray) -> float:
    """Return the share of answers whose kept pair is the most similar one."""
    i, j, k = embedding[torch.from_numpy(answers)].unbind(dim=1)
    kept = (i * j).sum(dim=1)
    return float(((kept > (i * k).sum(dim=1)) & (kept > (j * k).sum(dim=1))).double().mean())
