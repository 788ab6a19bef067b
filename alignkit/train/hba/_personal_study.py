"""Whose answers there are, and which of them a model may be fitted to, chosen on and scored on."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence

import numpy as np

from alignkit._check import join_names
from alignkit._typing import IntArray
from alignkit.rsa import Triplets
from alignkit.rsa._grouping import triplet_codes
from alignkit.rsa._temperature import assign_folds
from alignkit.train._people_difference import people
from alignkit.train.hba._personal import number_people
from alignkit.train.hba._personal_compare import Outcome

#: Answers of the group that a person's network is held to by default, besides the own ones.
PRIOR = 300.0
#: Different triplets that a person must have answered for a network to be trained on them, chosen on some, and scored.
MIN_TRIPLETS = 10


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Everybody's answers in folds of triplets: the same for whoever computes them, for one person or for all.

    Parameters
    ----------
    answers : Triplets
        Of all people who gave enough of them.
    person : ndarray of int, shape (n,)
        Who gave each, numbered from 0.
    subjects : tuple of str, shape (people,)
        Their ids.
    folds : ndarray of int, shape (n,)
        Answers to one triplet are in one fold, whoever gave them.
    n_folds : int
    too_few : tuple of str
        Ids of those who gave too few answers.
    """

    answers: Triplets
    person: IntArray
    subjects: tuple[str, ...]
    folds: IntArray
    n_folds: int
    too_few: tuple[str, ...]

    @classmethod
    def of(cls, answers: Triplets, /, *, n_folds: int, seed: int) -> Study:
        """Divide answers that say who gave them.

        Raises
        ------
        ValueError
            Nobody gave enough of them.
        """
        subjects, person = number_people(answers)
        n_triplets = [triplet_codes(answers.items[person == k])[0] for k in range(len(subjects))]
        enough = np.array(n_triplets) >= MIN_TRIPLETS
        few = tuple(name for name, is_enough in zip(subjects, enough, strict=True) if not is_enough)
        if not enough.any():
            msg = f"nobody answered {MIN_TRIPLETS} different triplets, the fewest that a personal model is trained on."
            raise ValueError(msg)
        rows = np.flatnonzero(enough[person])
        kept = answers.take(rows)
        n_distinct, code = triplet_codes(kept.items)
        return cls(
            answers=kept,
            person=(np.cumsum(enough) - 1)[person[rows]],
            subjects=tuple(name for name in subjects if name not in few),
            folds=assign_folds(code, n_distinct, n_folds, np.random.default_rng(seed)),
            n_folds=n_folds,
            too_few=few,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence that names those who gave too few answers, or none."""
        if not self.too_few:
            return ()
        return (
            f"{join_names(self.too_few, 20)} answered fewer than {MIN_TRIPLETS} different triplets, too few for a "
            "model of their own, and take no part.",
        )

    @property
    def digest(self) -> str:
        """Checksum of who answered what and of the folds."""
        parts = (self.answers.items, self.person, self.folds)
        content = b"".join(np.ascontiguousarray(part, dtype="<i8").tobytes() for part in parts)
        return hashlib.sha256(content + "\0".join(self.subjects).encode()).hexdigest()

    def join(self, outcomes: Sequence[Outcome]) -> Outcome:
        """Return the outcomes of the answers in each fold as one, in the order of the answers."""
        right, log_p = np.zeros(len(self.folds), dtype=bool), np.empty(len(self.folds))
        for fold, outcome in enumerate(outcomes):
            right[self.folds == fold], log_p[self.folds == fold] = outcome.right, outcome.log_p
        return Outcome(right, log_p)

    def number(self, subject: str) -> int:
        """Return the number of a person.

        Raises
        ------
        ValueError
            One who gave too few answers.
        """
        if subject in self.too_few:
            msg = (
                f"subject {subject!r} answered fewer than {MIN_TRIPLETS} different triplets, too few for a model of "
                f"their own; {people(len(self.subjects))} gave more."
            )
            raise ValueError(msg)
        return self.subjects.index(subject)

    def training_rows(self, number: int, fold: int | None, *, val_share: float, seed: int) -> tuple[IntArray, IntArray]:
        """Return a person's answers to fit to, and those to choose the step on, which share no triplet.

        Parameters
        ----------
        number : int
            Which person.
        fold : int or None
            The fold that both leave out; None for none.
        val_share : float
            Share of the triplets to choose on, rounded up.
        seed : int
            The person's own.

        Raises
        ------
        ValueError
            Fewer than two triplets.
        """
        rows = np.flatnonzero((self.person == number) & (self.folds != (-1 if fold is None else fold)))
        n_triplets, code = triplet_codes(self.answers.items[rows]) if len(rows) else (0, rows)
        if n_triplets < 2:
            msg = f"all triplets of subject {self.subjects[number]!r} are in one fold; choose another split_seed."
            raise ValueError(msg)
        n_val = min(max(math.ceil(round(val_share * n_triplets, 9)), 1), n_triplets - 1)
        chosen = np.random.default_rng(seed).permutation(n_triplets) < n_val
        return rows[~chosen[code]], rows[chosen[code]]
