"""What people's own models are worth: their weights, and how they predict answers that they were not fitted to."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice, counted
from alignkit._result import Result
from alignkit._typing import PathLike
from alignkit.models._personal_model import PersonalModel, subject_file

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SHOWN = 8


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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PeopleTest:
    """Mean over people of a difference, each person counting the same.

    Attributes
    ----------
    name : str
        Which difference.
    mean, low, high : float
        With a bootstrap interval over people; NaN for fewer than two.
    p : float
        Two-sided, by random flips of the signs of people's differences.
    n_people : int
    """

    name: str
    mean: float
    low: float
    high: float
    p: float
    n_people: int

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}], p = {self.p:.3g} "
            f"({counted(self.n_people, 'person').replace('persons', 'people')})"
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class PersonalModels(Result):
    """Models of single people, and what they are worth.

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
    log_weights : ndarray, shape (people, dimensions)
        Logarithms of what each person's products of dimensions are multiplied by, after a fit to all answers; 0 is
        the group's embedding as it is.
    log_scale : ndarray, shape (people,)
        Minus the logarithm of each one's temperature.
    shared_log_weights, shared_log_scale : ndarray, shape (dimensions,), and float
        Those of all people's answers together, around which the prior of everyone's lies.
    spread : ndarray, shape (people,)
        Standard deviation of that prior.
    dimensions : tuple of str, shape (dimensions,)
        Names of the dimensions.
    prior : str
        How the spread was found.
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
    log_weights: np.ndarray[Any, np.dtype[np.float64]]
    log_scale: np.ndarray[Any, np.dtype[np.float64]]
    shared_log_weights: np.ndarray[Any, np.dtype[np.float64]]
    shared_log_scale: float
    spread: np.ndarray[Any, np.dtype[np.float64]]
    dimensions: tuple[str, ...]
    prior: str
    split: str
    notes: tuple[str, ...]
    n_folds: int
    n_repeats: int
    n_bootstrap: int
    confidence: float

    def __repr__(self) -> str:
        lines = [f"<PersonalModels of {len(self.subjects):,} people, {self.split}"]
        lines += [f"  {test}" for test in self.tests]
        better = sum(person.over_shared_low > 0 for person in self.people)
        by_chance = (1 - self.confidence) / 2 * len(self.people)
        lines.append(
            f"  own model better than the shared one, interval above 0: {better} of {len(self.people):,} "
            f"(by chance about {by_chance:.1f})"
        )
        lines += [f"  {person.subject}: {person.verdict}" for person in self.people[:_SHOWN]]
        more = len(self.people) - _SHOWN
        return "\n".join([*lines, f"  ... and {more:,} more>" if more > 0 else ">"])

    def __getitem__(self, subject: str) -> Person:
        """Return what is known of one person, by the id."""
        names = [person.subject for person in self.people]
        check_choice("subject", subject, names)
        return self.people[names.index(subject)]

    def model(self, subject: str) -> PersonalModel:
        """Return the model of one person, which can be applied to the group's embedding.

        Raises
        ------
        ValueError
            Nobody of that id.
        """
        check_choice("subject", subject, self.subjects)
        row = self.subjects.index(subject)
        return PersonalModel(subject, self.dimensions, self.log_weights[row], float(self.log_scale[row]))

    def write(self, folder: PathLike, /) -> list[Path]:
        """Write the model of each of :attr:`people` into a file of its own, ``subject-<id>.json``.

        In the folder of the group's model, ``alignkit.models.load("run:FOLDER/subject-<id>.json")`` opens them.

        Parameters
        ----------
        folder : path
            An existing folder.

        Returns
        -------
        list of Path

        Raises
        ------
        FileNotFoundError
            No such folder.
        """
        paths = []
        for person in self.people:
            path = Path(folder) / subject_file(person.subject)
            about = {name: _or_none(value) for name, value in dataclasses.asdict(person).items() if name != "subject"}
            self.model(person.subject).save(path, about={**about, "split": self.split})
            paths.append(path)
        return paths

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per person."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(person) for person in self.people]).assign(split=self.split)

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        found = "; ".join(str(test) for test in self.tests)
        return (
            f"Models of single people weight the dimensions of the group's embedding: the logarithms of a person's "
            f"weights and scale have a Gaussian prior around those of all people's answers together, with a spread "
            f"{self.prior}, and are the posterior maximum of the odd-one-out likelihood. All were fitted to "
            f"{self.n_folds - 1} of {self.n_folds} folds of triplets and scored on the fold left out ({self.split}; "
            f"{counted(self.n_repeats, 'round')}); no triplet was in two folds. Differences in accuracy, "
            f"mean over people with {self.confidence:.0%} bootstrap intervals over people and sign-flip tests: {found}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how much better each person's own model is than the shared one, against the number of answers."""
        from matplotlib import pyplot as plt

        ax = plt.gca() if ax is None else ax
        for person in self.people:
            ends = [person.over_shared_low, person.over_shared_high]
            ax.plot([person.n_answers] * 2, ends, color="0.7", linewidth=1)
            ax.plot(person.n_answers, person.over_shared, ".", color="black" if ends[0] > 0 else "0.5")
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_xscale("log")
        ax.set_xlabel("answers of the person")
        ax.set_ylabel("accuracy, own minus shared model")
        return ax


def _or_none(value: Any) -> Any:
    """Return a value as JSON knows it."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
