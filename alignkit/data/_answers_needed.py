"""How many people and answers a study of odd-one-out choices needs for what it wants to tell."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import check_count, check_fraction, check_not_negative, check_positive
from alignkit._random import as_rng
from alignkit._result import Result
from alignkit._typing import RNGLike
from alignkit.data._personal_effect import MAX_INDIVIDUALITY, PersonalEffect, individuality_for, personal_effect
from alignkit.data._study_precision import StudyAssumptions

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AnswersGoal:
    """What one goal of a study needs.

    Attributes
    ----------
    goal : str
        In words.
    people, per_person, answers : float
        How many people, answers of each, and answers in all.
    note : str
        What the numbers stand on.
    """

    goal: str
    people: float
    per_person: float
    answers: float
    note: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class AnswersNeeded(Result):
    """How many answers a study needs, goal by goal, and what that assumes.

    Attributes
    ----------
    goals : tuple of AnswersGoal
        One row per goal and design.
    answers_per_person : int
        Answers each person gives, where people are counted.
    n_weights : int
        Free weights of a personal model.
    retained : float
        Share of the possible gain that a fitted personal model keeps.
    effect : PersonalEffect or None
        What knowing a person's true weights buys in the simulated lab.
    accuracy, person_sd, correlation, confidence, power : float
        As assumed.
    """

    goals: tuple[AnswersGoal, ...]
    answers_per_person: int
    n_weights: int
    retained: float
    effect: PersonalEffect | None
    accuracy: float
    person_sd: float
    correlation: float
    confidence: float
    power: float

    def __repr__(self) -> str:
        lines = [
            f"<AnswersNeeded assuming accuracy {self.accuracy:g}, SD over people {self.person_sd:g}, hits of two "
            f"models that correlate by {self.correlation:g}; {self.confidence:.0%} intervals, power {self.power:.0%}"
        ]
        for goal in self.goals:
            lines.append(f"  {goal.goal}: {_number(goal.people)} people x {_number(goal.per_person)} answers = ")
            lines[-1] += f"{_number(goal.answers)}" + (f" ({goal.note})" if goal.note else "")
        return "\n".join(lines) + ">"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per goal."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(goal) for goal in self.goals])

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        goals = "; ".join(
            f"{goal.goal}, {_number(goal.answers)} answers ({_number(goal.people)} participants with "
            f"{_number(goal.per_person)} each)"
            for goal in self.goals
        )
        text = (
            f"Sample sizes were chosen by closed forms, assuming an odd-one-out accuracy of {self.accuracy:g} (SD over "
            f"participants {self.person_sd:g}), hits of two models that correlate by {self.correlation:g}, two-sided "
            f"tests at the level {1 - self.confidence:.2g} and a power of {self.power:.0%}: {goals}."
        )
        if self.effect is not None:
            text += (
                f" For personal models, {self.n_weights} weights varied over simulated people (SD of their logarithm "
                f"{self.effect.individuality:.2f}), and the fit was to keep {self.retained:.0%} of the possible gain."
            )
        return text

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the answers that each goal needs, on a logarithmic axis."""
        from matplotlib import pyplot as plt

        ax = plt.gca() if ax is None else ax
        rows = np.arange(len(self.goals))
        ax.barh(rows, [goal.answers for goal in self.goals], color="0.4")
        ax.set_yticks(rows, [goal.goal for goal in self.goals])
        ax.invert_yaxis()
        ax.set_xscale("log")
        ax.set_xlabel("answers")
        return ax


def _number(value: float) -> str:
    return f"{value:,.0f}"


def answers_needed(
    *,
    half_width: float | None = None,
    difference: float | None = None,
    personal_gain: float | None = None,
    individuality: float | None = None,
    answers_per_person: int = 200,
    n_weights: int = 66,
    retained: float = 0.5,
    assume: StudyAssumptions | None = None,
    rng: RNGLike = 0,
) -> AnswersNeeded:
    r"""Say how many people and answers a study needs, for an interval, for two models, or for personal models.

    Parameters
    ----------
    half_width : float, optional
        Half width of the interval of a model's accuracy, as a share (.02: plus or minus two points).
    difference : float, optional
        Difference of two models' accuracies on the same answers that is to be detected.
    personal_gain : float, optional
        Accuracy by which a fitted personal model is to beat the group's on the person's held-out answers, and be seen
        to.
    individuality : float, optional
        In place of ``personal_gain``: how people differ, as the standard deviation of the logarithm of their weights
        (``simulate``'s).
    answers_per_person : int
        Answers each person gives; people are counted for it.
    n_weights : int
        Weights that a personal model fits, 66 for one per dimension of SPoSE.
    retained : float
        Share of the gain of a person's true weights that the fitted ones are to keep.
    assume : StudyAssumptions, optional
        Accuracy, variation over people, correlation of two models' hits, confidence and power.
    rng : Generator, int or None
        Seed of the simulated people.

    Returns
    -------
    AnswersNeeded
        One row per goal. With n answers per person, s_P and z as in :func:`design_triplets`, and distinct triplets:

        - interval: :math:`people = (z/w)^2 ((p(1-p) - s_P^2)/n + s_P^2)`; of one person :math:`n = (z/w)^2 p(1-p)`
        - two models: the same with :math:`z_{1-\alpha/2} + z_{power}`, times :math:`2(1-r)`
        - personal model, training: with k nats per answer gained by the true weights, D weights and a prior that is as
          wide as people differ, n answers keep the share :math:`n/(n + D/2k)` (a likelihood that is quadratic in the
          weights, which holds for small differences)
        - personal model, test: :math:`(z/g)^2 v` answers, g the gain in accuracy and v the variance of the difference
          of hits; or, by the ratio of likelihoods, the same with its mean and variance. k, g and v come from the true
          choice probabilities of 40 simulated people (96 objects, 12 dimensions, noise .4, 3 % lapses).

    Raises
    ------
    ValueError
        No goal, a goal outside 0 to 1, both ``personal_gain`` and ``individuality``, a gain that no people reach, or
        people so alike that their own weights gain nothing.
    TypeError
        Values that are no numbers.

    References
    ----------
    Wilks (1938), Annals of Mathematical Statistics 9, 60-62 (the ratio of likelihoods).
    https://doi.org/10.1214/aoms/1177732360

    Examples
    --------
    >>> needed = answers_needed(half_width=0.02, difference=0.02)
    >>> [(goal.goal, goal.people) for goal in needed.goals[::2]]
    [('accuracy within ±0.02', 107), ('two models 0.02 apart', 218)]
    """
    _check_goals(half_width, difference, personal_gain, individuality)
    check_count("answers_per_person", answers_per_person, 1)
    check_count("n_weights", n_weights, 1)
    check_fraction("retained", retained)
    assumed = StudyAssumptions() if assume is None else assume
    goals: list[AnswersGoal] = []
    effect: PersonalEffect | None = None
    if half_width is not None:
        scale = (assumed.z_interval / half_width) ** 2
        goals += _two_designs(f"accuracy within ±{half_width:g}", scale, answers_per_person, assumed)
    if difference is not None:
        scale = (assumed.z_detect / difference) ** 2 * 2 * (1 - assumed.correlation)
        goals += _two_designs(f"two models {difference:g} apart", scale, answers_per_person, assumed)
    if personal_gain is not None or individuality is not None:
        effect = _effect(None if personal_gain is None else personal_gain / retained, individuality, rng)
        goals += _personal(effect, n_weights, retained, assumed)
    return AnswersNeeded(
        goals=tuple(goals),
        answers_per_person=answers_per_person,
        n_weights=n_weights,
        retained=retained,
        effect=effect,
        accuracy=assumed.accuracy,
        person_sd=assumed.person_sd,
        correlation=assumed.correlation,
        confidence=assumed.confidence,
        power=assumed.power,
    )


