"""Balanced lists of odd-one-out trials for a study of one's own."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from alignkit._check import as_labels, check_count, check_n_items, check_probability, counted
from alignkit._random import as_rng
from alignkit._typing import AnyArray, IntArray, RNGLike
from alignkit.data._balanced_triples import all_triples, balanced_triples, pair_counts
from alignkit.data._catch_trials import draw_catch_trials
from alignkit.data._study_precision import (
    StudyAssumptions,
    accuracy_se,
    ceiling_precision,
    difference_se,
    pair_se,
)
from alignkit.data._triplet_design import Coverage, ExpectedPrecision, TripletDesign

#: More trials than any study has; and more distinct triplets than are listed one by one.
MAX_TRIALS = 2_000_000
_ORDERS = np.array([(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
_PLACE_OF_LAST = np.argmax(_ORDERS == 2, axis=1)
#: How many people answer a shared triplet where nothing is asked for: as in THINGS.
_PEOPLE = 20


@dataclasses.dataclass(frozen=True, slots=True)
class _Sizes:
    """How many trials of each kind a list has, how many triplets are shared, and among how many people."""

    people: int
    main: int
    shared: int
    retest: int
    catch: int
    pool: int

    @property
    def answers(self) -> int:
        return self.main + self.shared + self.retest + self.catch


def design_triplets(
    labels: Iterable[Any],
    /,
    *,
    n_people: int,
    n_answers: int,
    shared: float = 0.1,
    people_per_triplet: int | None = None,
    retest: float = 0.05,
    catch: float | None = None,
    groups: Iterable[Any] | None = None,
    assume: StudyAssumptions | None = None,
    rng: RNGLike = 0,
) -> TripletDesign:
    r"""Make one list of odd-one-out trials per person that show every pair of items about equally often.

    Triplets are chosen one after another: the item shown least so far, the partner that it met least, and the third
    that both met least, ties at random and no triplet twice, unless there are fewer triplets than the budget asks for.
    People get consecutive stretches, so that each sees the items about equally often too. Within a list the order is
    random, the positions on the screen are balanced, and what is shown again stands in the second half.

    Parameters
    ----------
    labels : sequence of str
        Names of the items (image files, say), at least 4.
    n_people, n_answers : int
        The budget: people, and trials per person, all kinds together.
    shared : float
        Share of a list that is answered by other people too: what the human ceiling is estimated from.
    people_per_triplet : int, optional
        How many people answer a shared triplet (about); by default 20 or, if fewer, all.
    retest : float
        Share of a list that shows earlier trials again: a person's own consistency.
    catch : float, optional
        Share of a list that are catch trials, two items of one group and one of another; by default .05 where
        ``groups`` are given, else none.
    groups : sequence of str, shape (items,), optional
        Group of each item (its object, where several photos show one; or a coarse category): nobody who looks may doubt
        which of three is the odd one.
    assume : StudyAssumptions, optional
        What the expected precision assumes.
    rng : Generator, int or None
        Seed; the same seed gives the same lists.

    Returns
    -------
    TripletDesign
        The lists, their coverage, and the expected precision, by these closed forms (p accuracy, s_P and s_T standard
        deviations of the true accuracy over people and triplets, r correlation of two models' hits, n_p and n_t answers
        of a person and to a triplet, N in all; retests and catch trials do not count):

        - accuracy, :math:`SE^2 = (p(1-p) - s_P^2 - s_T^2)/N + s_P^2 \sum (n_p/N)^2 + s_T^2 \sum (n_t/N)^2`;
          of one person :math:`p(1-p)/n_p`
        - difference of two models detected, :math:`(z_{1-\alpha/2} + z_{power}) \sqrt{2(1-r)}\, SE`
        - a pair's probability, :math:`\sqrt{q(1-q)/n}`, q = 1/3, n triplets that show it
        - the leave-one-out ceiling, :math:`\sqrt{v/m}` for m shared triplets, v the variance of a triplet's agreement
          where its counts are Dirichlet-multinomial (:math:`\alpha` set by the expected agreement)

    Raises
    ------
    ValueError
        Fewer than 4 items, shares that leave nothing or exceed 1, more trials than a person can see without repeats,
        catch trials without groups, groups of which none has two items, or that are all one, or a person who sees all
        that could be catch trials as ordinary ones.
    TypeError
        Numbers of people or trials that are not whole.

    References
    ----------
    Hebart et al. (2020), Nature Human Behaviour 4, 1173-1185 (task, shared triplets).
    https://doi.org/10.1038/s41562-020-00951-3

    Examples
    --------
    >>> names = [f"{group}{i}.jpg" for group in ("cat", "car") for i in range(10)]
    >>> design = design_triplets(names, n_people=30, n_answers=40, groups=[name[:3] for name in names])
    >>> design.kinds()
    {'main': 32, 'shared': 4, 'retest': 2, 'catch': 2}
    >>> design.coverage.pair_min, design.coverage.pair_max
    (15, 16)
    """
    names = as_labels("labels", labels)
    check_n_items("labels", len(names), 4)
    sizes = _as_sizes(len(names), n_people, n_answers, shared, people_per_triplet, retest, catch, groups is not None)
    codes = None if groups is None else _group_codes(groups, len(names))
    generator = as_rng(rng)
    pool, own = _choose(len(names), sizes, generator)
    catches = (
        np.empty((sizes.people, 0, 3), dtype=np.int64)
        if codes is None or not sizes.catch
        else draw_catch_trials(
            codes,
            sizes.catch,
            [np.concatenate([pool[_window(p, sizes)], own[p]]) for p in range(sizes.people)],
            generator,
        )
    )
    lists = [_one_list(sizes, pool[_window(p, sizes)], own[p], catches[p], generator) for p in range(sizes.people)]
    items, kind, expected = (np.concatenate(parts) for parts in zip(*lists, strict=True))
    assumed = StudyAssumptions() if assume is None else assume
    coverage = _coverage(np.concatenate([pool, own.reshape(-1, 3)]), len(names))
    return TripletDesign(
        labels=names,
        person=np.repeat(np.arange(1, sizes.people + 1), sizes.answers),
        trial=np.tile(np.arange(1, sizes.answers + 1), sizes.people),
        items=items,
        trial_kind=kind,
        expected=expected,
        triplet=np.unique(np.sort(items, axis=1), axis=0, return_inverse=True)[1].reshape(-1),
        n_people=sizes.people,
        n_answers=sizes.answers,
        n_shared=len(pool),
        people_per_triplet=sizes.people * sizes.shared / len(pool) if len(pool) else 0.0,
        coverage=coverage,
        precision=_precision(sizes, coverage, own, assumed),
        **{field.name: getattr(assumed, field.name) for field in dataclasses.fields(assumed)},
        seed=None if rng is None or isinstance(rng, np.random.Generator) else int(rng),
    )


def _as_sizes(
    n_items: int,
    n_people: int,
    n_answers: int,
    shared: float,
    people_per_triplet: int | None,
    retest: float,
    catch: float | None,
    grouped: bool,
) -> _Sizes:
    people, answers = check_count("n_people", n_people, 1), check_count("n_answers", n_answers, 1)
    if people * answers > MAX_TRIALS:
        msg = f"n_people x n_answers is {people * answers:,}, more than the {MAX_TRIALS:,} trials allowed."
        raise ValueError(msg)
    share = {"shared": shared, "retest": retest, "catch": (0.05 if grouped else 0.0) if catch is None else catch}
    n_shared, n_retest, n_catch = (round(check_probability(name, value) * answers) for name, value in share.items())
    if n_catch and not grouped:
        msg = "catch trials need groups=: which items are alike (the object they show, or a coarse category)."
        raise ValueError(msg)
    together = _PEOPLE if people_per_triplet is None else check_count("people_per_triplet", people_per_triplet, 2)
    if people_per_triplet is not None and together > people:
        msg = f"people_per_triplet must be at most n_people ({people}); got {together}."
        raise ValueError(msg)
    n_shared = n_shared if people > 1 else 0  # nobody to share with
    pool = max(round(people * n_shared / min(together, people)), n_shared)
    main = answers - n_shared - n_retest - n_catch
    if main < 0 or main + n_shared < n_retest or main + n_shared == 0:
        msg = f"shared, retest and catch leave {max(main, 0)} of {answers} trials; lower them."
        raise ValueError(msg)
    total = math.comb(n_items, 3)
    if main + pool > total:
        msg = (
            f"{n_items} items make {total:,} triplets, fewer than the {main + pool:,} that a list and the shared "
            "triplets need; ask for fewer answers of each person, or shared ones."
        )
        raise ValueError(msg)
    return _Sizes(people, main, n_shared, n_retest, n_catch, pool)


def _group_codes(groups: Iterable[Any], n: int) -> IntArray:
    names = as_labels("groups", groups, n, unique=False)
    codes: IntArray = np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)
    size = np.bincount(codes)
    if len(size) < 2 or size.max() < 2:
        msg = (
            f"groups must be at least two, one of them with two items; got {counted(len(size), 'group')} of {n} items."
        )
        raise ValueError(msg)
    return codes


def _choose(n_items: int, sizes: _Sizes, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return the shared triplets, shape (pool, 3), and everybody's own, shape (people, main, 3)."""
    own = sizes.people * sizes.main
    if sizes.pool + own <= math.comb(n_items, 3):
        chosen = balanced_triples(n_items, sizes.pool + own, rng)
        return chosen[: sizes.pool], chosen[sizes.pool :].reshape(sizes.people, sizes.main, 3)
    # more answers than triplets: everybody gets those that fewest people have
    pool = np.sort(balanced_triples(n_items, sizes.pool, rng), axis=1)
    everything = all_triples(n_items)
    shared = {tuple(row) for row in pool.tolist()}
    others = everything[[tuple(row) not in shared for row in everything.tolist()]]
    used = np.zeros(len(others))
    dealt = np.empty((sizes.people, sizes.main, 3), dtype=np.int64)
    for p in range(sizes.people):
        rows = np.argsort(used + rng.random(len(others)), kind="stable")[: sizes.main]
        used[rows] += 1
        dealt[p] = others[rows]
    return pool, dealt


