"""Zero-shot scores spelled out: one query after the other, ties over every order of the tied candidates."""

from __future__ import annotations

import itertools

import numpy as np


def cosines(a, b):
    """Return every cosine, rounded to where products of unit vectors are sure."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return np.array([[round(float(x @ y / np.sqrt((x @ x) * (y @ y))), 12) for y in b] for x in a])


def hit(scores, true, k, ties):
    """Return how often a true candidate is among the k best, over all orders in which tied candidates may come."""
    orders = list(itertools.permutations(range(len(scores))))
    by_score = [order for order in orders if all(scores[i] >= scores[j] for i, j in itertools.pairwise(order))]
    found = [bool(set(order[:k]) & true) for order in by_score]
    return float(np.mean(found)) if ties == "share" else float(min(found))


def recalls(images, texts, image_of, k, ties):
    """Return recall at k from text to image and from image to text."""
    scores = cosines(images, texts)
    to_image = [hit(scores[:, t], {image_of[t]}, k, ties) for t in range(len(texts))]
    own = [{t for t in range(len(texts)) if image_of[t] == i} for i in range(len(images))]
    to_text = [hit(scores[i], own[i], k, ties) for i in range(len(images)) if own[i]]
    return float(np.mean(to_image)), float(np.mean(to_text))


def sorted_recalls(images, texts, image_of, k):
    """Return recall at k as CLIP_benchmark defines it: at least one true candidate among the k largest."""
    scores = np.asarray(images) @ np.asarray(texts).T
    image_of = np.asarray(image_of)
    to_image = [image_of[t] in np.argsort(-scores[:, t])[:k] for t in range(len(texts))]
    to_text = [i in image_of[np.argsort(-scores[i])[:k]] for i in range(len(images))]
    return float(np.mean(to_image)), float(np.mean(to_text))
