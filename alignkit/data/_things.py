"""THINGS: 1,854 concepts, what people see in them, and the two row orders that must not be mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from alignkit._check import as_labels, check_choice, join_names
from alignkit._io import load_mat
from alignkit._typing import FloatArray, IntArray, PathLike
from alignkit.data._check_convention import check_convention
from alignkit.data._registry import locate
from alignkit.data._tables import cell_texts, frozen, naming, number_table, text_lines, text_table, variable
from alignkit.data._things_tables import DEFINITION, WORD, categories, ratings
from alignkit.rsa import RDM, Triplets

if TYPE_CHECKING:
    import pandas as pd

Order = Literal["fixed", "published"]
#: SPoSE-66 predicts 63.6 to 65.7 % of the answers; with items one place off it is 36 % and the convention still shows.
_SPOSE_PREDICTS = 0.6
#: Words of the 48 that stand for one of several concepts.
_NAMED48 = {"camera": "camera1", "file": "file1"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Things:
    """THINGS behaviour in one row order.

    Parameters
    ----------
    labels : tuple of str, shape (1854,)
        uniqueIDs of the concepts, in uniqueID order: the rows of the embeddings and the numbers of the triplets.
    spose66, spose49 : ndarray, shape (1854, 66), (1854, 49)
        Behavioural embeddings, columns by total weight.
    dimension_labels : tuple of str, shape (66,)
        What each column of ``spose66`` stands for.
    rdm48 : RDM
        Dissimilarities (1 - choice probability) of 48 objects all of whose triplets were judged.
    rows48 : ndarray of int, shape (48,)
        Rows of those objects in the embeddings; ``"published"`` keeps camera_lens in camera1's place.
    repeats : Triplets
        20,000 answers to 1,000 triplets, with participant and repeat number.
    test10 : Triplets
        146,168 answers, participants unknown.
    concepts : DataFrame
        Words, definitions, WordNet ids and more, indexed by uniqueID.
    file_order : tuple of str, shape (1854,)
        uniqueIDs in the order of the image files.
    order : {"fixed", "published"}
        Whether triplets were renumbered to the rows, or keep the published mix-up.
    folder : pathlib.Path
        Where the files lie.
    """

    labels: tuple[str, ...]
    spose66: FloatArray
    spose49: FloatArray
    dimension_labels: tuple[str, ...]
    rdm48: RDM
    rows48: IntArray
    repeats: Triplets
    test10: Triplets
    concepts: pd.DataFrame
    file_order: tuple[str, ...]
    order: Order
    folder: Path

    def __repr__(self) -> str:
        note = (
            "triplets, embeddings and labels agree"
            if self.order == "fixed"
            else "the published mix-up: file-order triplet numbers against uniqueID rows, 21 concepts are wrong"
        )
        return (
            f"<Things {len(self.labels):,} concepts, order={self.order!r} ({note})\n"
            f"  spose66 {self.spose66.shape}, spose49 {self.spose49.shape}, rdm48 {self.rdm48.n_items} items\n"
            f"  repeats {self.repeats!r}\n  test10 {self.test10!r}\n  in {self.folder}>"
        )

    @property
    def sortindex(self) -> IntArray:
        """Row order map, shape (1854,): ``labels[i] == file_order[sortindex[i]]``."""
        return _positions(self.labels, self.file_order)

    def ratings(self, name: str) -> pd.DataFrame:
        """Return human ratings, one row per concept in the order of ``labels``, joined by uniqueID.

        Parameters
        ----------
        name : {"animacy", "size"}
            ``"animacy"``: 1-7 ratings of 11 properties (mean and SD); ``"size"``: perceived real-world size. The
            published size table names 15 concepts two ways that disagree, by uniqueID and by ``image_Nr`` (its
            baseball bat is smaller than its ball, its tank1 is the storage tank); the column ``keys_agree`` added
            here is False for them.

        Raises
        ------
        ValueError
            Another name, or a table with other concepts.
        FileNotFoundError
            The table is not there.
        """
        return ratings(name, self.labels, self.folder.parent)

    def categories(self) -> pd.DataFrame:
        """Return membership in 53 categories, shape (1854, 53) of bool, indexed by uniqueID.

        The published table is keyed by words, some of which stand for several concepts; those are told apart by their
        definitions. Its last row holds totals and is left out.

        Raises
        ------
        ValueError
            A table with other concepts.
        FileNotFoundError
            The table is not there.
        """
        return categories(self.concepts, self.folder.parent)


def load_things(root: PathLike | None = None, /, *, order: Order = "fixed") -> Things:
    """Read THINGS behaviour: embeddings, human triplets, the 48-object matrix and the concept table.

    The embeddings and tables come in the order of the uniqueIDs, the triplets in the order of the image files; 21 of
    the 1,854 rows differ, and several published artefacts mix the two. The answers are checked against SPoSE-66
    with :func:`check_convention`.

    Parameters
    ----------
    root : path, optional
        Folder that holds ``things/``; by default the environment variable ``ALIGNKIT_DATA``, else the user's cache.
    order : {"fixed", "published"}
        ``"fixed"`` renumbers the triplets to the rows, so that everything agrees; ``"published"`` keeps the file's
        numbers, to reproduce papers that did so.

    Returns
    -------
    Things

    Raises
    ------
    FileNotFoundError
        A file is not there; the sentence says how to get it.
    ValueError
        An unknown order, or a damaged file.

    References
    ----------
    Hebart et al. (2020), https://doi.org/10.1038/s41562-020-00951-3;
    Hebart et al. (2023), https://doi.org/10.7554/eLife.82580

    Examples
    --------
    >>> things = load_things()  # doctest: +SKIP
    >>> things.rdm48  # doctest: +SKIP
    <RDM 48 items (pizza, beaver, macadamia, ...), metric: 1 - choice probability>
    """
    check_choice("order", order, ("fixed", "published"))
    concepts = _read_concepts(root)
    labels = as_labels("the uniqueIDs", concepts.index, 1854)
    by_file = file_order(labels)
    numbers = _positions(by_file, labels) if order == "fixed" else np.arange(1854)
    spose66 = number_table(locate("things", "spose_embedding_66d_sorted.txt", root), (1854, 66))
    rdm48 = _read_rdm48(root)
    rows = _positions(rdm48.labels or (), labels if order == "fixed" else by_file)
    answers = []
    for name, read in (("triplets_repeats.csv", _read_repeats), ("triplets_test10.txt", _read_test10)):
        path = locate("things", name, root)
        with naming(path):
            answers.append(read(path, numbers, labels))
            _check_agreement(check_convention(answers[-1], spose66)[2])
    return Things(
        labels=labels,
        spose66=spose66,
        spose49=number_table(locate("things", "spose_embedding_49d_sorted.txt", root), (1854, 49)),
        dimension_labels=text_lines(locate("things", "labels66.txt", root), 66),
        rdm48=rdm48,
        rows48=rows,
        repeats=answers[0],
        test10=answers[1],
        concepts=concepts,
        file_order=by_file,
        order=order,
        folder=locate("things", "things_concepts.tsv", root).parent,
    )


def _check_agreement(share: float) -> None:
    if share < _SPOSE_PREDICTS:
        msg = (
            f"SPoSE-66 predicts {share:.1%} of the answers, where 64 % or more are known: the item numbers count other "
            "concepts than they should; the file is damaged or another version."
        )
        raise ValueError(msg)


def file_order(labels: Sequence[str]) -> tuple[str, ...]:
    """Return uniqueIDs in the order of the image files: file names (``camera1_01b.jpg``) compare byte by byte."""
    return tuple(sorted(labels, key=lambda label: f"{label}_01".encode()))


def _positions(wanted: Sequence[str], among: Sequence[str]) -> IntArray:
    """Return the position in ``among`` of each of ``wanted``."""
    number = {label: i for i, label in enumerate(among)}
    unknown = [label for label in wanted if label not in number]
    if unknown:
        msg = f"{join_names(unknown)} are not among the {len(number):,} concepts; a file of THINGS is another version."
        raise ValueError(msg)
    return np.array([number[label] for label in wanted], dtype=np.int64)


def _read_concepts(root: PathLike | None) -> pd.DataFrame:
    path = locate("things", "things_concepts.tsv", root)
    table = text_table(path, sep="\t", columns=("uniqueID", WORD, DEFINITION))
    if len(table) != 1854 or table["uniqueID"].isna().any():
        msg = f"{path} has {len(table):,} concepts, 1,854 are expected; it is truncated or another version."
        raise ValueError(msg)
    return table.set_index("uniqueID")


def _read_rdm48(root: PathLike | None) -> RDM:
    words_path, path = locate("things", "words48.mat", root), locate("things", "RDM48_triplet.mat", root)
    words = cell_texts(variable(load_mat(words_path), "words48", words_path, (48, 1)))
    values = variable(load_mat(path), "RDM48_triplet", path, (48, 48))
    names = [_NAMED48.get(word, word.replace(" ", "_")) for word in words]
    return RDM(frozen(values), names, metric="1 - choice probability", provenance={"dataset": "things"})


def _read_repeats(path: Path, numbers: IntArray, labels: tuple[str, ...]) -> Triplets:
    # one row: three 1-based ids in file order, position of the odd one, participant
    table = number_table(path, (20_000, 5), np.int64, "\t")
    items = numbers[_in_range(table[:, :3] - 1)]
    _, repeat = np.unique(np.sort(items, axis=1), axis=0, return_inverse=True)
    return Triplets.from_columns(
        items, odd=table[:, 3], base=0, labels=labels, participant=table[:, 4], repeat=repeat.ravel()
    )


def _read_test10(path: Path, numbers: IntArray, labels: tuple[str, ...]) -> Triplets:
    # one row: three 0-based ids in file order, the odd one last
    table = number_table(path, (146_168, 3), np.int64)
    return Triplets(numbers[_in_range(table)], labels)


def _in_range(items: IntArray) -> IntArray:
    if items.min() < 0 or items.max() > 1853:
        msg = (
            f"the triplets use item numbers from {items.min()} to {items.max()} (counted from 0), beyond the "
            "1,854 concepts; the file is damaged or another version."
        )
        raise ValueError(msg)
    return items
