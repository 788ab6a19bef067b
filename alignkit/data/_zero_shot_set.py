"""One set of a zero-shot evaluation: images, what they are, and the words for it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, Protocol, Self, get_args

import numpy as np

from alignkit._check import as_array, check_choice, check_count, counted, join_names, shown
from alignkit._typing import AnyArray, BoolArray, IntArray

if TYPE_CHECKING:
    from PIL.Image import Image

Kind = Literal["classification", "multilabel", "retrieval"]


class Images(Protocol):
    """What keeps the images: shards, a folder or one file."""

    def __len__(self) -> int:
        """Return how many there are."""

    def name(self, i: int) -> str:
        """Return what an image is called."""

    def image(self, i: int) -> Image:
        """Return an image in RGB."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class ZeroShotSet:
    """Images with their classes or captions, each image read when it is asked for. :func:`open_zero_shot_set` opens it.

    Parameters
    ----------
    name : str
        What the set is called: a task of :func:`alignkit.score.zero_shot_tasks` where it is one.
    kind : {"classification", "multilabel", "retrieval"}
        What is asked: the one class of each image, all of its classes, or which captions are its own.
    images : object
        What keeps the images: ``len()``, ``image(i)``, ``name(i)``.
    class_names : tuple of str
        Words for the classes, in the order of their numbers; none for retrieval.
    templates : tuple of str
        Texts with ``{}`` or ``{c}`` for the class; none for retrieval.
    targets : ndarray
        Class numbers, shape (images,); for ``multilabel``, whether each image has each class, shape (images, classes);
        for retrieval nothing, shape (0,).
    captions : tuple of tuple of str
        For retrieval, the captions of each image; else none.
    bad : tuple of (name, reason)
        Samples that were left out.
    rows : ndarray of int, optional
        Which of ``images`` these are; by default all.

    Raises
    ------
    ValueError
        Parts that do not belong together, or no images.

    Examples
    --------
    >>> class Squares:
    ...     def __len__(self):
    ...         return 3
    ...
    ...     def name(self, i):
    ...         return f"square {i}"
    ...
    ...     def image(self, i):
    ...         from PIL import Image
    ...
    ...         return Image.new("RGB", (8, 8), ("red", "blue", "red")[i])
    >>> words = {"class_names": ("red", "blue"), "templates": ("a {} square",), "targets": np.array([0, 1, 0])}
    >>> squares = ZeroShotSet(name="squares", kind="classification", images=Squares(), **words)
    >>> squares, squares.subset([2]).image_name(0)
    (<ZeroShotSet squares (classification): 3 images, 2 classes, 1 template>, 'square 2')
    """

    name: str
    kind: Kind
    images: Images
    class_names: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    targets: IntArray | BoolArray
    captions: tuple[tuple[str, ...], ...] = ()
    bad: tuple[tuple[str, str], ...] = ()
    rows: IntArray | None = None

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, get_args(Kind))
        n = len(self)
        if not n:
            first = "".join(f": {name!r}, {reason}" for name, reason in self.bad[:1])
            msg = f"the set {self.name} holds no image that can be used{first or ': it is empty'}."
            raise ValueError(msg)
        shape = {"classification": (n,), "multilabel": (n, len(self.class_names)), "retrieval": (0,)}[self.kind]
        if self.targets.shape != shape or len(self.captions) != (n if self.kind == "retrieval" else 0):
            msg = f"the set {self.name} must have targets of shape {shape}; got {self.targets.shape}."
            raise ValueError(msg)
        if self.kind != "retrieval":
            _check_classes(self)

    def __len__(self) -> int:
        return len(self.images) if self.rows is None else len(self.rows)

    def __repr__(self) -> str:
        texts = f"{len(self.class_names):,} classes, {counted(len(self.templates), 'template')}"
        if self.kind == "retrieval":
            texts = counted(sum(map(len, self.captions)), "caption")
        return f"<ZeroShotSet {self.name} ({self.kind}): {counted(len(self), 'image')}, {texts}>"

    def image(self, i: int) -> Image:
        """Return an image in RGB; ValueError names one that turns out to be broken."""
        return self.images.image(self._row(i))

    def image_name(self, i: int) -> str:
        """Return what an image is called: its shard and key, or its file."""
        return self.images.name(self._row(i))

    def subset(self, rows: object, /) -> Self:
        """Return the set of some of its images.

        Parameters
        ----------
        rows : array_like of int
            Numbers of images, each once, in the order wanted; or booleans, one for each image.

        Raises
        ------
        ValueError
            Numbers that do not exist or come twice, or none.
        TypeError
            Neither whole numbers nor booleans.
        """
        chosen = _as_rows(rows, len(self))
        retrieval = self.kind == "retrieval"
        return dataclasses.replace(
            self,
            targets=self.targets if retrieval else self.targets[chosen],
            captions=tuple(self.captions[int(i)] for i in chosen) if retrieval else (),
            rows=chosen if self.rows is None else self.rows[chosen],
        )

    def _row(self, i: int) -> int:
        number = check_count("i", i)
        if number >= len(self):
            msg = f"i must lie below the number of images, {len(self):,}; got {number:,}."
            raise ValueError(msg)
        return number if self.rows is None else int(self.rows[number])


def _check_classes(found: ZeroShotSet) -> None:
    if len(found.class_names) < 2 or not found.templates:
        what = "two class names" if len(found.class_names) < 2 else "one template"
        msg = f"the set {found.name} needs at least {what}."
        raise ValueError(msg)
    if found.kind == "classification":
        wrong = np.flatnonzero((found.targets < 0) | (found.targets >= len(found.class_names)))
        if wrong.size:
            row = int(wrong[0])
            msg = (
                f"{found.image_name(row)} of the set {found.name} is of class {int(found.targets[row])}, and there are "
                f"{len(found.class_names):,} class names ({join_names(found.class_names, 3)})."
            )
            raise ValueError(msg)


def _as_rows(rows: object, n: int) -> IntArray:
    given: AnyArray = as_array("rows", rows)
    if given.dtype == bool and given.shape == (n,):
        given = np.flatnonzero(given)
    if given.ndim != 1 or (given.size and not np.issubdtype(given.dtype, np.integer)):
        msg = f"rows must be numbers of images, or a boolean for each of {n:,}; got {shown(rows)}."
        raise TypeError(msg)
    if not given.size or given.min() < 0 or given.max() >= n or len(np.unique(given)) < len(given):
        msg = f"rows must be numbers from 0 to {n - 1:,}, each once and at least one; got {shown(rows)}."
        raise ValueError(msg)
    return given.astype(np.int64)
