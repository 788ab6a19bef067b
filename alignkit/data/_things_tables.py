"""Ratings and categories of the THINGS concepts, joined by id: their files come in other orders and spellings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import check_choice, join_names
from alignkit._typing import PathLike
from alignkit.data._registry import locate
from alignkit.data._tables import text_table

if TYPE_CHECKING:
    import pandas as pd

WORD = "Word"
DEFINITION = "Definition (from WordNet, Google, or Wikipedia)"
_RATINGS = {"animacy": ("ratings/animacy.csv", ","), "size": ("ratings/size_fixed.csv", ";")}
_CATEGORIES = "ratings/Categories_final_20200131.tsv"


def ratings(name: str, labels: Sequence[str], root: PathLike) -> pd.DataFrame:
    """Return a rating table with one row per label, in their order."""
    check_choice("name", name, tuple(_RATINGS))
    file, sep = _RATINGS[name]
    columns = ("uniqueID", "image_Nr") if name == "size" else ("uniqueID",)
    table = text_table(locate("things", file, root), sep=sep, columns=columns)
    ids = [str(label).replace(" ", "_") for label in table.pop("uniqueID")]
    joined = _by_label(table, ids, labels, file)
    if name == "size":
        # 15 rows carry another concept's uniqueID or another concept's number: which is wrong differs between them
        joined["keys_agree"] = joined["image_Nr"].to_numpy() == np.arange(1, len(labels) + 1)
    return joined


def categories(concepts: pd.DataFrame, root: PathLike) -> pd.DataFrame:
    """Return category memberships with one row per concept, in the concepts' order."""
    table = text_table(locate("things", _CATEGORIES, root), sep="\t", columns=(WORD, DEFINITION), as_text=True)
    table = table[table[WORD] != ""]  # the last row holds totals under no word
    labels = [str(label) for label in concepts.index]
    meanings = zip(concepts[WORD], concepts[DEFINITION], labels, strict=True)
    by_meaning = {(str(word), _plain(text)): label for word, text, label in meanings}
    known = set(labels)
    found = [
        _resolve(str(word), str(text), known, by_meaning)
        for word, text in zip(table.pop(WORD), table.pop(DEFINITION), strict=True)
    ]
    return _by_label(table == "1", found, labels, _CATEGORIES)


def _resolve(word: str, text: str, known: set[str], by_meaning: dict[tuple[str, str], str]) -> str:
    """Return the uniqueID of a word that is one already, or else of the word in this meaning."""
    label = word.replace(" ", "_")
    return label if label in known else by_meaning.get((word, _plain(text)), word)


def _plain(text: object) -> str:
    return " ".join(str(text).replace('"', "").split())


def _by_label(table: pd.DataFrame, ids: Iterable[str], labels: Sequence[str], file: str) -> pd.DataFrame:
    ids = list(ids)
    if set(ids) != set(labels):
        parts = {"lacks": set(labels) - set(ids), "names unknown": set(ids) - set(labels)}
        found = "; ".join(f"{what} {join_names(sorted(names))}" for what, names in parts.items() if names)
        msg = f"{file} does not list the 1,854 concepts ({found}); it is truncated or another version."
        raise ValueError(msg)
    if len(ids) != len(labels):
        msg = f"{file} has {len(ids):,} rows for {len(labels):,} concepts; some concepts are listed twice."
        raise ValueError(msg)
    result = table.set_axis(ids, axis="index").loc[list(labels)]
    result.index.name = "uniqueID"
    return result
