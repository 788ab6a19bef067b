"""Which THINGS concept does a picture show? Resolved by id, never by row number."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

import numpy as np

from alignkit._check import as_float_array, as_labels, check_choice, join_names
from alignkit._result import Result
from alignkit._typing import FloatArray, IntArray, PathLike
from alignkit.data._item_manifest import ItemManifest, read_item_manifest, stem
from alignkit.data._things import Things

if TYPE_CHECKING:
    import pandas as pd

Relation = Literal["any", "exact"]
#: THINGS' own stimuli are named concept_01b.jpg, concept_02s.jpg ...
_STIMULUS = re.compile(r"^(?P<concept>.+)_\d{2}[a-z]$")


@dataclass(frozen=True, slots=True, repr=False)
class ThingsMatch(Result):
    """Which inputs show which concepts.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
        Position of the input.
    labels : tuple of str, shape (n,)
        Its label.
    concepts : tuple of str, shape (n,)
        The uniqueID that it shows; an input that shows several has one row for each.
    how : tuple of str, shape (n,)
        ``"uniqueID"``, ``"stimulus"`` (THINGS' file names), ``"folder"`` or ``"manifest"``.
    unmatched : tuple of str
        Inputs that show no known concept.
    relation : {"any", "exact"}
        Which rows of the manifest were used.
    """

    rows: IntArray
    labels: tuple[str, ...]
    concepts: tuple[str, ...]
    how: tuple[str, ...]
    unmatched: tuple[str, ...]
    relation: Relation

    def __repr__(self) -> str:
        ways = ", ".join(f"{self.how.count(way):,} by {way}" for way in dict.fromkeys(self.how))
        missed = f"; {len(self.unmatched):,} unmatched ({join_names(self.unmatched, 3)})" if self.unmatched else ""
        return f"<ThingsMatch {len(set(self.rows)):,} inputs -> {len(set(self.concepts)):,} concepts ({ways}){missed}>"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per input and concept: row, label, uniqueID, how."""
        import pandas as pd

        return pd.DataFrame({"row": self.rows, "label": self.labels, "uniqueID": self.concepts, "how": self.how})

    def methods_text(self) -> str:
        """Return how many inputs stand for how many concepts."""
        n = len(set(self.concepts))
        return (
            f"Features of {len(set(self.rows)):,} inputs were averaged per concept and matched by uniqueID to {n:,} "
            f"THINGS concepts (manifest relation: {self.relation}); {len(self.unmatched):,} inputs matched none."
        )

    @property
    def matched(self) -> tuple[str, ...]:
        """The concepts that are shown, once each, in order of first appearance in ``concepts``."""
        return tuple(dict.fromkeys(self.concepts))

    def average(self, features: object, /) -> FloatArray:
        """Return the mean features of each concept, shape (len(matched), channels).

        Parameters
        ----------
        features : array_like, shape (inputs, channels)
            One row per label given to :func:`match_things`, in that order.

        Raises
        ------
        ValueError
            Fewer rows than labels.
        """
        x = as_float_array("features", features, ndim=2)
        n_inputs = len(set(self.rows)) + len(self.unmatched)
        if len(x) != n_inputs:
            msg = f"features must have one row per label given to match_things ({n_inputs:,}); got {len(x):,} rows."
            raise ValueError(msg)
        number = {concept: i for i, concept in enumerate(self.matched)}
        index = np.array([number[concept] for concept in self.concepts])
        sums = np.zeros((len(number), x.shape[1]))
        np.add.at(sums, index, x[self.rows])
        return sums / np.bincount(index)[:, None]


def match_things(
    labels: Iterable[str],
    things: Things | Sequence[str],
    /,
    *,
    manifest: PathLike | None = None,
    relation: Relation = "any",
) -> ThingsMatch:
    """Resolve labels of features (file names, ids) to THINGS concepts.

    A label is looked up in the manifest first, then taken as a uniqueID, as a THINGS stimulus (``aardvark_01b.jpg``),
    or by the folder it lies in (``aardvark/anything.jpg``). Row numbers are never used.

    Parameters
    ----------
    labels : sequence of str
        One per row of the features; paths are allowed.
    things : Things or sequence of str
        From :func:`load_things`, or the uniqueIDs themselves.
    manifest : path, optional
        A csv with the columns ``file`` and ``uniqueID`` (or ``item``, ``concept``), and ``relation`` where some
        pictures show a narrower kind (``hyponym``). One file may stand for several concepts. By default
        ``photos_manifest.csv`` beside the data, where there is one and ``things`` comes from :func:`load_things`.
    relation : {"any", "exact"}
        ``"exact"`` leaves out the manifest's rows of another relation.

    Returns
    -------
    ThingsMatch
        Ordered by concept as in ``things``; :meth:`ThingsMatch.average` gives one row of features per concept.

    Raises
    ------
    ValueError
        No label shows a known concept, labels that name one file of the manifest, or a manifest that lacks columns,
        lists a file twice for one concept, or contradicts the concepts.
    FileNotFoundError
        No such manifest.

    Examples
    --------
    >>> match = match_things(["aardvark_01b.jpg", "abacus", "x/aardvark_02s.jpg"], ["aardvark", "abacus"])
    >>> match
    <ThingsMatch 3 inputs -> 2 concepts (2 by stimulus, 1 by uniqueID)>
    >>> match.average([[1.0], [5.0], [3.0]])
    array([[2.],
           [5.]])
    """
    check_choice("relation", relation, ("any", "exact"))
    names = as_labels("labels", labels)
    known = things.labels if isinstance(things, Things) else as_labels("things", things)
    listed = _read_manifest(_manifest_path(things, manifest), known, relation)
    order = {concept: i for i, concept in enumerate(known)}
    files = [None] * len(names) if listed is None else listed.find(names)
    found = [
        (order[concept], row, label, concept, how)
        for row, (label, file) in enumerate(zip(names, files, strict=True))
        for concept, how in _concepts_of(label, file, order, listed)
    ]
    if not found:
        msg = (
            f"none of the {len(names):,} labels ({join_names(names, 3)}) names a THINGS concept: use uniqueIDs, "
            "THINGS' file names (aardvark_01b.jpg), one folder per concept, or a manifest csv with the columns file "
            "and uniqueID."
        )
        raise ValueError(msg)
    found.sort()
    rows = np.array([item[1] for item in found], dtype=np.int64)
    hit = set(rows.tolist())
    return ThingsMatch(
        rows=rows,
        labels=tuple(item[2] for item in found),
        concepts=tuple(item[3] for item in found),
        how=tuple(item[4] for item in found),
        unmatched=tuple(label for row, label in enumerate(names) if row not in hit),
        relation=relation,
    )


def things_label(label: str, things: Things | Sequence[str], /) -> str:
    """Return the uniqueID of the concept that a label names.

    Parameters
    ----------
    label : str
        A uniqueID, a THINGS stimulus file name, or a path in a folder named after the concept.
    things : Things or sequence of str
        From :func:`load_things`, or the uniqueIDs themselves.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        No such concept; the sentence names the closest ones.

    Examples
    --------
    >>> things_label("images/camera1/camera1_01b.jpg", ["camera_lens", "camera1", "camera2"])
    'camera1'
    """
    known = things.labels if isinstance(things, Things) else as_labels("things", things)
    (name,) = as_labels("label", [label])
    found = _by_name(name, set(known))
    if found is None:
        close = difflib.get_close_matches(PurePosixPath(name).stem, known, 3)
        hint = f"; the closest are {join_names(close)}" if close else ""
        msg = f"{label!r} names no THINGS concept{hint}."
        raise ValueError(msg)
    return found[0]


def _concepts_of(
    label: str, file: str | None, known: Mapping[str, int], listed: ItemManifest | None
) -> list[tuple[str, str]]:
    if listed is not None and file is not None:
        return [(concept, "manifest") for concept in listed.shown[file]]
    found = _by_name(label, known)
    return [] if found is None else [found]


def _by_name(label: str, known: Mapping[str, int] | set[str]) -> tuple[str, str] | None:
    path = PurePosixPath(label.replace("\\", "/"))
    own = stem(path)
    stimulus = _STIMULUS.match(own)
    for name, how in (
        (label, "uniqueID"),
        (own, "uniqueID"),
        (stimulus["concept"] if stimulus else "", "stimulus"),
        (path.parent.name, "folder"),
    ):
        if name in known:
            return name, how
    return None


def _manifest_path(things: Things | Sequence[str], manifest: PathLike | None) -> PathLike | None:
    if manifest is not None or not isinstance(things, Things):
        return manifest
    beside = things.folder / "photos_manifest.csv"
    return beside if beside.is_file() else None


def _read_manifest(path: PathLike | None, known: Sequence[str], relation: Relation) -> ItemManifest | None:
    if path is None:
        return None
    manifest = read_item_manifest(path, relation=relation)
    manifest.check_items(known, "THINGS")
    if "things_row" in manifest.table.columns:
        _check_rows(path, manifest.table["things_row"], manifest.table[manifest.column], known)
    return manifest


def _check_rows(path: PathLike, rows: Iterable[str], concepts: Iterable[str], known: Sequence[str]) -> None:
    for row, concept in zip(rows, concepts, strict=True):
        if not row.isdigit() or int(row) >= len(known) or known[int(row)] != concept:
            msg = (
                f"{path} gives row {row} to {concept!r}, which is not that row of the concepts (counted from 0, in "
                "uniqueID order); one of the two columns is wrong."
            )
            raise ValueError(msg)
