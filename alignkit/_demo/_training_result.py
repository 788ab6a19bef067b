"""What the demo's training found, in numbers and in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from alignkit.data import SimulatedLab
    from alignkit.score import ScoreRow
    from alignkit.train import HBAScores, PersonalModels, RunResult

BEFORE = "before training"
_PART, _MEASURE = "held-out triplets", "odd-one-out accuracy"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """How often people's answers can be predicted.

    Attributes
    ----------
    expected : float
        By an ideal observer who knows the group's true probabilities, about held-out objects.
    observed : float
        What the same observer gets right of the very answers that models are scored on.
    left_out : float
        Agreement of an answer with the majority of the other people's, in triplets of all objects that everybody
        answered.
    n_repeats : int
        How many triplets these are.
    """

    expected: float
    observed: float
    left_out: float
    n_repeats: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A run in the simulated lab, and what it was worth.

    Attributes
    ----------
    lab : SimulatedLab
        Where its objects and people are from.
    result : RunResult
    scores : HBAScores
        On held-out objects, before training and after.
    ceilings : Ceilings
    personal : PersonalModels
        Of all people, on answers about held-out objects.
    ideal : mapping of str to float
        How often ideal observers of the ``"group"`` and of each ``"person"`` predict these answers.
    """

    lab: SimulatedLab
    result: RunResult
    scores: HBAScores
    ceilings: Ceilings
    personal: PersonalModels
    ideal: Mapping[str, float]

    def accuracy(self, model: str) -> ScoreRow:
        """Return the odd-one-out accuracy of a model or a baseline about held-out objects."""
        return self.scores.table.value(model, _PART, _MEASURE)

    @property
    def before(self) -> ScoreRow:
        """Accuracy before training."""
        return self.accuracy(BEFORE)

    @property
    def after(self) -> ScoreRow:
        """Accuracy after training."""
        return self.accuracy(self.scores.model)

    @property
    def own(self) -> float:
        """Accuracy of people's own models, mean over people; of the group's embedding: :attr:`group`."""
        return float(np.mean([person.own for person in self.personal.people]))

    @property
    def group(self) -> float:
        """Accuracy of the group's model on the same answers, mean over people."""
        return float(np.mean([person.group for person in self.personal.people]))

    @property
    def weights_recovered(self) -> float:
        """Correlation of fitted with planted log weights, over people and dimensions."""
        fitted = self.personal.log_weights - self.personal.shared_log_weights
        planted = np.log(self.lab.weights)
        return float(np.corrcoef(fitted.ravel(), planted.ravel())[0, 1])

    def to_text(self) -> str:
        """Return all of it on one screen."""
        rows = [*self._accuracies(), "", *self._dimensions(), "", *self._people()]
        return "\n".join(rows)

    def gaps(self) -> str:
        """Return how far the trained model is from the ceilings, in points."""
        limits = {
            "the ideal observer on the same answers": self.ceilings.observed,
            "the leave-one-out ceiling of repeats": self.ceilings.left_out,
        }
        return ", ".join(f"{_below(100 * (limit - self.after.value))} {name}" for name, limit in limits.items())

    def _accuracies(self) -> list[str]:
        ceilings, n = self.ceilings, self.after.n
        ridge = self.accuracy("ridge on frozen features")
        lines = [f"CLIP-HBA in the lab: odd-one-out accuracy, {n:,} answers about {self.scores.n_held_out} new objects"]
        named = ((BEFORE, self.before), ("ridge on untrained features", ridge), ("after training", self.after))
        lines += [f"  {name:<44}{row.value:.4f}  [{row.low:.4f}, {row.high:.4f}]" for name, row in named]
        limits = {
            "ceiling: ideal observer, same answers": ceilings.observed,
            "ceiling: ideal observer, expected": ceilings.expected,
            f"ceiling: leave-one-out, {ceilings.n_repeats} repeats": ceilings.left_out,
            "chance": 1 / 3,
        }
        lines += [f"  {name:<44}{value:.4f}" for name, value in limits.items()]
        return [*lines, f"  the trained model: {self.gaps()}"]

    def _dimensions(self) -> list[str]:
        n = self.scores.n_held_out
        lines = [f"planted dimensions recovered: Pearson's r over {n} held-out objects, before -> after"]
        for row in self.scores.dimensions:
            interval = f"[{row.after_low:.3f}, {row.after_high:.3f}]"
            lines.append(f"  {row.dimension:<12}{row.before:+.3f} -> {row.after:.3f}  {interval}")
        return lines

    def _people(self) -> list[str]:
        people, ideal = self.personal, self.ideal
        n = people.people[0].n_answers
        lines = [f"models of single people: held-out accuracy, {len(people.people)} people with {n:,} answers each"]
        lines.append(f"  {'own model':<44}{self.own:.4f}  (ideal observer of each person {ideal['person']:.4f})")
        lines.append(f"  {'group model':<44}{self.group:.4f}  (ideal observer of the group {ideal['group']:.4f})")
        lines += [f"  {test}" for test in people.tests]
        return [*lines, f"  correlation of fitted with planted weights    {self.weights_recovered:.3f}"]


def _below(points: float) -> str:
    return f"{abs(points):.1f} points {'below' if points >= 0 else 'above'}"
