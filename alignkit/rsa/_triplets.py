"""Human odd-one-out triplets and 2AFC judgements, with their conventions made explicit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from alignkit._check import as_array, as_float_array, as_labels, check_choice, shown
from alignkit._html import box, facts, table
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa._axes import as_text_or_numbers
from alignkit.rsa._positions import as_many_positions
from alignkit.rsa._trials import Trials

OddColumn = Literal["first", "second", "third"]
#: More items than any study or memory holds: a larger number is a time stamp or a participant.
_MAX_ITEMS = 2**31
#: Answers that a notebook shows.
_SHOWN = 5
_COLUMN = {"first": 0, "second": 1, "third": 2}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Triplets(Trials):
    """Odd-one-out answers: three items per row, the **last** column being the odd one out.

    Parameters
    ----------
    items : array_like of int, shape (n, 3)
        0-based item numbers; columns 0 and 1 are the pair judged most similar, column 2 the odd one out.
    labels : sequence of str, shape (n_items,), optional
        Names of the items that the numbers stand for.
    participant : array_like, shape (n,), optional
        Who answered.
    response_time : array_like of float, shape (n,), optional
        Seconds.
    repeat : array_like of int, shape (n,), optional
        Rows with the same number show the same three items (any order).
    soft : array_like of float, shape (n, 3), optional
        Probability that each column is chosen as the odd one; rows sum to 1.
    position : array_like of int, shape (n,), optional
        Where on the screen the odd one stood, 1 to 3 (left to right).

    Raises
    ------
    ValueError
        Wrong shape, negative or repeated items in a row, numbers beyond the labels, columns of another length, or
        positions outside 1-3.
    TypeError
        Numbers that are not whole.

    Examples
    --------
    >>> Triplets([[0, 1, 2], [3, 1, 0]], labels=["cat", "dog", "car", "bus"])
    <Triplets 2 answers, 4 items, participants unknown>
    """

    items: IntArray
    labels: tuple[str, ...] | None = None
    participant: AnyArray | None = None
    response_time: FloatArray | None = None
    repeat: IntArray | None = None
    soft: FloatArray | None = None
    position: IntArray | None = None

    def __init__(
        self,
        items: object,
        labels: Iterable[Any] | None = None,
        *,
        participant: object = None,
        response_time: object = None,
        repeat: object = None,
        soft: object = None,
        position: object = None,
    ) -> None:
        array = _as_items("triplets", items, 3)
        n = len(array)
        names = None if labels is None else as_labels("labels", labels)
        _check_range("triplets", array, names)
        put = object.__setattr__
        put(self, "items", array)
        put(self, "labels", names)
        put(self, "participant", _as_participant(participant, n))
        put(self, "response_time", _as_time(response_time, n))
        put(self, "repeat", _as_repeat(repeat, n))
        put(self, "soft", _as_soft(soft, n))
        put(self, "position", None if position is None else _as_odd(position, n, "position must hold") + 1)

    @classmethod
    def from_columns(
        cls,
        items: object,
        /,
        *,
        odd: OddColumn | object,
        base: int,
        labels: Iterable[Any] | None = None,
        **columns: Any,
    ) -> Triplets:
        """Build from a file's own convention, which must be named.

        Parameters
        ----------
        items : array_like of int, shape (n, 3)
            Three item numbers per row.
        odd : {"first", "second", "third"} or array_like of int, shape (n,)
            Which column holds the odd one out: one word for the whole file, or its 1-based position row by row.
        base : {0, 1}
            What the file counts from.
        labels, **columns
            As in the class.

        Raises
        ------
        ValueError
            An unknown word, a position outside 1-3, or a base other than 0 and 1.

        Examples
        --------
        >>> Triplets.from_columns([[1, 2, 3]], odd=[1], base=1).items
        array([[1, 2, 0]])
        """
        if isinstance(base, bool) or not isinstance(base, int | np.integer) or base not in (0, 1):
            msg = f"base must be 0 or 1 (what the file counts from); got {shown(base)}."
            raise ValueError(msg)
        array = _as_items("triplets", items, 3, minimum=int(base)) - base
        if isinstance(odd, str):
            check_choice("odd", odd, tuple(_COLUMN))
            position = np.full(len(array), _COLUMN[odd])
        else:
            position = _as_odd(odd, len(array))
        # (p+1, p+2, p) mod 3 keeps the pair's shown order up to rotation and puts the odd one last
        order = (position[:, None] + np.array([1, 2, 0])) % 3
        soft = _as_soft(columns.get("soft"), len(array))
        if soft is not None:
            columns["soft"] = np.take_along_axis(soft, order, axis=1)
        return cls(np.take_along_axis(array, order, axis=1), labels, **columns)

    def __repr__(self) -> str:
        people = (
            "participants unknown" if self.participant is None else f"{len(np.unique(self.participant))} participants"
        )
        return f"<Triplets {len(self):,} answers, {self.n_items:,} items, {people}>"

    def _repr_html_(self) -> str:
        """Return what notebooks show: counts, and the first answers by name."""
        n_people = None if self.participant is None else len(np.unique(self.participant))
        names = self.labels or tuple(map(str, range(self.n_items)))
        first = [[names[item] for item in row] for row in self.items[:_SHOWN]]
        columns = ["pair", "", "odd one out"]
        if self.participant is not None:
            columns.append("participant")
            first = [[*row, str(person)] for row, person in zip(first, self.participant, strict=False)]
        counts = {"answers": f"{len(self):,}", "items": f"{self.n_items:,}", "participants": n_people or "unknown"}
        more = f"the first {_SHOWN} answers" if len(self) > _SHOWN else None
        return box("Triplets", facts({**counts, "shown": more}), table(columns, first))

    def take(self, rows: AnyArray) -> Triplets:
        """Return the answers at these positions or under this mask, with all their columns.

        Raises
        ------
        ValueError
            Positions beyond the answers, or none.
        TypeError
            Positions that are not whole numbers.
        """
        rows = as_many_positions("rows", rows, len(self))
        parts = {
            name: None if getattr(self, name) is None else getattr(self, name)[rows]
            for name in ("participant", "response_time", "repeat", "soft", "position")
        }
        return Triplets(self.items[rows], self.labels, **parts)

    def restrict(self, labels: Iterable[Any]) -> Triplets:
        """Return the answers whose three items are all among ``labels``, renumbered to that order.

        Raises
        ------
        ValueError
            Unlabelled triplets, labels that the triplets do not hold, or no answer left.
        """
        if self.labels is None:
            msg = "these triplets have no labels; build them with labels=... to restrict them by name."
            raise ValueError(msg)
        wanted = as_labels("labels", labels)
        number = {label: i for i, label in enumerate(wanted)}
        new = np.array([number.get(label, -1) for label in self.labels])
        renumbered = new[self.items]
        kept = np.all(renumbered >= 0, axis=1)
        if not kept.any():
            msg = f"none of the {len(self):,} triplets has all three items among the {len(wanted)} labels given."
            raise ValueError(msg)
        part = self.take(kept)
        return Triplets(
            renumbered[kept],
            wanted,
            participant=part.participant,
            response_time=part.response_time,
            repeat=part.repeat,
            soft=part.soft,
            position=part.position,
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class TwoAFC(Trials):
    """Two-alternative forced choices: which of two images is more like the reference (NIGHTS and its kin).

    Parameters
    ----------
    items : array_like of int, shape (n, 3)
        0-based numbers of reference, left and right.
    votes : array_like of int, shape (n, 2)
        How many people chose left and right.
    labels : sequence of str, optional
        Names (for NIGHTS: file paths) of the items.

    Raises
    ------
    ValueError
        Wrong shapes, negative votes, a row without votes, or numbers beyond the labels.
    TypeError
        Numbers that are not whole.

    Examples
    --------
    >>> TwoAFC([[0, 1, 2]], [[1, 6]]).choice
    array([1])
    """

    items: IntArray
    votes: IntArray
    labels: tuple[str, ...] | None = None

    def __init__(self, items: object, votes: object, labels: Iterable[Any] | None = None) -> None:
        array = _as_items("the 2AFC trials", items, 3)
        names = None if labels is None else as_labels("labels", labels)
        _check_range("the 2AFC trials", array, names)
        counts = as_array("votes", votes)
        if counts.shape != (len(array), 2) or counts.dtype.kind not in "iu":
            msg = f"votes must hold whole numbers of shape ({len(array)}, 2); got {counts.dtype}, shape {counts.shape}."
            raise ValueError(msg)
        if (counts < 0).any() or (counts.sum(axis=1) == 0).any():
            msg = "votes must not be negative and every trial needs at least one vote."
            raise ValueError(msg)
        put = object.__setattr__
        put(self, "items", array)
        put(self, "votes", counts.astype(np.int64))
        put(self, "labels", names)

    def __repr__(self) -> str:
        return f"<TwoAFC {len(self):,} trials, {int(self.votes.sum()):,} votes, {int(self.tied.sum()):,} tied>"

    @property
    def choice(self) -> IntArray:
        """0 where most people chose left, 1 where right, -1 where the votes tie (a tie is never a label)."""
        left, right = self.votes.T
        return np.where(left == right, -1, (right > left).astype(np.int64))

    @property
    def tied(self) -> AnyArray:
        """Mask of the trials whose votes tie."""
        return self.choice < 0

    def take(self, rows: AnyArray) -> TwoAFC:
        """Return the trials at these positions or under this mask.

        Raises
        ------
        ValueError
            Positions beyond the trials, or none.
        TypeError
            Positions that are not whole numbers.
        """
        rows = as_many_positions("rows", rows, len(self))
        return TwoAFC(self.items[rows], self.votes[rows], self.labels)


def _as_items(name: str, items: object, width: int, minimum: int = 0) -> IntArray:
    array = as_array(name, items)
    if array.ndim != 2 or array.shape[1] != width or len(array) == 0:
        msg = f"{name} must have shape (n, {width}) with n >= 1; got {array.shape}."
        raise ValueError(msg)
    whole = array.dtype.kind == "f" and bool(np.all(array == np.round(array)))  # text files are often read as floats
    if array.dtype.kind not in "iu" and not whole:
        msg = f"{name} must hold whole item numbers; got dtype {array.dtype}."
        raise TypeError(msg)
    _check_bounds(name, array, minimum)
    array = array.astype(np.int64)
    a, b, c = array.T
    repeated = (a == b) | (a == c) | (b == c)
    if repeated.any():
        row = int(np.argmax(repeated))
        msg = f"{name}: row {row} shows the same item twice ({array[row].tolist()}); drop such rows."
        raise ValueError(msg)
    return array


def _check_bounds(name: str, array: AnyArray, minimum: int) -> None:
    low, high = array.min().item(), array.max().item()
    if low < minimum:
        msg = f"{name} holds the item number {low}, below {minimum}; check whether the file counts from 0 or 1."
        raise ValueError(msg)
    if high >= _MAX_ITEMS:
        msg = f"{name} holds the item number {high}, which no list of items reaches; check which columns hold items."
        raise ValueError(msg)


def _check_range(name: str, array: IntArray, labels: tuple[str, ...] | None) -> None:
    if labels is not None and array.max() >= len(labels):
        msg = (
            f"{name} use the item number {array.max()}, but there are {len(labels)} labels (0 to {len(labels) - 1}); "
            "check whether the file counts from 0 or 1."
        )
        raise ValueError(msg)


def _per_answer(name: str, array: AnyArray, n: int) -> AnyArray:
    if array.shape != (n,):
        msg = f"{name} must hold {n} texts or numbers, one per answer; got shape {array.shape}, {array.dtype}."
        raise ValueError(msg)
    return array


def _as_participant(values: object, n: int) -> AnyArray | None:
    if values is None:
        return None
    array = _per_answer("participant", as_text_or_numbers("participant", values), n)
    missing = np.isnan(array) if array.dtype.kind == "f" else array == "" if array.dtype.kind == "U" else np.zeros(n)
    if missing.any():
        msg = f"participant is missing at position {int(np.argmax(missing))}; drop such answers, or name everybody."
        raise ValueError(msg)
    return array


def _as_time(values: object, n: int) -> FloatArray | None:
    return None if values is None else _per_answer("response_time", as_float_array("response_time", values), n)


def _as_repeat(values: object, n: int) -> IntArray | None:
    if values is None:
        return None
    array = _per_answer("repeat", as_float_array("repeat", values), n)
    if not np.all(np.isfinite(array)) or np.any(array != np.round(array)):
        msg = "repeat must hold whole numbers, one per answer."
        raise ValueError(msg)
    return array.astype(np.int64)


def _as_soft(soft: object, n: int) -> FloatArray | None:
    if soft is None:
        return None
    array = as_float_array("soft", soft)
    if array.shape != (n, 3) or not np.all(array >= 0) or not np.allclose(array.sum(axis=1), 1, atol=1e-6):
        msg = f"soft must hold {n} rows of three probabilities that sum to 1; got shape {array.shape}."
        raise ValueError(msg)
    return array


def _as_odd(odd: object, n: int, allowed: str = "odd must be 'first', 'second', 'third' or") -> IntArray:
    position = as_array("odd", odd)
    if position.shape != (n,) or position.dtype.kind not in "iu" or position.min() < 1 or position.max() > 3:
        msg = f"{allowed} {n} positions from 1 to 3, one per row."
        raise ValueError(msg)
    return position.astype(np.int64) - 1
