"""What people's own models are worth: weights on a group's dimensions, or adapters of its backbone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import check_choice
from alignkit._typing import PathLike
from alignkit.models._personal_model import PersonalModel, subject_file
from alignkit.train.hba._personal_scores import PersonalScores


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class PersonalModels(PersonalScores):
    """Models of single people as weights on a group's dimensions, and what they are worth.

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

    log_weights: np.ndarray[Any, np.dtype[np.float64]]
    log_scale: np.ndarray[Any, np.dtype[np.float64]]
    shared_log_weights: np.ndarray[Any, np.dtype[np.float64]]
    shared_log_scale: float
    spread: np.ndarray[Any, np.dtype[np.float64]]
    dimensions: tuple[str, ...]
    prior: str

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

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        return (
            f"Models of single people weight the dimensions of the group's embedding: the logarithms of a person's "
            f"weights and scale have a Gaussian prior around those of all people's answers together, with a spread "
            f"{self.prior}, and are the posterior maximum of the odd-one-out likelihood. {self._describe_tests()}"
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class PersonalAdapters(PersonalScores):
    """Models of single people as adapters of a backbone that all share, and what they are worth.

    Attributes
    ----------
    people : tuple of Person
        Those that were asked for.
    tests : tuple of PeopleTest
        Over all people with a model; none where one person alone was asked for.
    subjects : tuple of str, shape (people,)
        Everybody with a model, whose rows follow.
    matrix : ndarray, shape (people, people)
        Accuracy of each one's model (row) on each one's held-out answers (column).
    kept_steps : ndarray of int, shape (people,)
        Optimiser steps after which each one's model predicted the answers best that it was chosen on; 0 is the
        group's, recalibrated to all people's answers.
    n_parameters : int
        Trained for each person.
    prior : float
        How many answers of the group each model was held to, besides the person's own.
    split : str
        What the models were fitted to and scored on.
    notes : tuple of str
        What a reader should know.
    n_folds, n_repeats, n_bootstrap, confidence
        As asked.
    """

    kept_steps: np.ndarray[Any, np.dtype[np.int64]]
    n_parameters: int
    prior: float

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        return (
            f"Models of single people are the group's model, its dimensions weighted once to suit all people's "
            f"answers, of which {self.n_parameters:,} parameters were trained on by the odd-one-out likelihood of the "
            f"person's own answers, with the group's probabilities as a prior that weighs as much as {self.prior:g} "
            f"further answers to the same triplets; the step was chosen on triplets left out of training. "
            f"{self._describe_tests()}"
        )


def _or_none(value: Any) -> Any:
    """Return a value as JSON knows it."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