def _window(p: int, sizes: _Sizes) -> IntArray:
    """Return which shared triplets person p answers: neighbours on a circle, so that each has as many people."""
    return (p * sizes.shared + np.arange(sizes.shared)) % max(sizes.pool, 1)


def _one_list(
    sizes: _Sizes, shared: IntArray, main: IntArray, catch: IntArray, rng: np.random.Generator
) -> tuple[IntArray, AnyArray, IntArray]:
    """Return a person's trials in their order, shape (n, 3), the kind of each and the odd one expected (or -1)."""
    items = np.concatenate([main, shared, catch])
    kind = np.repeat(["main", "shared", "catch"], [sizes.main, sizes.shared, sizes.catch])
    order = rng.permutation(len(items))
    half = (sizes.answers + 1) // 2
    usable = np.flatnonzero(kind[order[:half]] != "catch")
    if len(usable) < sizes.retest:  # as many of the first half as are needed are moved there
        order = np.concatenate([order[kind[order] != "catch"], order[kind[order] == "catch"]])
        usable = np.arange(min(half, sizes.main + sizes.shared))
    again = order[rng.choice(usable, size=min(sizes.retest, len(usable)), replace=False)]
    late = rng.permutation(np.concatenate([order[half:], again + len(items)]))
    places = np.concatenate([order[:half], late])
    kind = np.concatenate([kind, np.full(len(items), "retest")])[places]
    items = items[places % len(items)]
    # the last column of a catch trial is its odd one until the positions are drawn
    expected = np.where(kind == "catch", items[:, 2], -1)
    return np.take_along_axis(items, _screen_orders(kind == "catch", rng), axis=1), kind, expected


