"""Which objects are trained on, chosen on, and held out; no photo is on two sides."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from alignkit._check import as_labels, check_count, check_fraction, join_names
from alignkit._io import read_json, write_json
from alignkit._typing import IntArray, PathLike

_SCHEMA = "alignkit.splits/1"
_PARTS = ("train", "val", "held_out")


@dataclasses.dataclass(frozen=True, slots=True)
class Splits:
    """Names of the objects of each side.

    Parameters
    ----------
    train : tuple of str
        What weights are fitted to.
    val : tuple of str
        What epochs and penalties are chosen on.
    held_out : tuple of str
        What nothing is fitted to or chosen on.
    seed : int
        Of the split between ``train`` and ``val``.

    Examples
    --------
    >>> splits = split_objects(["cat", "dog", "bus", "car", "cup", "pen"], val_share=0.5, seed=1)
    >>> len(splits.train), len(splits.val), splits.held_out
    (3, 3, ())
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    held_out: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        names = as_labels("the objects of all splits", [*self.train, *self.val, *self.held_out])
        bounds = np.cumsum([0, *(len(getattr(self, part)) for part in _PARTS)])
        for part, start, stop in zip(_PARTS, bounds[:-1], bounds[1:], strict=True):
            object.__setattr__(self, part, names[start:stop])

    def index(self, part: str, labels: Sequence[str], /) -> IntArray:
        """Return where the objects of ``"train"``, ``"val"`` or ``"held_out"`` stand among ``labels``."""
        number = {label: i for i, label in enumerate(labels)}
        return np.array([number[label] for label in getattr(self, part)], dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the splits in JSON's own types."""
        return {"schema": _SCHEMA, "seed": self.seed, **{part: list(getattr(self, part)) for part in _PARTS}}

    def save(self, path: PathLike) -> None:
        """Write the splits as JSON, atomically."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            Another or a damaged file.
        """
        content = read_json(path)
        try:
            if content.pop("schema") != _SCHEMA:
                raise KeyError
            return cls(seed=content["seed"], **{part: tuple(content[part]) for part in _PARTS})
        except (AttributeError, KeyError, TypeError) as error:
            msg = f"{path} does not hold splits written by alignkit."
            raise ValueError(msg) from error


def kept_splits(path: PathLike, splits: Splits, /) -> Splits:
    """Return the splits that a run's folder holds, where these are of the same objects; as they are where none are.

    Raises
    ------
    ValueError
        Splits of other objects: the data are not those that the run was trained on.
    """
    if not Path(path).exists():
        return splits
    kept = Splits.load(path)
    then, now = ({*s.train, *s.val, *s.held_out} for s in (kept, splits))
    if then != now:
        msg = (
            f"the data are not those that {Path(path).parent} was trained on: {join_names(sorted(then ^ now))} are in "
            "one of them alone; give the run its data back."
        )
        raise ValueError(msg)
    return kept


def split_objects(
    labels: Iterable[Any],
    /,
    *,
    held_out: Iterable[Any] = (),
    val_share: float = 0.2,
    seed: int = 0,
    sources: Sequence[Iterable[Hashable]] | None = None,
) -> Splits:
    """Split objects at random, the same way for the same seed.

    Parameters
    ----------
    labels : sequence of str
        All objects.
    held_out : sequence of str
        Those that are never trained or chosen on; ones that are not among ``labels`` are ignored.
    val_share : float
        Share of the others to choose on, rounded up (CLIP-HBA: 362 of 1,806).
    seed : int
        Seed.
    sources : sequence of collections, one per object, optional
        What each object is shown by (its photos). Objects that share one stay on one side, and those that share one
        with a held-out object are held out too.

    Returns
    -------
    Splits
        Each side in the order of ``labels``.

    Raises
    ------
    ValueError
        Fewer than three objects on either side of training, or repeated labels.
    """
    names = as_labels("labels", labels)
    check_fraction("val_share", val_share)
    check_count("seed", seed)
    group = linked_objects(names, sources)
    kept = set(as_labels("held_out", held_out, unique=False))
    closed = {group[i] for i, name in enumerate(names) if name in kept}
    rest = [i for i in range(len(names)) if group[i] not in closed]
    n_val = math.ceil(round(val_share * len(rest), 9))
    chosen = _choose(np.array([group[i] for i in rest], dtype=np.int64), n_val, seed)
    val = [i for i in rest if group[i] in chosen]
    train = [i for i in rest if group[i] not in chosen]
    if min(len(train), len(val)) < 3:
        msg = (
            f"{len(rest)} objects that are not held out give {len(train)} to train on and {len(val)} to choose on; "
            "each needs at least 3: add objects, or change val_share."
        )
        raise ValueError(msg)
    out = [i for i in range(len(names)) if group[i] in closed]
    chosen_names = {part: tuple(names[i] for i in rows) for part, rows in zip(_PARTS, (train, val, out), strict=True)}
    return Splits(**chosen_names, seed=seed)


def hold_out_objects(
    labels: Iterable[Any],
    /,
    *,
    held_out: Iterable[Any] = (),
    seed: int = 0,
    sources: Sequence[Iterable[Hashable]] | None = None,
) -> Splits:
    """Return splits without any objects to choose on: all that are not held out are trained on.

    Parameters are those of :func:`split_objects`; the seed is only kept.

    Raises
    ------
    ValueError
        Fewer than three objects to train on, or repeated labels.
    """
    names = as_labels("labels", labels)
    group = linked_objects(names, sources)
    kept = set(as_labels("held_out", held_out, unique=False))
    closed = {group[i] for i, name in enumerate(names) if name in kept}
    train = tuple(name for i, name in enumerate(names) if group[i] not in closed)
    if len(train) < 3:
        msg = f"{len(train)} of {len(names)} objects are not held out; training needs at least 3."
        raise ValueError(msg)
    return Splits(train, (), tuple(name for i, name in enumerate(names) if group[i] in closed), seed)


def fold_objects(
    labels: Iterable[Any],
    /,
    *,
    n_folds: int = 5,
    seed: int = 0,
    sources: Sequence[Iterable[Hashable]] | None = None,
) -> IntArray:
    """Return the fold of each object, shape (objects,): folds of nearly one size that share no object and no photo.

    Parameters
    ----------
    labels : sequence of str
        All objects.
    n_folds : int
        How many, at least 2.
    seed : int
        Seed.
    sources : sequence of collections, one per object, optional
        What each object is shown by; objects that share one are in one fold.

    Returns
    -------
    ndarray of int, shape (objects,)

    Raises
    ------
    ValueError
        More folds than objects that share nothing.
    """
    names = as_labels("labels", labels)
    check_count("n_folds", n_folds, 2)
    check_count("seed", seed)
    group = linked_objects(names, sources)
    distinct, sizes = np.unique(group, return_counts=True)
    if len(distinct) < n_folds:
        msg = f"there are {len(distinct)} objects that share no photo, too few for {n_folds} folds."
        raise ValueError(msg)
    order = np.random.default_rng(seed).permutation(len(distinct))
    filled = np.zeros(n_folds, dtype=np.int64)
    fold_of = np.zeros(len(distinct), dtype=np.int64)
    # large groups first, each into the emptiest fold; the random order decides among equals
    for number in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[number] = int(filled.argmin())
        filled[fold_of[number]] += sizes[number]
    return fold_of[np.searchsorted(distinct, group)]


def linked_objects(names: Sequence[str], sources: Sequence[Iterable[Hashable]] | None, /) -> IntArray:
    """Return a number per object, the same for objects that share a source, directly or through others.

    Raises
    ------
    ValueError
        Another number of sources than of objects.
    """
    group = np.arange(len(names))
    if sources is None:
        return group
    if len(sources) != len(names):
        msg = f"sources must hold one collection per object: expected {len(names)}, got {len(sources)}."
        raise ValueError(msg)

    def root(i: int) -> int:
        while group[i] != i:
            i = int(group[i])
        return i

    first: dict[Hashable, int] = {}
    for i, shown in enumerate(sources):
        for source in shown:
            a, b = root(first.setdefault(source, i)), root(i)
            group[max(a, b)] = min(a, b)
    return np.array([root(i) for i in range(len(names))], dtype=np.int64)


def describe_splits(splits: Splits, /) -> str:
    """Return the numbers of objects in words."""
    held = f", {len(splits.held_out)} held out ({join_names(splits.held_out, 3)})" if splits.held_out else ""
    return f"{len(splits.train)} objects to train on, {len(splits.val)} to choose on{held}"


def _choose(groups: IntArray, n: int, seed: int) -> set[int]:
    """Return groups of about ``n`` members in all, drawn at random; exactly ``n`` where every group has one member."""
    distinct, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    before = np.cumsum(sizes[order]) - sizes[order]
    return {int(group) for group in distinct[order][before < n]}
