"""What is logged of a student: agreement with its teacher, distance from where it began, what it still knows."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa import similarity
from alignkit.score import linear_probe
from alignkit.train._similarity_losses import pair_similarities, similarity_loss
from alignkit.train.alignet._probe_images import ProbeImages
from alignkit.train.alignet.config import AligNetConfig

#: Triplets whose rows are gathered at once.
_CHUNK = 1 << 14
_NEIGHBOURS = 10


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """The loss of a config, at the temperatures of student and teacher."""

    config: AligNetConfig

    def loss(self, similarities: Tensor, targets: Tensor, temperature: Tensor | float, /) -> Tensor:
        """Return the config's loss of student and teacher similarities, both of shape (n, 3)."""
        return similarity_loss(
            similarities,
            targets,
            objective=self.config.objective,
            temperature=temperature,
            target_temperature=self.config.teacher_temperature,
        )

    def metrics(self, outputs: Tensor, triplets: IntArray, targets: Tensor, temperature: float, /) -> dict[str, float]:
        """Return loss, divergence and agreement on triplets of rows of ``outputs``, shape (images, channels)."""
        parts = [
            pair_similarities(outputs[torch.from_numpy(triplets[start : start + _CHUNK])])
            for start in range(0, len(triplets), _CHUNK)
        ]
        similarities = torch.cat(parts)
        options: dict[str, Any] = {
            "temperature": temperature,
            "target_temperature": self.config.teacher_temperature,
        }
        return {
            "val_loss": self.loss(similarities, targets, temperature).item(),
            "val_kl": similarity_loss(similarities, targets, objective="kl", **options).item(),
            "val_cross_entropy": similarity_loss(
                similarities,
                targets,
                objective="cross-entropy",
                **options,
            ).item(),
            "val_accuracy": agreement(similarities, targets).item(),
        }


def agreement(similarities: Tensor, targets: Tensor, /) -> Tensor:
    """Return the share of triplets whose most similar pair is the teacher's; a tie is an error."""
    best = similarities.max(dim=1).values
    kept = similarities.gather(1, targets.argmax(dim=1, keepdim=True)).squeeze(1)
    return ((kept == best) & ((similarities == best[:, None]).sum(dim=1) == 1)).float().mean()


def retention_metrics(
    before: FloatArray, embedding: FloatArray, output: FloatArray, probe: ProbeImages | None, n: int, /
) -> dict[str, float]:
    """Return how much of the first embedding's neighbourhoods is left, and how well classes are told apart.

    Parameters
    ----------
    before, embedding, output : ndarray, shape (images, channels)
        Of ``n`` images that weights are chosen on, and then those of ``probe``: the embedding before training and now,
        and what similarities are made of now.
    probe : ProbeImages or None
    n : int
    """
    metrics = {
        "knn_overlap": neighbours_kept(before[:n], embedding[:n]),
        "knn_overlap_head": neighbours_kept(before[:n], output[:n]),
    }
    if probe is not None:
        for name, x in (("embedding", embedding), ("head", output)):
            found = linear_probe(x[n:], probe.classes.tolist(), n_folds=2, n_bootstrap=0)
            metrics[f"probe_{name}"] = found.accuracy
    return metrics


def neighbours_kept(before: FloatArray, after: FloatArray, /) -> float:
    """Return the share of each image's 10 nearest neighbours by cosine (fewer of few images) that stay, mean."""
    if len(before) < 3:
        return float("nan")
    return float(similarity(before, after, method="mutual-knn", n_neighbours=min(_NEIGHBOURS, len(before) - 2)))


def drift(now: dict[str, Tensor], first: dict[str, Tensor], /) -> dict[str, float]:
    """Return how far parameters are from where they began: the norm over all, and as a share of the first norm."""
    moved = sum(float((now[name].double() - value.double()).square().sum()) for name, value in first.items())
    length = sum(float(value.double().square().sum()) for value in first.values())
    return {"drift": moved**0.5, "drift_relative": (moved / length) ** 0.5 if length else float("nan")}
