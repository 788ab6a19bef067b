"""The lists of a study of odd-one-out answers: who sees which three items, where, and how well that will tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._io import atomic_write
from alignkit._result import Result
from alignkit._typing import AnyArray, IntArray, PathLike
from alignkit.rsa import Triplets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

KINDS = ("main", "shared", "retest", "catch")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Coverage:
    """How evenly a design shows items and pairs, over its distinct triplets without catch trials.

    Attributes
    ----------
    n_triplets : int
        Distinct triplets.
    item_min, item_mean, item_max : int, float, int
        Triplets with an item.
    pair_min, pair_mean, pair_max : int, float, int
        Triplets with a pair.
    pairs_unseen : int
        Pairs that no triplet shows.
    pair_shown : ndarray of int
        How often each pair is shown (upper triangle, row-major).
    """

    n_triplets: int
    item_min: int
    item_mean: float
    item_max: int
    pair_min: int
    pair_mean: float
    pair_max: int
    pairs_unseen: int
    pair_shown: IntArray

    def __repr__(self) -> str:
        return (
            f"<Coverage of {self.n_triplets:,} triplets: an item in {self.item_min} to {self.item_max} of them (mean "
            f"{self.item_mean:.1f}), a pair in {self.pair_min} to {self.pair_max} (mean {self.pair_mean:.2f}), "
            f"{self.pairs_unseen:,} pairs in none>"
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPrecision:
    """What the answers of a design will be able to tell, by the closed forms of :func:`design_triplets`.

    Attributes
    ----------
    accuracy_se : float
        Standard error of a model's accuracy over all answers (people and triplets are samples).
    person_se : float
        Standard error of the accuracy on one person's answers.
    ceiling, ceiling_se : float
        Leave-one-out ceiling to expect from the shared triplets, and its standard error; NaN without any.
    pair_se, pair_se_worst : float
        Standard error of the probability that a pair of average similarity is kept together, for a pair shown as often
        as the mean and for the one shown least (NaN: less than once).
    retest_se : float
        Standard error of one person's agreement with themselves, for an agreement as high as that between people.
    detectable, detectable_person : float
        Smallest difference between two models' accuracies that is detected with the power assumed, over all answers
        and within one person.
    """

    accuracy_se: float
    person_se: float
    ceiling: float
    ceiling_se: float
    pair_se: float
    pair_se_worst: float
    retest_se: float
    detectable: float
    detectable_person: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class TripletDesign(Result):
    """Lists of odd-one-out trials, one per person, with their coverage and the precision to expect.

    Attributes
    ----------
    labels : tuple of str
        Names of the items.
    person, trial : ndarray of int, shape (n,)
        List and place in it, both counted from 1.
    items : ndarray of int, shape (n, 3)
        Items in the order shown, left to right, numbered from 0.
    trial_kind : ndarray of str, shape (n,)
        ``main``: one person's own; ``shared``: of several people, for the ceiling; ``retest``: shown to this person
        before; ``catch``: with an obvious odd one.
    expected : ndarray of int, shape (n,)
        Item that is the odd one of a catch trial; -1 elsewhere.
    triplet : ndarray of int, shape (n,)
        Number of the three items, the same whenever and to whomever they are shown.
    n_people, n_answers : int
        Lists, and trials per list.
    n_shared, people_per_triplet : int, float
        Distinct shared triplets, and how many people answer each (mean).
    coverage, precision
        How even, and how telling.
    accuracy, person_sd, triplet_sd, agreement, correlation, confidence, power : float
        What the precision assumes.
    seed : int or None
        Seed that makes the same lists; None where a generator was given.
    """

    labels: tuple[str, ...]
    person: IntArray
    trial: IntArray
    items: IntArray
    trial_kind: AnyArray
    expected: IntArray
    triplet: IntArray
    n_people: int
    n_answers: int
    n_shared: int
    people_per_triplet: float
    coverage: Coverage
    precision: ExpectedPrecision
    accuracy: float
    person_sd: float
    triplet_sd: float
    agreement: float
    correlation: float
    confidence: float
    power: float
    seed: int | None

    def __repr__(self) -> str:
        c, p = self.coverage, self.precision
        per_list = ", ".join(f"{count} {kind}" for kind, count in self.kinds().items() if count)
        lines = [
            f"<TripletDesign {self.n_people:,} lists of {self.n_answers:,} trials ({per_list}), "
            f"{len(self.labels):,} items",
            f"  coverage: {c.n_triplets:,} triplets; an item in {c.item_min} to {c.item_max}, "
            f"a pair in {c.pair_min} to {c.pair_max} (mean {c.pair_mean:.2f}), {c.pairs_unseen:,} pairs in none",
            f"  accuracy: SE {p.accuracy_se:.4f}, of one person {p.person_se:.4f}; a pair's probability: "
            + ("too few triplets" if np.isnan(p.pair_se) else f"SE {p.pair_se:.3f}"),
            f"  two models: a difference of {p.detectable:.4f} is detected, "
            f"within one person {p.detectable_person:.4f}",
        ]
        if self.n_shared:
            lines.append(
                f"  ceiling: {self.n_shared:,} triplets x {self.people_per_triplet:.1f} people, leave-one-out "
                f"{p.ceiling:.3f}, SE {p.ceiling_se:.4f}"
            )
        return "\n".join(lines) + ">"

    def kinds(self) -> dict[str, int]:
        """Return how many trials of each kind a list has."""
        first = self.trial_kind[self.person == 1]
        return {kind: int((first == kind).sum()) for kind in KINDS}

    def catch_trials(self) -> Triplets:
        """Return the distinct catch trials, the expected odd one last: what :func:`exclude_participants` takes.

        Raises
        ------
        ValueError
            A design without catch trials.
        """
        rows = np.flatnonzero(self.expected >= 0)
        if not len(rows):
            msg = "this design has no catch trials; give design_triplets groups= and catch=."
            raise ValueError(msg)
        _, first = np.unique(self.triplet[rows], return_index=True)
        rows = rows[np.sort(first)]
        position = np.argmax(self.items[rows] == self.expected[rows, None], axis=1) + 1
        return Triplets.from_columns(self.items[rows], odd=position, base=0, labels=self.labels)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per trial: list, trial, kind, the three items left to right, expected odd one, triplet."""
        import pandas as pd

        names = np.array(self.labels, dtype=np.str_)
        shown = {f"position{k + 1}": names[self.items[:, k]] for k in range(3)}
        expected = np.where(self.expected >= 0, names[self.expected], "")
        heads = {"list": self.person, "trial": self.trial, "kind": self.trial_kind}
        return pd.DataFrame({**heads, **shown, "expected": expected, "triplet": self.triplet})

    def save_lists(self, folder: PathLike) -> list[Path]:
        """Write one ``.csv`` per list into a folder, made where it is missing, and return their paths.

        Raises
        ------
        NotADirectoryError
            A file where the folder is meant.
        """
        folder = Path(folder)
        if folder.exists() and not folder.is_dir():
            msg = f"{folder} is a file; give a folder for the lists."
            raise NotADirectoryError(msg)
        folder.mkdir(parents=True, exist_ok=True)
        return list(self._written(folder))

    def _written(self, folder: Path) -> Iterator[Path]:
        digits = len(str(self.n_people))
        for number, part in self.to_dataframe().groupby("list"):
            path = folder / f"list{int(str(number)):0{digits}d}.csv"
            with atomic_write(path, "w") as file:
                part.to_csv(file, index=False)
            yield path

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        c, p, kinds = self.coverage, self.precision, self.kinds()
        text = (
            f"Each of {self.n_people:,} participants answered {self.n_answers:,} odd-one-out trials on "
            f"{len(self.labels):,} items. The {c.n_triplets:,} distinct triplets were chosen so that items and pairs "
            f"were shown about equally often (items in {c.item_min} to {c.item_max} triplets, pairs in {c.pair_min} to "
            f"{c.pair_max}); the three positions on the screen were balanced within each participant. "
        )
        if kinds["shared"]:
            text += (
                f"{kinds['shared']} trials of each participant showed one of {self.n_shared:,} triplets that "
                f"{self.people_per_triplet:.1f} participants answered on average. "
            )
        if kinds["retest"]:
            text += f"{kinds['retest']} trials repeated one from the first half of the list in its second half. "
        if kinds["catch"]:
            text += f"{kinds['catch']} were catch trials with two items of one group and one of another. "
        return text + (
            f"Assuming an accuracy of {self.accuracy:.2f} (SD over participants {self.person_sd:.2f}, over triplets "
            f"{self.triplet_sd:.2f}), the expected standard error of accuracy was {p.accuracy_se:.4f}, and a "
            f"difference of {p.detectable:.4f} between two models (correlation of hits {self.correlation:.2f}) would "
            f"be detected with a power of {self.power:.0%} at the two-sided level {1 - self.confidence:.2g}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how many pairs are shown how often."""
        from matplotlib import pyplot as plt

        ax = plt.gca() if ax is None else ax
        times, n_pairs = np.unique(self.coverage.pair_shown, return_counts=True)
        ax.bar(times, n_pairs, width=0.9, color="0.4")
        ax.set_xlabel("triplets that show a pair")
        ax.set_ylabel("pairs")
        ax.set_title(f"{self.coverage.n_triplets:,} triplets of {len(self.labels):,} items", fontsize="medium")
        return ax
