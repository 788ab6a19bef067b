"""Participants whose answers should not count, by rules named beforehand, each with their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit._check import check_count, check_fraction, check_not_negative, check_probability, counted, join_names
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.data._exclusion import RULES, Exclusion, ExclusionRules
from alignkit.rsa import Triplets

_N_POSITIONS = 3


def exclude_participants(
    triplets: Triplets,
    /,
    *,
    catch: Triplets | None = None,
    min_catch: float | None = None,
    min_rt: float | None = None,
    max_rt: float | None = None,
    max_fast: float = 0.1,
    max_slow: float = 0.1,
    side_bias: float | None = None,
    max_share: float = 0.5,
    min_answers: int = 0,
) -> Exclusion:
    """Leave out people who did not do the task, by rules named beforehand, and say person by person why.

    Parameters
    ----------
    triplets : Triplets
        Answers with participants; response times and positions for the rules on them.
    catch : Triplets, optional
        Catch trials, the odd one expected last (``TripletDesign.catch_trials()``). Answers to the same three items are
        scored, and never count as answers.
    min_catch : float, optional
        Least share of catch trials answered as expected; by default .8 where ``catch`` is given. People who met none
        pass.
    min_rt, max_rt : float, optional
        Seconds. Answers outside are dropped; people with too many of them are left out.
    max_fast, max_slow : float
        How large a share of a person's timed answers may lie below ``min_rt`` and above ``max_rt``.
    side_bias : float, optional
        Leave out people whose most frequent position is more frequent than chance (binomial, 1/3, times three, below
        this level) and exceeds ``max_share``.
    max_share : float
        Share of answers at one position that is tolerated: in many answers, small biases are certain and harmless.
    min_answers : int
        Least number of answers, catch trials apart.

    Returns
    -------
    Exclusion
        The answers that stay, and a table of everybody with the numbers behind every rule.

    Raises
    ------
    ValueError
        No rule asked for, no participants, a rule whose data are missing, catch trials that nobody answered or whose
        items have other names, or nobody who stays.
    TypeError
        Something else than triplets.

    Examples
    --------
    >>> items = [[0, 1, 2], [0, 1, 3], [1, 2, 3]] * 2
    >>> answers = Triplets(items, participant=["a"] * 3 + ["b"] * 3, response_time=[1, 2, 1, 0.1, 0.1, 0.2])
    >>> exclude_participants(answers, min_rt=0.25)
    <Exclusion 1 of 2 people left out (too fast 1); 3 answers stay
      b: too fast>
    """
    rules = _as_rules(catch, min_catch, min_rt, max_rt, max_fast, max_slow, side_bias, max_share, min_answers)
    _check_data(triplets, catch, rules)
    names, person = np.unique(np.asarray(triplets.participant), return_inverse=True)
    expected = _expected(triplets, catch)
    numbers = _numbers(triplets, person, len(names), expected, rules)
    reason = tuple(_reason(rules, numbers, p) for p in range(len(names)))
    stays = np.array([not why for why in reason])
    kept = stays[person] & (expected < 0) & ~_outside(triplets, rules)
    if not kept.any():
        failed = ", ".join(rule for rule in RULES if any(rule in why for why in reason))
        msg = f"no answer stays: all {counted(len(names), 'participant')} fail a rule ({failed or 'response time'})."
        raise ValueError(msg)
    return Exclusion(
        kept=triplets.take(kept),
        participant=names,
        reason=reason,
        n_kept=np.bincount(person[kept], minlength=len(names)),
        rules=rules,
        **numbers,
    )


def _as_rules(
    catch: Triplets | None,
    min_catch: float | None,
    min_rt: float | None,
    max_rt: float | None,
    max_fast: float,
    max_slow: float,
    side_bias: float | None,
    max_share: float,
    min_answers: int,
) -> ExclusionRules:
    if min_catch is not None and catch is None:
        msg = "min_catch needs catch=: the catch trials with the odd one expected last."
        raise ValueError(msg)
    least = 0.8 if min_catch is None and catch is not None else min_catch
    asked = (least, min_rt, max_rt, side_bias)
    if all(value is None for value in asked) and not min_answers:
        msg = "no rule is asked for; give catch, min_rt, max_rt, side_bias or min_answers."
        raise ValueError(msg)
    for name, seconds in (("min_rt", min_rt), ("max_rt", max_rt)):
        if seconds is not None:
            check_not_negative(name, seconds)
    if min_rt is not None and max_rt is not None and min_rt >= max_rt:
        msg = f"min_rt must be below max_rt; got {min_rt:g} and {max_rt:g} seconds."
        raise ValueError(msg)
    return ExclusionRules(
        min_catch=None if least is None else check_probability("min_catch", least),
        min_rt=min_rt,
        max_rt=max_rt,
        max_fast=check_probability("max_fast", max_fast),
        max_slow=check_probability("max_slow", max_slow),
        side_bias=None if side_bias is None else check_fraction("side_bias", side_bias),
        max_share=check_probability("max_share", max_share),
        min_answers=check_count("min_answers", min_answers),
    )


def _check_data(triplets: Triplets, catch: object, rules: ExclusionRules) -> None:
    for name, value in (("triplets", triplets), ("catch", catch)):
        if not isinstance(value, Triplets) and not (name == "catch" and value is None):
            msg = f"{name} must be Triplets; got {type(value).__name__}."
            raise TypeError(msg)
    if triplets.participant is None:
        msg = "triplets must have participants; read them with participant=."
        raise ValueError(msg)
    if triplets.response_time is None and (rules.min_rt is not None or rules.max_rt is not None):
        msg = "min_rt and max_rt need response times; read the answers with response_time=."
        raise ValueError(msg)
    if triplets.position is None and rules.side_bias is not None:
        msg = "side_bias needs the positions on the screen; read the answers with position=."
        raise ValueError(msg)


def _expected(triplets: Triplets, catch: Triplets | None) -> IntArray:
    """Return the item expected to be the odd one of each answer; -1 where the trial is no catch trial."""
    result = np.full(len(triplets), -1, dtype=np.int64)
    if catch is None:
        return result
    number = np.arange(catch.n_items)
    if (catch.labels is None) != (triplets.labels is None):
        msg = "catch and triplets must both have labels, or neither: item numbers alone may mean other items."
        raise ValueError(msg)
    if catch.labels is not None and triplets.labels is not None:
        place = {label: i for i, label in enumerate(triplets.labels)}
        shown = {catch.labels[i] for i in np.unique(catch.items)}
        unknown = sorted(shown - set(place))
        if unknown:
            msg = f"catch names items that the answers do not have: {join_names(unknown)}."
            raise ValueError(msg)
        number = np.array([place.get(label, -1) for label in catch.labels])
    odd = {tuple(sorted(row)): row[2] for row in number[catch.items].tolist()}
    for i, row in enumerate(np.sort(triplets.items, axis=1).tolist()):
        result[i] = odd.get(tuple(row), -1)
    if (result < 0).all():
        msg = f"nobody answered any of the {counted(len(odd), 'catch trial')}; check the names of the items."
        raise ValueError(msg)
    return result


def _outside(triplets: Triplets, rules: ExclusionRules) -> BoolArray:
    time = triplets.response_time
    result = np.zeros(len(triplets), dtype=np.bool_)
    if time is not None and rules.min_rt is not None:
        result |= time < rules.min_rt
    if time is not None and rules.max_rt is not None:
        result |= time > rules.max_rt
    return result


def _numbers(
    triplets: Triplets, person: IntArray, n_people: int, expected: IntArray, rules: ExclusionRules
) -> dict[str, Any]:
    caught = expected >= 0
    n_catch = np.bincount(person[caught], minlength=n_people)
    right = np.bincount(person[caught & (triplets.items[:, 2] == expected)], minlength=n_people)
    time = np.full(len(triplets), np.nan) if triplets.response_time is None else triplets.response_time
    nothing = np.full(n_people, np.nan)
    timed = np.bincount(person[~np.isnan(time)], minlength=n_people)
    fast = slow = nothing
    if rules.min_rt is not None:
        fast = _share(np.bincount(person[time < rules.min_rt], minlength=n_people), timed)
    if rules.max_rt is not None:
        slow = _share(np.bincount(person[time > rules.max_rt], minlength=n_people), timed)
    side, side_share, side_p = _sides(triplets, person, n_people, ~caught)
    return {
        "n": np.bincount(person[~caught], minlength=n_people),
        "n_catch": n_catch,
        "catch_accuracy": _share(right, n_catch),
        "median_rt": _medians(time, person, n_people),
        "fast": fast,
        "slow": slow,
        "side": side,
        "side_share": side_share,
        "side_p": side_p,
    }


def _share(part: IntArray, whole: IntArray) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return np.asarray(part / np.where(whole > 0, whole, np.nan), dtype=np.float64)


def _medians(time: FloatArray, person: IntArray, n_people: int) -> FloatArray:
    order = np.argsort(person, kind="stable")
    parts = np.split(time[order], np.cumsum(np.bincount(person, minlength=n_people))[:-1])
    known = [part[~np.isnan(part)] for part in parts]
    return np.array([np.median(part) if len(part) else np.nan for part in known], dtype=np.float64)


def _sides(
    triplets: Triplets, person: IntArray, n_people: int, counts_for: BoolArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return everybody's most frequent position, its share, and the binomial probability of so many."""
    from scipy.stats import binom

    if triplets.position is None:
        nothing = np.full(n_people, np.nan)
        return np.zeros(n_people, dtype=np.int64), nothing, nothing
    place = person[counts_for] * _N_POSITIONS + triplets.position[counts_for] - 1
    counts = np.bincount(place, minlength=n_people * _N_POSITIONS).reshape(n_people, _N_POSITIONS)
    n, most = counts.sum(axis=1), counts.max(axis=1)
    p = np.minimum(_N_POSITIONS * binom.sf(most - 1, n, 1 / _N_POSITIONS), 1.0)
    side = np.where(n > 0, counts.argmax(axis=1) + 1, 0)
    return side, _share(most, n), np.where(n > 0, p, np.nan)


def _reason(rules: ExclusionRules, numbers: dict[str, Any], p: int) -> str:
    """Return the rules that a person fails; a number that is not known (NaN) fails none."""

    def below(name: str, least: float | None) -> bool:
        return least is not None and bool(numbers[name][p] < least)

    def above(name: str, most: float) -> bool:
        return bool(numbers[name][p] > most)

    failed = (
        below("catch_accuracy", rules.min_catch),
        above("fast", rules.max_fast),
        above("slow", rules.max_slow),
        below("side_p", rules.side_bias) and above("side_share", rules.max_share),
        below("n", rules.min_answers),
    )
    return ", ".join(rule for rule, fails in zip(RULES, failed, strict=True) if fails)
