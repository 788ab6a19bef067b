"""Where items lie on a plane so that their distances there are much like their dissimilarities."""

from __future__ import annotations

import dataclasses

import numpy as np

from alignkit._typing import FloatArray


@dataclasses.dataclass(frozen=True, slots=True)
class ItemPlaces:
    """Places of items, and how much of their dissimilarities the plane keeps.

    Attributes
    ----------
    places : ndarray, shape (items, 2)
    stress : float
        Kruskal's stress 1: root of the squared errors over the squared distances; 0 is perfect.
    """

    places: FloatArray
    stress: float


def item_places(square: FloatArray, *, n_iterations: int = 300) -> ItemPlaces:
    """Return places by metric multidimensional scaling: classical, then SMACOF until the stress no longer falls.

    Classical scaling takes the two largest eigenvectors of the doubly centred squares (Torgerson 1952); SMACOF lowers
    the stress from there by majorisation (de Leeuw 1977). Nothing is random. Negative dissimilarities count as 0.

    Parameters
    ----------
    square : ndarray, shape (items, items)
        Finite dissimilarities.
    n_iterations : int
        Most steps of SMACOF.
    """
    from sklearn.manifold import smacof

    given = np.maximum(square, 0.0)
    start = _classical(given)
    places = start
    if given.max() > 0:
        options = {"metric": True, "n_components": 2, "n_init": 1, "max_iter": n_iterations, "eps": 1e-6}
        places, _ = smacof(given, init=start, normalized_stress=False, **options)
    found = np.sqrt(((places[:, None] - places[None]) ** 2).sum(axis=-1))
    total = float((found**2).sum())
    stress = float(np.sqrt(((given - found) ** 2).sum() / total)) if total > 0 else float("nan")
    return ItemPlaces(places, stress)


def _classical(square: FloatArray) -> FloatArray:
    n = len(square)
    centre = np.eye(n) - 1.0 / n
    values, vectors = np.linalg.eigh(-0.5 * centre @ square**2 @ centre)
    places = vectors[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0.0))
    if places.shape[1] < 2:
        places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
    # either sign is right: the item that lies farthest out lies to the right, and up
    signs = np.sign(places[np.abs(places).argmax(axis=0), range(2)])
    result: FloatArray = places * np.where(signs == 0, 1.0, signs)
    return result
