"""Whether people's data are most like their own models: the whole matrix, and what permuting the owners says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice, counted
from alignkit._typing import FloatArray
from alignkit.meg._drawn import Drawn
from alignkit.meg._identity_scores import IdentificationTest, centred, own_minus_others, rank_one, two_way
from alignkit.meg._sample_unit import span_of
from alignkit.rsa._matrix_methods import SENTENCES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Identification(Drawn):
    """How alike each person's RDMs are to the own model and to everybody else's.

    Attributes
    ----------
    over_time : ndarray, shape (time, people, people)
        Similarity of each person's RDMs (row) to each person's model (column); own models are on the diagonal.
    people : tuple of str, shape (people,)
        Names, of rows and columns alike.
    tests : tuple of IdentificationTest
        Means over people with what permuting the owners of the models says: ``"own - others"`` (similarity to the own
        model less the mean of the others), ``"rank-1"`` (the own model is the most alike; ties share) and ``"two-way"``
        (share of other models that are less alike than the own one). The two accuracies come as they are and, named
        ``", centred"``, after taking each model's mean over people off.
    sessions_over_time : ndarray, shape (time, people, people), or None
        Similarity of each person's RDMs (row) to the RDMs of each person from other sessions (column).
    session_tests : tuple of IdentificationTest
        How well people are told by their own other sessions: what a personal model is up against.
    method : str
        Method of comparison.
    times : ndarray, shape (time,)
        Seconds (or numbers of samples) that :attr:`matrix` is the mean over.
    timed : bool
        Whether times are seconds.
    n_items, n_pairs : int
        Items, and the fewest pairs of them that a comparison used; at each time a person is compared with all models
        over the same pairs.
    n_permutations : int
        Permutations of owners.
    exact : bool
        Whether these were all there are.
    nan_policy : str
        What was done about NaN.
    aligned_by : {"label", "position"}
        How items were matched.
    metric : str or None
        Dissimilarity of the data.
    note : str
        What a reader should know.
    """

    over_time: np.ndarray[Any, np.dtype[np.float64]]
    people: tuple[str, ...]
    tests: tuple[IdentificationTest, ...]
    sessions_over_time: np.ndarray[Any, np.dtype[np.float64]] | None
    session_tests: tuple[IdentificationTest, ...]
    method: str
    times: np.ndarray[Any, np.dtype[np.float64]]
    timed: bool
    n_items: int
    n_pairs: int
    n_permutations: int
    exact: bool
    nan_policy: str
    aligned_by: str
    metric: str | None
    note: str

    @property
    def n_people(self) -> int:
        """Number of people."""
        return len(self.people)

    @property
    def matrix(self) -> FloatArray:
        """Mean over time of :attr:`over_time`, shape (people, people): what people are identified by."""
        return np.asarray(self.over_time.mean(axis=0))

    @property
    def sessions(self) -> FloatArray | None:
        """Mean over time of :attr:`sessions_over_time`, shape (people, people), or None."""
        return None if self.sessions_over_time is None else np.asarray(self.sessions_over_time.mean(axis=0))

    @property
    def centred(self) -> FloatArray:
        """The matrix less each model's mean over people: a model that suits everybody wins nobody by that."""
        return centred(self.matrix)

    @property
    def own(self) -> FloatArray:
        """Similarity of each person's RDMs to the own model, shape (people,)."""
        return np.diagonal(self.matrix).copy()

    @property
    def others(self) -> FloatArray:
        """Mean similarity of each person's RDMs to other people's models, shape (people,)."""
        return self.own - self.own_minus_others

    @property
    def own_minus_others(self) -> FloatArray:
        """Similarity to the own model less the mean of the others, shape (people,)."""
        return np.diagonal(own_minus_others(self.matrix)).copy()

    @property
    def own_sessions(self) -> FloatArray:
        """Similarity of each person's RDMs to the own ones from other sessions, shape (people,); NaN without them.

        It is a ceiling of a model that is as noisy as these; one without noise could reach its square root.
        """
        return np.full(self.n_people, np.nan) if self.sessions is None else np.diagonal(self.sessions).copy()

    @property
    def others_sessions(self) -> FloatArray:
        """Mean similarity of each person's RDMs to other people's from other sessions, shape (people,); or NaN."""
        if self.sessions is None:
            return np.full(self.n_people, np.nan)
        return self.own_sessions - np.diagonal(own_minus_others(self.sessions))

    def test(self, name: str, /) -> IdentificationTest:
        """Return one of :attr:`tests` by its name.

        Raises
        ------
        ValueError
            No test of that name.
        """
        by_name = {one.name: one for one in self.tests}
        check_choice("name", name, tuple(by_name))
        return by_name[name]

    def __repr__(self) -> str:
        head = (
            f"<Identification of {counted(self.n_people, 'person').replace('persons', 'people')} by their models: "
            f"{self.method}, {span_of(self.times, timed=self.timed)}, {self.n_items} items"
        )
        lines = [f"  {_told(one)}" for one in self.tests]
        lines.append("  centred: less each model's mean over people")
        if self.sessions is not None:
            lines.append(
                f"  own other sessions {np.mean(self.own_sessions):.4f}, others' {np.mean(self.others_sessions):.4f}"
            )
            lines += [f"  other sessions: {_told(one)}" for one in self.session_tests]
        return "\n".join([head, *lines, *([f"  note: {self.note}"] if self.note else [])]) + ">"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per person and model: ``similarity``, ``centred``, ``own`` and, if any, ``sessions``."""
        import pandas as pd

        n, names = self.n_people, np.array(self.people, dtype=object)
        table = pd.DataFrame(
            {
                "participant": np.repeat(names, n),
                "model": np.tile(names, n),
                "own": np.eye(n, dtype=bool).ravel(),
                "similarity": self.matrix.ravel(),
                "centred": self.centred.ravel(),
            }
        )
        if self.sessions is not None:
            table["sessions"] = self.sessions.ravel()
        return table.assign(method=self.method)

    def tests_dataframe(self) -> pd.DataFrame:
        """Return one row per test: what is told by (``models`` or ``sessions``), its value, chance and p-values."""
        import pandas as pd

        by = (("models", self.tests), ("sessions", self.session_tests))
        rows = [{"by": kind, **dataclasses.asdict(one)} for kind, tests in by for one in tests]
        return pd.DataFrame(rows).rename(columns={"name": "test"})

    def people_dataframe(self) -> pd.DataFrame:
        """Return one row per person: similarities to the own and to others' models and sessions, and accuracies."""
        import pandas as pd

        columns: dict[str, Any] = {
            "participant": self.people,
            "own": self.own,
            "others": self.others,
            "own_minus_others": self.own_minus_others,
        }
        for ending, matrix in (("", self.matrix), ("_centred", self.centred)):
            columns[f"rank_1{ending}"] = np.diagonal(rank_one(matrix))
            columns[f"two_way{ending}"] = np.diagonal(two_way(matrix))
        columns |= {"own_sessions": self.own_sessions, "others_sessions": self.others_sessions}
        return pd.DataFrame(columns)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        every = self.n_items * (self.n_items - 1) // 2
        pairs = (
            f" Pairs of items that were NaN in a person's RDM or in any model at that time were left out of that "
            f"person's comparisons with all models alike; each used {self.n_pairs:,} of {every:,} pairs or more."
            if self.nan_policy == "omit" and self.n_pairs < every
            else ""
        )
        permuted = f"all {self.n_permutations:,}" if self.exact else f"{self.n_permutations:,} random"
        sessions = (
            ""
            if self.sessions is None
            else " The same RDMs were compared with everybody's RDMs from other sessions, which says how well such "
            "RDMs tell people apart."
        )
        return (
            f"The RDMs of {self.n_people} people ({self.n_items} items, {span_of(self.times, timed=self.timed)}) were "
            f"compared with the models of all of them by {SENTENCES[self.method]} at each sample, and averaged over "
            f"samples. A person was identified where the own model was the most alike (rank-1 accuracy), or more alike "
            f"than another person's (two-way accuracy), as it is and (centred) after the mean over people of each "
            f"model was taken off; besides, the similarity to the own model less the mean of the others was averaged "
            f"over people, which taking these means off does not change. p-values are from {permuted} permutations of "
            f"who owns which model, one-sided{'' if self.exact else ', the observed one counted'}.{pairs}{sessions}"
        )

    def _title(self) -> str:
        return "Identification"

    def plot(self, ax: Axes | None = None, *, centred: bool = False) -> Axes:
        """Draw the matrix, own models framed and each person's most similar model (of ties all) dotted.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            By default, those of a new figure.
        centred : bool
            Draw it less each model's mean over people and each person's over models, so that neither a model that suits
            everybody nor a person whom every model suits hides the diagonal. A person's mean changes no accuracy.
        """
        from alignkit.meg._draw_identification import draw_identification

        return draw_identification(self, ax, centred=centred)

    def plot_over_time(self, ax: Axes | None = None) -> Axes:
        """Draw the mean over people of the similarity to own and to others' models over time.

        Where there are other sessions, the similarity to own and to others' RDMs from them is beside it. Bands are the
        standard error of the difference between own and others.
        """
        from alignkit.meg._draw_identification import draw_over_time

        return draw_over_time(self, ax)

    def curves(self, *, of_sessions: bool = False) -> tuple[FloatArray, FloatArray]:
        """Return each person's similarity to the own and, on average, to others' models, shape (people, time) each.

        Parameters
        ----------
        of_sessions : bool
            To the RDMs of other sessions instead.

        Raises
        ------
        ValueError
            No other sessions.
        """
        values = self.sessions_over_time if of_sessions else self.over_time
        if values is None:
            msg = "there are no other sessions; identify() takes them as other=."
            raise ValueError(msg)
        own = np.diagonal(values, axis1=1, axis2=2)
        others = own - np.stack([np.diagonal(own_minus_others(one)) for one in values])
        return own.T.copy(), others.T.copy()

    def _figures(self) -> Iterator[tuple[str, Any]]:
        yield "models", self.plot().figure.canvas.figure
        yield "models, centred", self.plot(centred=True).figure.canvas.figure
        yield "over time", self.plot_over_time().figure.canvas.figure


def _told(test: IdentificationTest) -> str:
    if test.name.startswith("own"):
        return f"{test.name} {test.value:+.4f}, p = {test.p:.4g}"
    return f"{test.name} {test.value:.1%} (chance {test.chance:.1%}), p = {test.p:.4g}"
