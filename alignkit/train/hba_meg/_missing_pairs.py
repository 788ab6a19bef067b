"""Pairs of items that RDMs have no number of: people's, and models' whose dimensions are all alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from alignkit._check import join_names
from alignkit._typing import AnyArray
from alignkit.rsa import RDM
from alignkit.rsa._condensed import squareform

#: People who are told of one by one.
_SHOWN = 20


def told_missing(counts: Mapping[str, int], n_pairs: int, /) -> str:
    """Return a sentence that says of whom some pairs have no number; empty where all have.

    Parameters
    ----------
    counts : mapping of str to int
        Pairs without a number at some time, by person.
    n_pairs : int
        All pairs.

    Examples
    --------
    >>> told_missing({"p1": 0, "p2": 100, "p3": 1}, 780)
    "'p2': 100 of 780 pairs have no number at some time; 'p3': 1."
    """
    some = [(name, n) for name, n in counts.items() if n]
    if not some:
        return ""
    first, *others = some
    words = (
        f"{first[0]!r}: {first[1]:,} of {n_pairs:,} pairs {'has' if first[1] == 1 else 'have'} no number at some time"
    )
    words += "".join(f"; {name!r}: {n:,}" for name, n in others[:_SHOWN])
    more = len(others) - _SHOWN
    return f"{words}; and {more:,} more people." if more > 0 else f"{words}."


def count_missing(values: AnyArray, names: Sequence[str], /) -> dict[str, int]:
    """Return how many pairs have no number at some time, by person; ``values`` has shape (people, times, pairs)."""
    return {name: int(np.isnan(own).any(axis=0).sum()) for name, own in zip(names, values, strict=True)}


def told_blank(rdm: RDM, /) -> str:
    """Return a sentence about items of which a model's RDM has no number at some time; empty where there are none."""
    blank = np.isnan(rdm.values).reshape(-1, rdm.n_pairs)
    if not blank.any():
        return ""
    # of an item whose pairs are all blank, and not of the others that are in pairs with it
    there = np.ones(rdm.n_items, dtype=bool)
    for own in blank[blank.any(axis=1)]:
        there &= squareform((~own).astype(np.float32)).any(axis=0)
    labels = rdm.labels or tuple(str(i) for i in range(rdm.n_items))
    items = [label for label, so in zip(labels, there, strict=True) if not so]
    if not items:
        return "some pairs have no number and are left out."
    at = " at some time" if rdm.dims else ""
    return (
        f"all dimensions of {join_names(items)} are alike{at}, so that pairs with them have no number and are left out."
    )
