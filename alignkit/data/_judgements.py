"""Similarity judgements of pictures: multi-arrangement and Likert ratings, as dissimilarities."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import check_choice
from alignkit._io import load_mat
from alignkit._natural import natural
from alignkit._typing import AnyArray, FloatArray, PathLike
from alignkit.data._labelled_images import SUFFIXES
from alignkit.data._likert import CATEGORIES, read_likert
from alignkit.data._registry import dataset, dataset_path, locate, missing_sentence
from alignkit.data._rsa92 import load_rsa92
from alignkit.data._tables import naming, text_lines, variable
from alignkit.data._verify import pictures
from alignkit.rsa import RDM
from alignkit.rsa._condensed import n_items_of

_ARRANGED = "multi-arrangement"


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class SimilarityJudgements:
    """How dissimilar people find the pictures of one set.

    Parameters
    ----------
    name : str
        Name of the set, one of ``JUDGEMENTS``.
    title : str
        What tables call it.
    kind : str
        ``"multi-arrangement"`` (distances on a screen) or ``"Likert ratings"`` (similarity from 0 to 10).
    rdm : RDM
        Dissimilarities, with an axis ``subject`` where single people are known; otherwise their mean.
    notes : tuple of str
        What was taken for granted.
    """

    name: str
    title: str
    kind: str
    rdm: RDM
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        people = f"{len(self.rdm)} people" if self.rdm.shape else "a mean of people"
        return f"<SimilarityJudgements {self.title}: {self.kind} of {self.rdm.n_items} pictures, {people}>"


def load_judgements(name: str, root: PathLike | None = None, /) -> SimilarityJudgements:
    """Read similarity judgements in the layout in which they were published.

    Parameters
    ----------
    name : str
        ``"rsa92"`` (92 objects, 16 people), ``"cichy118"`` (118 photographs; ``judgments_general.mat``),
        ``"king-set1"`` and ``"king-set2"`` (144 photographs each; ``BEHAVIOR.mat``), all by multi-arrangement; or
        ``"peterson-animals"``, ``-automobiles``, ``-fruits``, ``-furniture``, ``-various``, ``-vegetables`` (120
        photographs each, Likert ratings).
    root : path, optional
        Folder of the data sets; by default the environment variable ``ALIGNKIT_DATA``, else the user's cache.

    Returns
    -------
    SimilarityJudgements

    Raises
    ------
    FileNotFoundError
        A file is not there; the sentence says how to get it.
    ValueError
        An unknown name, a damaged file or another layout, or pictures of another number.

    References
    ----------
    Mur et al. (2013), https://doi.org/10.3389/fpsyg.2013.00128;
    Cichy et al. (2019), https://doi.org/10.1016/j.neuroimage.2019.03.031;
    King et al. (2019), https://doi.org/10.1016/j.neuroimage.2019.04.079;
    Peterson, Abbott & Griffiths (2018), https://doi.org/10.1111/cogs.12670

    Examples
    --------
    >>> load_judgements("cichy118")  # doctest: +SKIP
    <SimilarityJudgements Cichy-118: multi-arrangement of 118 pictures, 20 people>
    """
    check_choice("name", name, tuple(JUDGEMENTS))
    return JUDGEMENTS[name](name, None if root is None else Path(root))


def _rsa92(name: str, root: Path | None) -> SimilarityJudgements:
    return SimilarityJudgements(name, "92 objects", _ARRANGED, load_rsa92(root).behaviour)


def _cichy118(name: str, root: Path | None) -> SimilarityJudgements:
    path = locate("cichy118", "judgments_general.mat", root)
    values = variable(load_mat(path), "judgments", path)
    pairs = _people(path, values)
    labels, notes = _labels("Cichy-118", "cichy118", "images.txt", "stimuli", n_items_of(pairs.shape[-1]), root)
    return SimilarityJudgements(name, "Cichy-118", _ARRANGED, _rdm(pairs, labels, _ARRANGED), notes)


def _king(name: str, root: Path | None) -> SimilarityJudgements:
    which = name.partition("-")[2]
    path = locate("king2019", "BEHAVIOR.mat", root)
    values: Any = variable(load_mat(path), "BEHAVIOR", path)
    for field in (which, "pairwisedistances"):
        try:
            values = values[field][0, 0]
        except (IndexError, ValueError, TypeError, KeyError) as error:
            msg = f"{path} lacks BEHAVIOR.{which}.pairwisedistances; it is another file or a damaged one."
            raise ValueError(msg) from error
    pairs = _people(path, np.asarray(values))
    title = f"King {which[:3]} {which[3:]}"
    labels, notes = _labels(title, "king2019", f"{which}.txt", which, n_items_of(pairs.shape[-1]), root)
    return SimilarityJudgements(name, title, _ARRANGED, _rdm(pairs, labels, _ARRANGED), notes)


def _peterson(name: str, root: Path | None) -> SimilarityJudgements:
    category = name.partition("-")[2]
    folder = dataset_path("peterson", category, root=root)
    if not folder.is_dir():
        raise FileNotFoundError(missing_sentence(dataset("peterson"), category, folder))
    title = f"Peterson {category}"
    square = read_likert(folder)
    labels, notes = _labels(title, "peterson", f"{category}.txt", category, len(square), root)
    return SimilarityJudgements(name, title, "Likert ratings", RDM(square, labels, metric="10 - rating"), notes)


#: Names of the sets of similarity judgements, and what reads each.
JUDGEMENTS: dict[str, Callable[[str, Path | None], SimilarityJudgements]] = {
    "rsa92": _rsa92,
    "cichy118": _cichy118,
    "king-set1": _king,
    "king-set2": _king,
    **{f"peterson-{category}": _peterson for category in CATEGORIES},
}


def _people(path: Path, values: AnyArray) -> FloatArray:
    """Return dissimilarities of real numbers, shape (people, pairs) or (pairs,)."""
    if values.dtype.kind not in "fiu" or values.size == 0:
        msg = f"{path} holds {values.dtype} of shape {values.shape} where dissimilarities are expected."
        raise ValueError(msg)
    return _as_pairs(path, values.astype(np.float64))


def _as_pairs(path: Path, values: FloatArray) -> FloatArray:
    """Return squares or their upper triangles, of people or of their mean, as upper triangles."""
    if values.ndim >= 2 and values.shape[-1] == values.shape[-2] and values.shape[-1] > 2:
        upper = np.triu_indices(values.shape[-1], k=1)
        lower = np.swapaxes(values, -1, -2)[..., upper[0], upper[1]]
        pairs = values[..., upper[0], upper[1]]
        if not np.allclose(pairs, lower, equal_nan=True):
            msg = f"{path} holds squares that are not symmetric; dissimilarities are expected."
            raise ValueError(msg)
    else:
        pairs = values
    if pairs.ndim == 2 and 1 in pairs.shape:
        pairs = pairs.ravel()
    if pairs.ndim not in (1, 2) or pairs.shape[-1] < 3:
        msg = f"{path} holds an array of shape {values.shape}; (people, items, items) or (people, pairs) is expected."
        raise ValueError(msg)
    with naming(path):
        n_items_of(pairs.shape[-1], "the array")
    return pairs


def _rdm(pairs: FloatArray, labels: tuple[str, ...], metric: str) -> RDM:
    if pairs.ndim == 1:
        return RDM(pairs, labels, metric=metric)
    people = np.arange(1, len(pairs) + 1)
    return RDM(pairs, labels, dims=("subject",), coords={"subject": people}, metric=metric)


def _labels(
    title: str, name: str, names: str, folder: str, n: int, root: Path | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names of the pictures in the order of the rows, and what was taken for granted."""
    path = dataset_path(name, names, root=root)
    if path.exists():
        return text_lines(path, n), ()
    where = dataset_path(name, folder, root=root)
    found = sorted(pictures(where, SUFFIXES), key=natural) if where.is_dir() else []
    if len(found) != n:
        msg = (
            f"the judgements of {title} are of {n} pictures, but {where} holds {len(found)}; put these there, or write "
            f"their names, one a line in the order of the rows, to {path}."
        )
        raise (ValueError if found else FileNotFoundError)(msg)
    return tuple(found), (
        f"{title}: that row i of the judgements is picture i of {folder}/, sorted, is an assumption.",
    )
