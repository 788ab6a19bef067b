"""What single people's models of M/EEG are worth: on data that they did not see, and beside other people's models."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice, join_names
from alignkit._plot import new_axes
from alignkit._result import Result
from alignkit._typing import FloatArray
from alignkit.meg import Identification
from alignkit.meg._identity_scores import IdentificationTest
from alignkit.meg._same_curves import hidden_curves
from alignkit.meg._sample_unit import time_scale
from alignkit.train._people_difference import PeopleTest, people

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SHOWN = 8
#: What people are told apart by where one number has to be chosen: it is the same however models are standardised.
_CHOSEN = "own - others"
#: What else must lie above chance: a model that suits everybody changes neither.
_ACCURACIES = ("rank-1, centred", "two-way, centred")
_CENTRED = "Centred: less each model's mean over people."
#: The difference over people that has an interval.
OWN_MINUS_OTHERS = "correlation, own - others'"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class PersonalDynamics(Result):
    """Models of single people that unfold over time, and what they are worth.

    Attributes
    ----------
    people : tuple of str, shape (people,)
        Those asked for who could be scored, whose rows follow.
    trained_on : tuple of str, shape (people,)
        Whose RDMs each one's model was trained on: the own ones, unless ``shuffled``.
    own, group : ndarray, shape (people, time)
        Spearman's correlation of each person's RDMs with those of the own model and of the group's, at each time.
    sessions : ndarray, shape (people, time), or None
        Correlation of each person's RDMs with the own ones of the sessions that models were trained on.
    identification : Identification or None
        Everybody's RDMs against everybody's models; None of one person alone.
    tests : tuple of PeopleTest
        Means over people of own minus group's and own minus others' correlation.
    times : ndarray, shape (time,)
        Seconds.
    window : tuple of float
        First and last second of means over time.
    items : {"held_out", "val", "train"}
        Which side of the split the scored items are on.
    other_sessions : bool
        Whether the scored RDMs are of sessions that nothing was trained on.
    n_items : int
        Scored items.
    shuffled : bool
        Whether everybody's model was trained on another person's RDMs.
    kept_steps : ndarray of int, shape (people,)
        Steps of the second stage after which each one's model was best on the validation items.
    n_parameters : int
        Trained for each person.
    split : str
        What the models were scored on.
    notes : tuple of str
        What a reader should know.
    n_bootstrap, confidence
        Of the intervals.
    """

    people: tuple[str, ...]
    trained_on: tuple[str, ...]
    own: np.ndarray[Any, np.dtype[np.float64]]
    group: np.ndarray[Any, np.dtype[np.float64]]
    sessions: np.ndarray[Any, np.dtype[np.float64]] | None
    identification: Identification | None
    tests: tuple[PeopleTest, ...]
    times: np.ndarray[Any, np.dtype[np.float64]]
    window: tuple[float, float]
    items: str
    other_sessions: bool
    n_items: int
    shuffled: bool
    kept_steps: np.ndarray[Any, np.dtype[np.int64]]
    n_parameters: int
    split: str
    notes: tuple[str, ...]
    n_bootstrap: int
    confidence: float

    @property
    def in_sample(self) -> bool:
        """Whether the models were trained on the scored items in the scored sessions."""
        return self.items == "train" and not self.other_sessions

    def mean(self, curves: FloatArray, /) -> FloatArray:
        """Return the mean over the window of curves, shape (people, time), at the times at which all have a value."""
        return mean_in_window(curves, self.times, self.window)

    @property
    def over_group(self) -> FloatArray:
        """Each person's correlation with the own model minus that with the group's, shape (people,)."""
        return self.mean(self.own - self.group)

    @property
    def verdict(self) -> str:
        """What was found, in plain words.

        Models are said to tell their owners apart where three things hold, of numbers that a model which suits
        everybody does not change: permuting the owners (:attr:`identification`) rarely gives own minus others'
        correlation as large (p at most 1 - ``confidence``), its interval over people lies above 0, and both accuracies,
        centred, lie above chance. Where only the first holds it is said what does not.
        """
        found = self.identification
        if found is None:
            gains = zip(self.people, self.mean(self.own), self.mean(self.group), strict=True)
            return (
                "; ".join(f"{name}: own model {own:.3f}, the group's {group:.3f}" for name, own, group in gains) + "."
            )
        models = "Models trained on other people's RDMs" if self.shuffled else "Personal models"
        if np.isnan(found.test(_CHOSEN).p):
            return f"{models} cannot be compared: some RDMs hold nothing to compare."
        return f"{models} {self._told_apart(found)} ({self._numbers(found)}). {_CENTRED}"

    def _told_apart(self, found: Identification) -> str:
        """Return what the three conditions of the verdict say."""
        alpha = 1 - self.confidence
        if found.test(_CHOSEN).p > alpha:
            small = _smallest(found)
            few = f", and with {people(found.n_people)} no p below {small:.2g} is possible" if small > alpha else ""
            return f"do not tell their owners apart{few}"
        against = []
        low, _ = self._interval()
        if np.isnan(low):
            against.append("there is no interval over people")
        elif low <= 0:
            against.append("the interval of own minus others' over people is not above 0")
        against += [f"{name} is not above chance" for name in _ACCURACIES if not _above_chance(found.test(name))]
        if against:
            return f"cannot be said to tell their owners apart: p is small, but {_join(against)}"
        return "tell their owners apart"

    def _numbers(self, found: Identification) -> str:
        chosen, (low, high) = found.test(_CHOSEN), self._interval()
        span = "" if np.isnan(low) else f" [{low:+.4f}, {high:+.4f}]"
        accuracies = [
            f"{one.name}, {one.value:.0%}, by chance {one.chance:.0%}, p = {one.p:.2g}"
            for one in map(found.test, _ACCURACIES)
        ]
        return "; ".join([f"own minus others' {chosen.value:+.4f}{span}, p = {chosen.p:.2g}", *accuracies])

    def _interval(self) -> tuple[float, float]:
        """Return the interval over people of own minus others' correlation; NaN where there is none."""
        there = [(one.low, one.high) for one in self.tests if one.name == OWN_MINUS_OTHERS]
        return there[0] if there else (float("nan"), float("nan"))

    def __repr__(self) -> str:
        lines = [f"<PersonalDynamics of {people(len(self.people))}, {self.split}", f"  {self.verdict}"]
        lines += [f"  {test}" for test in self.tests]
        for name, own, group in list(zip(self.people, self.mean(self.own), self.mean(self.group), strict=True))[
            :_SHOWN
        ]:
            lines.append(f"  {name}: own model {own:.4f}, the group's {group:.4f}")
        more = len(self.people) - _SHOWN
        lines += [f"  ... and {more:,} more"] if more > 0 else []
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)]) + ">"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per person: correlations (means over the window), and whether the own model is told."""
        import pandas as pd

        sessions = np.full(len(self.people), np.nan) if self.sessions is None else self.mean(self.sessions)
        table = pd.DataFrame(
            {
                "participant": self.people,
                "trained_on": self.trained_on,
                "own": self.mean(self.own),
                "group": self.mean(self.group),
                "over_group": self.over_group,
                "own_sessions": sessions,
                "kept_step": self.kept_steps,
            }
        )
        if self.identification is not None:
            names = ["others", "rank_1", "rank_1_centred", "two_way", "two_way_centred", "others_sessions"]
            found = self.identification.people_dataframe().set_index("participant")
            table = table.join(found[names], on="participant")
        start, stop = self.window
        return table.assign(items=self.items, other_sessions=self.other_sessions, tmin=start, tmax=stop)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        whose = "another person's" if self.shuffled else "the person's own"
        tests = "; ".join(str(test) for test in self.tests)
        differences = (
            f" Differences in correlation, mean over people with {self.confidence:.0%} bootstrap intervals over people "
            f"and sign-flip tests: {tests}."
        )
        rule = (
            f" Models are said to tell their owners apart where p of own minus others' similarity is at most "
            f"{1 - self.confidence:.2g}, its interval over people lies above 0, and both accuracies, centred, lie "
            "above chance."
        )
        identified = "" if self.identification is None else f" {self.identification.methods_text()}{rule}"
        return (
            f"Models of single people started at the group's model, of which {self.n_parameters:,} parameters were "
            f"trained on by {whose} RDMs over time, in the same two stages; they were scored on {self.split}, "
            f"by Spearman's correlation at each sample, averaged from {self.window[0]:g} to {self.window[1]:g} s."
            f"{differences if tests else ''}{identified}"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the mean over people of the correlation with own, group's and others' models over time.

        Where there are other sessions, the correlation with the own RDMs of the training sessions is beside them. A
        curve that lies on an earlier one is dashed, so that both are seen; the legend says which are equal.
        """
        ax = new_axes(ax, figsize=(6.4, 3.4))
        scale, unit = time_scale(self.times)
        curves = [("own model", self.own, "C0"), ("group's model", self.group, "C1")]
        if self.identification is not None:
            curves.append(("others' models", self._others(self.identification), "C2"))
        if self.sessions is not None:
            curves.append(("own other sessions", self.sessions, "0.4"))
        marker = "o" if len(self.times) == 1 else None
        names = [name for name, *_ in curves]
        means = [values.mean(axis=0) for _, values, _ in curves]
        for (name, _, color), mean, below in zip(curves, means, hidden_curves(means), strict=True):
            there = np.isfinite(mean) if name.startswith("others'") else slice(None)
            look: dict[str, Any] = {"color": color, "marker": marker, "label": below.label(name, names)}
            ax.plot(scale * self.times[there], mean[there], **look | below.dashes)
        ax.axhline(0, color="0.5", linewidth=0.8)
        if self.times[0] < 0 < self.times[-1]:
            ax.axvline(0, color="0.5", linewidth=0.8)
        ax.set_xlabel(f"time ({unit})")
        ax.set_ylabel(f"spearman, mean of {people(len(self.people))}")
        ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return ax

    def _others(self, found: Identification) -> FloatArray:
        """Return each person's mean correlation with others' models at all times; NaN where they were not compared."""
        curves = np.full(self.own.shape, np.nan)
        where = np.abs(self.times[:, None] - found.times).argmin(axis=0)
        curves[:, where] = found.curves()[1]
        return curves

    def plot_gains(self, ax: Axes | None = None) -> Axes:
        """Draw each person's correlation with the group's, others' (mean) and the own model, one line per person."""
        ax = new_axes(ax, figsize=(4.6, 3.6))
        columns = [("group's", self.mean(self.group)), ("own", self.mean(self.own))]
        if self.identification is not None:
            columns.insert(0, ("others'", self.identification.others))
        for values in zip(*(column for _, column in columns), strict=True):
            ax.plot(range(len(columns)), values, marker="o", color="0.6", linewidth=0.8, markersize=3)
        means = [float(np.mean(column)) for _, column in columns]
        ax.plot(range(len(columns)), means, marker="o", color="black", linewidth=2, label="mean")
        ax.set_xticks(range(len(columns)), [name for name, _ in columns])
        ax.set_xlabel("model")
        ax.set_ylabel(f"spearman, {self.window[0]:g} to {self.window[1]:g} s")
        ax.legend(frameon=False, fontsize="small")
        return ax

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Return one person's row of the table.

        Raises
        ------
        ValueError
            Nobody of that name.
        """
        check_choice("name", name, self.people)
        row = self.to_dataframe().iloc[self.people.index(name)]
        return {str(key): value for key, value in row.items()}


def mean_in_window(curves: FloatArray, times: FloatArray, window: tuple[float, float], /) -> FloatArray:
    """Return means of curves, shape (people, time), over a stretch of time, both ends included.

    Times at which somebody's curve is undefined count for nobody.
    """
    slack = 1e-9
    inside = (times >= window[0] - slack) & (times <= window[1] + slack) & ~np.isnan(curves).any(axis=0)
    return np.asarray(curves[:, inside].mean(axis=1)) if inside.any() else np.full(len(curves), np.nan)


def describe_scored(items: str, *, other_sessions: bool, n_items: int) -> str:
    """Return, in words, what models are scored on, in-sample where they are."""
    noun = "item" if n_items == 1 else "items"
    which = {"held_out": f"held-out {noun}", "val": f"validation {noun} (chosen on)", "train": f"trained {noun}"}[items]
    sessions = "sessions that nothing was trained on" if other_sessions else "the sessions that were trained on"
    in_sample = "; in-sample" if items == "train" and not other_sessions else ""
    return f"{n_items:,} {which} in {sessions}{in_sample}"


def without(names: tuple[str, ...], what: str, /) -> tuple[str, ...]:
    """Return a note about people, or none where there are none."""
    return (f"{join_names(names, 20)}: {what}.",) if names else ()


def _join(parts: list[str], /) -> str:
    """Return clauses as one."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _above_chance(test: IdentificationTest) -> bool:
    return test.value > test.chance + 1e-12  # what is equal but for rounding is chance


def _smallest(found: Identification) -> float:
    """Return the smallest p that this many people, or permutations, can give."""
    return 1 / found.n_permutations if found.exact else 1 / (found.n_permutations + 1)
