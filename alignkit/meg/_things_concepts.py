"""What THINGS' concepts are called: the names that images' files carry, beside the numbers of the metadata."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

#: The column that is added, and those that it is made of.
_CONCEPT, _NUMBER, _PATH = "concept", "things_category_nr", "image_path"
_SEPARATORS = re.compile(r"[/\\]")
#: What tells the pictures of a concept apart: aardvark_01b.jpg.
_PICTURE = re.compile(r"_\d+[a-z]*\.[A-Za-z]+\Z")


def with_concepts(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return metadata with a column ``concept``: aardvark, where the image is images_meg/aardvark/aardvark_01b.jpg.

    Trials without a concept (catch trials) have none. The names are those of THINGS, uniqueID: two concepts may be the
    same word (bat1, bat2).

    Returns
    -------
    DataFrame or None
        The table itself where it has such a column already, or no paths; None where paths and numbers of concepts do
        not name the same trials alike.
    """
    if _CONCEPT in table.columns or not {_NUMBER, _PATH} <= set(table.columns):
        return table
    there = table[_NUMBER].notna().to_numpy()
    numbers = table[_NUMBER][there].tolist()
    paths = [_SEPARATORS.split(str(path)) for path in table[_PATH][there]]
    folders = [parts[-2] if len(parts) > 1 else "" for parts in paths]
    files = [_PICTURE.sub("", parts[-1]) for parts in paths]
    for names in (folders, files):
        if all(names) and _one_to_one(numbers, names):
            concepts = np.full(len(table), None, dtype=object)
            concepts[there] = names
            return table.assign(concept=concepts)
    return None


def _one_to_one(numbers: Sequence[object], names: Sequence[str]) -> bool:
    pairs = set(zip(numbers, names, strict=True))
    return len(pairs) == len(set(numbers)) == len(set(names))
