"""How people's own models predict answers that they were not fitted to, whatever the models are made of."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alignkit._check import check_choice, counted
from alignkit._plot import new_axes
from alignkit._result import Result
from alignkit.train._people_difference import PeopleTest, people

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Rival = Literal["group", "shared", "others"]
RIVALS: dict[Rival, str] = {"group": "the group's", "shared": "the shared one", "others": "other people's"}

_SHOWN = 8
#: People whose ids are still legible beside their lines.
_NAMED = 40


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person's answers, and how models predict those that they were not fitted to.

    Attributes
    ----------
    subject : str
        The id, as the data have it.
    n_answers, n_triplets : int
        Answers, each of which is predicted once in every round of cross-validation, and distinct triplets.
    own, group, shared, others : float
        Accuracy of the person's own model, of the group's as it is, of the weights that suit all people's answers
        best, and of other people's models (mean).
    over_group, over_shared, over_others : float
        Accuracy of the own model minus those, each with ``_low`` and ``_high``: an interval over the person's
        triplets.
    ceiling, ceiling_low, ceiling_high : float
        Share of pairs of the person's own answers to one triplet that agree; NaN where no triplet was answered twice.
    verdict : str
        What that means, in words.
    """

    subject: str
    n_answers: int
    n_triplets: int
    own: float
    group: float
    shared: float
    others: float
    over_group: float
    over_group_low: float
    over_group_high: float
    over_shared: float
    over_shared_low: float
    over_shared_high: float
    over_others: float
    over_others_low: float
    over_others_high: float
    ceiling: float
    ceiling_low: float
    ceiling_high: float
    verdict: str

    def over(self, rival: Rival) -> tuple[float, float, float]:
        """Return the own model's accuracy minus another's, and the ends of the interval."""
        return tuple(getattr(self, f"over_{rival}{end}") for end in ("", "_low", "_high"))


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class PersonalScores(Result):
    """What models of single people are worth.

    Attributes
    ----------
    people : tuple of Person
        Those that were asked for.
    tests : tuple of PeopleTest
        Over all people with a model.
    subjects : tuple of str, shape (people,)
        Everybody with a model, whose rows follow.
    matrix : ndarray, shape (people, people)
        Accuracy of each one's model (row) on each one's held-out answers (column).
    split : str
        What the models were fitted to and scored on.
    notes : tuple of str
        What a reader should know.
    n_folds, n_repeats, n_bootstrap, confidence
        As asked.
    """

    people: tuple[Person, ...]
    tests: tuple[PeopleTest, ...]
    subjects: tuple[str, ...]
    matrix: np.ndarray[Any, np.dtype[np.float64]]
    split: str
    notes: tuple[str, ...]
    n_folds: int
    n_repeats: int
    n_bootstrap: int
    confidence: float

    @property
    def better(self) -> tuple[Person, ...]:
        """Those asked for whose own model predicts better than the shared one, the interval lying above 0."""
        return tuple(person for person in self.people if person.over_shared_low > 0)

    @property
    def by_chance(self) -> float:
        """How many such people there would be if nobody's model were any better."""
        return (1 - self.confidence) / 2 * len(self.people)

    @property
    def verdict(self) -> str:
        """What was found, in plain words."""
        if len(self.people) == 1:
            return f"{self.people[0].subject}: {self.people[0].verdict}."
        tests = {test.name: test for test in self.tests}
        shared, others = (tests[f"accuracy, own - {rival}"] for rival in ("shared", "others"))
        likelihood = tests.get("log-likelihood per answer, own - shared")
        few = f"{len(self.better):,} of {len(self.people):,} people's gains stand out (by chance {self.by_chance:.1f})."
        if math.isnan(shared.low):
            return f"There are no intervals; {few}"
        if likelihood is not None and self._sign(shared) == 0 and self._sign(likelihood) > 0:
            return (
                f"Own models find people's answers likelier than the shared one does ({likelihood.mean:+.3f} nats per "
                f"answer, p = {likelihood.p:.2g}), but do not surely predict more of them ({_points(shared)}). {few}"
            )
        return f"{self._found(shared, others)}. {few}"

    def _found(self, shared: PeopleTest, others: PeopleTest) -> str:
        gain, over = f"({_points(shared)})", f"({_points(others)})"
        if self._sign(shared) < 0:
            return f"Own models predict worse than the shared one {gain}: use the group's"
        if self._sign(shared) == 0:
            alpha, n = 1 - self.confidence, shared.n_people
            small = f"; no test of {people(n)} can reach {alpha:.2g}" if 2.0 ** (1 - n) > alpha else ""
            return f"The data cannot carry personal models: own ones do not surely predict better {gain}{small}"
        if self._sign(others) > 0:
            return f"People differ: own models predict better than the shared one {gain} and than others' {over}"
        common = "what they learned may be common to all"
        return f"Own models predict better than the shared one {gain}, not surely than others' {over}: {common}"

    def _sign(self, test: PeopleTest) -> int:
        """Return the sign of a difference, 0 where the interval or the test leaves it open."""
        sure = test.p <= 1 - self.confidence
        return int(sure and test.low > 0) - int(sure and test.high < 0)

    def __repr__(self) -> str:
        lines = [f"<{type(self).__name__} of {people(len(self.subjects))}, {self.split}"]
        lines += [f"  {test}" for test in self.tests]
        lines.append(
            f"  own model better than the shared one, interval above 0: {len(self.better)} of {len(self.people):,} "
            f"(by chance about {self.by_chance:.1f})"
        )
        lines += [f"  {person.subject}: {person.verdict}" for person in self.people[:_SHOWN]]
        lines += [f"  {note}" for note in self.notes]
        more = len(self.people) - _SHOWN
        return "\n".join([*lines, f"  ... and {more:,} more>" if more > 0 else ">"])

    def __getitem__(self, subject: str) -> Person:
        """Return what is known of one person, by the id."""
        names = [person.subject for person in self.people]
        check_choice("subject", subject, names)
        return self.people[names.index(subject)]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per person."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(person) for person in self.people]).assign(split=self.split)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how much better each person's own model is than the shared one, against the number of answers."""
        from matplotlib.ticker import LogFormatter

        ax = new_axes(ax)
        for person in self.people:
            gain, low, high = person.over("shared")
            ax.plot([person.n_answers] * 2, [100 * low, 100 * high], color="0.7", linewidth=1)
            ax.plot(person.n_answers, 100 * gain, ".", color="black" if low > 0 else "0.5")
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(LogFormatter())
        ax.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.6)))
        ax.set_xlabel("answers of the person")
        ax.set_ylabel("accuracy, own minus shared model (points)")
        return ax

    def plot_gains(self, ax: Axes | None = None, *, over: Rival = "group") -> Axes:
        """Draw how much better each person's own model is than another, one line per person, sorted.

        Parameters
        ----------
        ax : Axes, optional
            Where to.
        over : {"group", "shared", "others"}
            What the own models are compared with.

        Raises
        ------
        ValueError
            Another one.
        """
        check_choice("over", over, RIVALS)
        found = sorted(self.people, key=lambda person: person.over(over)[0])
        ax = new_axes(ax, (5.6, 1.2 + 0.2 * min(len(found), _NAMED)))
        for place, person in enumerate(found):
            gain, low, high = (100 * value for value in person.over(over))
            colour = "#1f5fa8" if low > 0 else "#b03a2e" if high < 0 else "0.5"
            ax.plot([low, high], [place, place], color=colour, linewidth=1.5)
            ax.plot(gain, place, "o", color=colour, markersize=4)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_xlabel(f"accuracy, own model minus {RIVALS[over]} (points)")
        if len(found) <= _NAMED:
            # ids are shown as they are, not read as formulas
            ax.set_yticks(range(len(found)), [person.subject for person in found], parse_math=False)
        else:
            ax.set_yticks([])
            ax.set_ylabel(f"{len(found):,} people, sorted")
        ax.set_ylim(-0.7, len(found) - 0.3)
        ax.spines[["top", "right"]].set_visible(False)
        return ax

    def _describe_tests(self) -> str:
        found = "; ".join(str(test) for test in self.tests)
        differences = (
            f" Differences in accuracy, mean over people with {self.confidence:.0%} bootstrap intervals over people "
            f"and sign-flip tests: {found}."
        )
        return (
            f"All were fitted to {self.n_folds - 1} of {self.n_folds} folds of triplets and scored on the fold left "
            f"out ({self.split}; {counted(self.n_repeats, 'round')}); no triplet was in two folds."
            f"{differences if found else ''}"
        )


def _points(test: PeopleTest) -> str:
    span = f"{100 * test.mean:+.1f} points [{100 * test.low:+.1f}, {100 * test.high:+.1f}]"
    return span if math.isnan(test.p) else f"{span}, p = {test.p:.2g}"
