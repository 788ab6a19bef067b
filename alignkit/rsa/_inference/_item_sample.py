"""Pairs of items that were drawn, some of them several times: copies of an item are at no distance and leave."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._container import pair_index
from alignkit.rsa._sigma_k import of_items
from alignkit.rsa._training import linear_vectors


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ItemSample:
    """The pairs of drawn items.

    ``items`` holds the items with their copies, ``valid`` which of their condensed pairs are there, and ``copies`` the
    positions of these among all pairs.
    """

    items: IntArray
    copies: IntArray
    valid: BoolArray


def item_sample(counts: IntArray, among: BoolArray) -> ItemSample:
    """Return the pairs of items that were drawn ``counts`` times, of those that are marked in ``among``."""
    n = n_items_of(among.size)
    items = np.repeat(np.arange(n), counts)
    first, second = np.triu_indices(len(items), k=1)
    valid = items[first] != items[second]
    copies = pair_index(items[first[valid]], items[second[valid]], n)
    there = among[copies]
    valid[valid] = there
    return ItemSample(items, copies[there], valid)


def whitened_gram(rows: FloatArray, sample: ItemSample, method: str, sigma_k: FloatArray | None) -> FloatArray:
    """Return the products of rows, shape (rows, all pairs), over a sample where a whitened method is a cosine."""
    sigma = None if sigma_k is None else of_items(sigma_k, sample.items.tolist())
    vectors = linear_vectors(rows[:, sample.copies], method, sample.valid, sigma)
    return np.asarray(vectors @ vectors.T)
