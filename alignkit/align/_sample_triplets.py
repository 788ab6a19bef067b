"""Triplets of images drawn by the groups that the images belong to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from alignkit._check import as_labels, check_choice, check_count, counted, is_tensor
from alignkit._typing import AnyArray, BoolArray, IntArray

Sampling = Literal["cluster_border", "class_border", "between_class", "within_class"]
Weight = Literal["group", "item"]
#: Triplets that are drawn at once. Each block has random numbers of its own, so that any can be drawn without the rest.
BLOCK = 1 << 16


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Items sorted by group: those of group g are ``order[starts[g] : starts[g] + sizes[g]]``."""

    order: IntArray
    starts: IntArray
    sizes: IntArray

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.order)


def sample_triplets(
    groups: object,
    n: int,
    /,
    *,
    sampling: Sampling | Sequence[Sampling] = "cluster_border",
    weight: Weight = "group",
    seed: int = 0,
) -> IntArray:
    r"""Draw triplets of items by a rule about the groups that the items belong to.

    ================== ============================================= ==================================
    sampling           rule                                          groups
    ================== ============================================= ==================================
    ``cluster_border`` two items of one group, one of another        clusters (AligNet's training data)
    ``class_border``   the same                                      classes
    ``between_class``  three items of three groups                   classes
    ``within_class``   three items of one group                      classes
    ================== ============================================= ==================================

    These are the rules of AligNet [1]_. Triplets are drawn independently of each other, so that one may come twice.

    Parameters
    ----------
    groups : Clusters or array_like of int or str, shape (items,)
        The group of each item. Items of a group below 0 belong to none and are never drawn.
    n : int
        Number of triplets.
    sampling : str or sequence of str
        The rule, or several, which take turns triplet by triplet.
    weight : {"group", "item"}
        Whether each group has the same chance to be drawn (and then each of its items), or each item.
    seed : int
        The same seed gives the same triplets; more of them begin with the same ones.

    Returns
    -------
    ndarray of int64, shape (n, 3)
        0-based item numbers. Of the border rules, the third item is the one of another group; which of the three is the
        odd one out is for a teacher to say (:func:`write_triplets`).

    Raises
    ------
    ValueError
        Groups that are too few or too small for the rule, an unknown rule, no triplets, or a negative seed.
    TypeError
        Groups that are neither numbers nor names, or counts that are not whole.

    References
    ----------
    .. [1] Muttenthaler et al. (2025), Aligning machine and human visual representations across abstraction levels,
       Nature. doi:10.1038/s41586-025-09631-6

    Examples
    --------
    >>> triplets = sample_triplets(["cat", "cat", "dog", "dog"], 1000, sampling="class_border", seed=1)
    >>> triplets.shape
    (1000, 3)
    >>> first, second, third = (triplets // 2).T  # 0: a cat, 1: a dog
    >>> bool((first == second).all()), bool((first == third).any())
    (True, False)
    """
    drawn = as_groups(group_numbers(groups))
    n, seed = check_count("n", n, 1), check_count("seed", seed)
    rules = as_rules(sampling)
    check_sampling(drawn, rules, weight)
    return np.concatenate(
        [
            sample_block(drawn, block, min(BLOCK, n - block * BLOCK), rules, weight, seed)
            for block in range(-(-n // BLOCK))
        ]
    )


def group_numbers(groups: object) -> IntArray:
    """Return the group of each item as a number, below 0 for none.

    Raises
    ------
    ValueError
        No items, or not one group per item.
    TypeError
        Neither numbers nor names.
    """
    found: Any = getattr(groups, "cluster_of", groups)
    if is_tensor(found):
        found = found.tolist()
    array = np.asarray(found) if isinstance(found, np.ndarray | list | tuple) else np.array(found, dtype=object)
    if array.ndim != 1 or not array.size:
        msg = f"groups must hold the group of each item, shape (items,); got shape {array.shape}."
        raise ValueError(msg)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "f":
        msg = "groups must be whole numbers or names; got floats."
        raise TypeError(msg)
    names = np.array(as_labels("groups", array.tolist(), unique=False))
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def as_groups(numbers: IntArray) -> Groups:
    """Return items sorted by group."""
    items = np.flatnonzero(numbers >= 0)
    order = items[np.argsort(numbers[items], kind="stable")]
    _, starts, sizes = np.unique(numbers[order], return_index=True, return_counts=True)
    return Groups(order.astype(np.int64), starts.astype(np.int64), sizes.astype(np.int64))


def as_rules(sampling: object) -> tuple[str, ...]:
    """Return the rules by which triplets are drawn in turn.

    Raises
    ------
    ValueError
        An unknown rule, one twice, or none.
    """
    rules = (sampling,) if isinstance(sampling, str) or not isinstance(sampling, Sequence) else tuple(sampling)
    for rule in rules:
        check_choice("sampling", rule, get_args(Sampling))
    if not rules or len(set(rules)) < len(rules):
        msg = f"sampling must be different rules, at least one; got {', '.join(map(str, rules)) or 'none'}."
        raise ValueError(msg)
    return tuple(map(str, rules))


def check_sampling(groups: Groups, rules: Sequence[str], weight: str) -> None:
    """Raise unless triplets can be drawn by these rules."""
    check_choice("weight", weight, get_args(Weight))
    for rule in rules:
        _check_rule(groups, rule)


def _check_rule(groups: Groups, sampling: str) -> None:
    n, largest = len(groups.sizes), int(groups.sizes.max(initial=0))
    if sampling == "between_class":
        fits, needs = n >= 3, "three groups"
    elif sampling == "within_class":
        fits, needs = largest >= 3, "a group of three items"
    else:
        fits, needs = n >= 2 and largest >= 2, "two groups, one of them of two items"
    if not fits:
        msg = f"{sampling} needs {needs}; got {counted(n, 'group')}, the largest of {counted(largest, 'item')}."
        raise ValueError(msg)


def sample_block(groups: Groups, block: int, n: int, rules: Sequence[str], weight: str, seed: int) -> IntArray:
    """Return the first ``n`` triplets of a block: a function of groups, rules, seed and block alone."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block,)))
    drawn = [_RULES[rule](groups, rng, weight == "group")[: -(-n // len(rules))] for rule in rules]
    places = np.stack(drawn, axis=1).reshape(-1, 3)  # rules take turns
    return groups.order[places[:n]]


def _border(groups: Groups, rng: np.random.Generator, by_group: bool) -> IntArray:
    first = _group(groups, rng, groups.sizes >= 2, by_group)
    pair = _different(groups, rng, first, 2)
    return np.column_stack([*pair, _outside(groups, rng, [first], by_group)])


def _within(groups: Groups, rng: np.random.Generator, by_group: bool) -> IntArray:
    return np.column_stack(_different(groups, rng, _group(groups, rng, groups.sizes >= 3, by_group), 3))


def _between(groups: Groups, rng: np.random.Generator, by_group: bool) -> IntArray:
    if by_group:
        return np.column_stack([_member(groups, rng, g) for g in _distinct(rng, len(groups.sizes), 3)])
    first = rng.integers(groups.n_items, size=BLOCK)
    g = _group_of(groups, first)
    second = _outside(groups, rng, [g], by_group)
    return np.column_stack([first, second, _outside(groups, rng, [g, _group_of(groups, second)], by_group)])


_RULES = {"cluster_border": _border, "class_border": _border, "between_class": _between, "within_class": _within}


def _group(groups: Groups, rng: np.random.Generator, eligible: BoolArray, by_group: bool) -> IntArray:
    """Return groups among those that are large enough, each with the same chance, or as many as they have items."""
    among = np.flatnonzero(eligible)
    if by_group:
        return among[rng.integers(len(among), size=BLOCK)]
    ends = np.cumsum(groups.sizes[among])
    return among[np.searchsorted(ends, rng.integers(ends[-1], size=BLOCK), side="right")]


def _member(groups: Groups, rng: np.random.Generator, group: IntArray) -> IntArray:
    return groups.starts[group] + rng.integers(groups.sizes[group])


def _different(groups: Groups, rng: np.random.Generator, group: IntArray, k: int) -> list[IntArray]:
    """Return ``k`` different places within each group."""
    return [groups.starts[group] + one for one in _distinct(rng, groups.sizes[group], k)]


def _distinct(rng: np.random.Generator, n: IntArray | int, k: int) -> list[IntArray]:
    """Return ``k`` different numbers below ``n``, every ordered choice with the same chance."""
    chosen: list[IntArray] = []
    for i in range(k):
        number = rng.integers(np.broadcast_to(np.asarray(n) - i, BLOCK))
        for taken in np.sort(np.array(chosen).reshape(i, BLOCK), axis=0):
            number = number + (number >= taken)  # steps over those that are taken, from the lowest on
        chosen.append(number)
    return chosen


def _outside(groups: Groups, rng: np.random.Generator, taken: list[IntArray], by_group: bool) -> IntArray:
    """Return places in other groups than those taken: one or two different ones for each triplet."""
    barred = np.sort(np.array(taken), axis=0)
    if by_group:
        group = rng.integers(len(groups.sizes) - len(barred), size=BLOCK)
        for one in barred:
            group += group >= one
        return _member(groups, rng, group)
    place = rng.integers(groups.n_items - groups.sizes[barred].sum(axis=0))
    for one in barred:
        place += np.where(place >= groups.starts[one], groups.sizes[one], 0)
    return place


def _group_of(groups: Groups, places: IntArray) -> IntArray:
    found: AnyArray = np.searchsorted(groups.starts, places, side="right") - 1
    return found