def _screen_orders(catch: AnyArray, rng: np.random.Generator) -> IntArray:
    """Return an order of the three items per trial: the six equally often, and among catch trials by themselves."""
    orders = np.empty((len(catch), 3), dtype=np.int64)
    for mask in (catch, ~catch):
        n = int(mask.sum())
        deck = np.concatenate([_balanced_six(rng) for _ in range(math.ceil(n / 6))]) if n else np.empty(0, np.int64)
        orders[mask] = _ORDERS[rng.permutation(deck[:n])]
    return orders


def _balanced_six(rng: np.random.Generator) -> IntArray:
    """Return the six orders at random, such that the first three put the last item into three different places."""
    by_place = np.stack([rng.permutation(np.flatnonzero(place == _PLACE_OF_LAST)) for place in range(3)])
    return np.concatenate([rng.permutation(by_place[:, 0]), rng.permutation(by_place[:, 1])])


def _coverage(triplets: IntArray, n_items: int) -> Coverage:
    distinct = np.unique(np.sort(triplets, axis=1), axis=0)
    pairs = pair_counts(distinct, n_items)
    items = np.bincount(distinct.ravel(), minlength=n_items)
    return Coverage(
        n_triplets=len(distinct),
        item_min=int(items.min()),
        item_mean=float(items.mean()),
        item_max=int(items.max()),
        pair_min=int(pairs.min()),
        pair_mean=float(pairs.mean()),
        pair_max=int(pairs.max()),
        pairs_unseen=int((pairs == 0).sum()),
        pair_shown=pairs,
    )


def _precision(sizes: _Sizes, coverage: Coverage, own: IntArray, assumed: StudyAssumptions) -> ExpectedPrecision:
    per_person = np.full(sizes.people, sizes.main + sizes.shared)
    _, per_own = np.unique(np.sort(own.reshape(-1, 3), axis=1), axis=0, return_counts=True)
    windows = [_window(p, sizes) for p in range(sizes.people)]
    per_shared = np.bincount(np.concatenate(windows), minlength=sizes.pool) if sizes.pool else np.empty(0, np.int64)
    overall = accuracy_se(assumed, per_person, np.concatenate([per_own, per_shared]))
    person = math.sqrt(assumed.variance / int(per_person[0]))
    n_together = round(float(per_shared.mean())) if sizes.pool else 0
    ceiling, ceiling_se = ceiling_precision(assumed.agreement, sizes.pool, n_together)
    agreement = assumed.agreement
    return ExpectedPrecision(
        accuracy_se=overall,
        person_se=person,
        ceiling=ceiling,
        ceiling_se=ceiling_se,
        pair_se=pair_se(coverage.pair_mean),
        pair_se_worst=pair_se(coverage.pair_min),
        retest_se=math.sqrt(agreement * (1 - agreement) / sizes.retest) if sizes.retest else float("nan"),
        detectable=assumed.z_detect * difference_se(assumed, overall),
        detectable_person=assumed.z_detect * difference_se(assumed, person),
    )