def _check_goals(
    half_width: float | None, difference: float | None, personal_gain: float | None, individuality: float | None
) -> None:
    shares = {"half_width": half_width, "difference": difference, "personal_gain": personal_gain}
    for name, value in shares.items():
        if value is not None:
            check_fraction(name, value)
    if individuality is not None and check_positive("individuality", individuality) > MAX_INDIVIDUALITY:
        msg = f"individuality must be at most {MAX_INDIVIDUALITY:g}; got {individuality:g}."
        raise ValueError(msg)
    if personal_gain is not None and individuality is not None:
        msg = "give personal_gain or individuality, not both: the one follows from the other."
        raise ValueError(msg)
    if all(value is None for value in (*shares.values(), individuality)):
        msg = "no goal is given; name half_width, difference, personal_gain or individuality."
        raise ValueError(msg)


def _two_designs(goal: str, scale: float, n: int, assumed: StudyAssumptions) -> list[AnswersGoal]:
    """Return the goal for people as a sample, and for one person."""
    between = check_not_negative("person_sd", assumed.person_sd) ** 2
    people = math.ceil(scale * ((assumed.variance - between) / n + between))
    alone = math.ceil(scale * assumed.variance)
    return [
        AnswersGoal(goal=goal, people=people, per_person=n, answers=people * n, note="holds for other people too"),
        AnswersGoal(goal=f"{goal}, one person", people=1, per_person=alone, answers=alone, note="for that person"),
    ]


def _effect(gain: float | None, individuality: float | None, rng: RNGLike) -> PersonalEffect:
    # one whole number, so that the same people come again while their differences are searched
    seed = int(as_rng(rng).integers(2**31))
    differ = individuality_for(gain, seed) if individuality is None and gain is not None else float(individuality or 0)
    if math.isnan(differ):
        most = personal_effect(MAX_INDIVIDUALITY, seed).gain
        msg = (
            "a fitted personal model cannot be ahead so far: of people who hardly agree, the true weights gain "
            f"{most:.3f} and the fit is to keep a share of that; lower personal_gain or raise retained."
        )
        raise ValueError(msg)
    effect = personal_effect(differ, seed)
    if effect.gain <= 0 or effect.nats <= 0:
        msg = (
            f"individuality {differ:g} is too small: the simulated people's own weights predict no more of their "
            "answers than the group's, so that no number of answers tells them apart; give a larger one (.05, say)."
        )
        raise ValueError(msg)
    return effect


def _personal(effect: PersonalEffect, n_weights: int, retained: float, assumed: StudyAssumptions) -> list[AnswersGoal]:
    gain, nats = retained * effect.gain, retained * effect.nats
    train = math.ceil(n_weights / (2 * effect.nats) * retained / (1 - retained))
    test = math.ceil(assumed.z_detect**2 * effect.spread / gain**2)
    by_likelihood = math.ceil(assumed.z_detect**2 * effect.nats_spread / nats**2)
    name = f"personal model ahead by {gain:.3f}"
    rows = (
        (f"{name}: to fit", train, f"{n_weights} weights, keeps {retained:.0%} of {effect.gain:.3f}"),
        (f"{name}: to see it in accuracy", test, f"group {effect.group:.3f}, true weights {effect.own:.3f}"),
        (f"{name}: to see it in likelihood", by_likelihood, f"{nats:.4f} nats per answer"),
        (f"{name}: in all", train + min(test, by_likelihood), "fit and the cheaper test"),
    )
    return [AnswersGoal(goal=goal, people=1, per_person=n, answers=n, note=note) for goal, n, note in rows]
