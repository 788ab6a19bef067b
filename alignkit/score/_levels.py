"""Levels: odd-one-out answers at three levels of abstraction, with people's temperatures and response times."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.data import Levels
from alignkit.rsa import Triplets, choice_entropy, choice_probabilities, fit_person_temperatures
from alignkit.rsa._grouping import group_codes, group_triplets, sum_groups
from alignkit.score._match import match_names, share_items
from alignkit.score._paired import bootstrap_mean
from alignkit.score._row import NOT_FITTED, Scored, ScoreRow, Settings, Unit
from alignkit.score._suite import Candidate, join_scored
from alignkit.score._suite_parts import SuitePart
from alignkit.score._triplets import Answers, Battery, ceiling_of, score_triplets, triplet_baselines

#: Fewer answers of a person say nothing of a correlation within that person.
MIN_TIMED = 10
#: Fewer answers at a level are not scored.
MIN_ANSWERS = 30
TIME = "spearman of model uncertainty and response time, within people"
PERSONAL = "cross-entropy (nats), T of each person"
R_SQUARED = "McFadden R2, T of each person"
_FITTED = "; softmax temperature of each person fitted on other triplets (5 folds)"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Level:
    name: str
    rows: BoolArray
    answers: Answers


def score_levels(candidates: Sequence[Candidate], levels: Levels, settings: Settings) -> SuitePart | str:
    """Score on the answers whose images all models have, level by level; a sentence where there are too few."""
    known = levels.triplets.labels or ()
    having = [match_names(candidate, known, settings) for candidate in candidates]
    having = [(one, text) for one, text in having if len(set(one.labels) & set(known)) >= 3]
    if not having:
        return f"no model has its {len(known):,} images ({', '.join(known[:2])} ...)."
    shared = set(known).intersection(*(one.labels for one, _ in having))
    place = np.array([label in shared for label in known])
    kept: BoolArray = np.asarray(place[levels.triplets.items].all(axis=1))
    if kept.sum() < MIN_ANSWERS:
        return f"{int(kept.sum())} answers show only images that the models have; at least {MIN_ANSWERS} are needed."
    matched = share_items([one for one, _ in having], known, "levels", {settings.kernel}, [text for _, text in having])
    triplets = levels.triplets.take(kept).restrict(matched.shared)
    parts = _levels(triplets, levels.level[kept])
    scored = {
        c.name: _score_one(c.name, c.take(matched.shared), triplets, parts, settings, c.split)
        for c in matched.candidates
    }
    battery = Battery.of([one.answers for one in parts])
    baselines = triplet_baselines(matched.candidates[0].take(matched.shared), battery, settings)
    return SuitePart(scored, tuple(baselines), tuple(f"Levels: {note}" for note in matched.notes))


def _levels(triplets: Triplets, level: Any) -> list[_Level]:
    found = []
    for name in ("global", "local", "class border"):
        rows = np.asarray(level == name)
        if rows.sum() >= MIN_ANSWERS:
            own = triplets.take(rows)
            ceiling = ceiling_of(own)
            found.append(_Level(name, rows, Answers(f"Levels {name}", own, ceiling, repeated=ceiling is not None)))
    return found


def _score_one(
    name: str, x: FloatArray, triplets: Triplets, parts: Sequence[_Level], settings: Settings, split: str | None
) -> Scored:
    people = _People.fit(x, triplets, settings)
    scored = []
    for part in parts:
        own = score_triplets(name, x, part.answers, settings, split=split)
        template = _bare(own.rows[0])
        scored += [own, people.costs(template, part), people.times(template, part, settings)]
    return join_scored(scored)


def _bare(row: ScoreRow) -> ScoreRow:
    """Return a line of the same model and part, but for what is measured."""
    nothing: dict[str, Any] = dict.fromkeys(("low", "high", "people_low", "people_high"), math.nan)
    nothing |= dict.fromkeys(("ceiling_low", "ceiling_high", "percent_of_ceiling"), math.nan)
    return dataclasses.replace(row, **nothing, ceiling="", primary=False)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _People:
    """What a model says of single people's answers, over all levels together."""

    triplets: Triplets
    cost: FloatArray
    """Held-out cost of each answer, at its person's temperature; empty where people are unknown."""
    entropy: FloatArray
    """Of the model, in each answer's triplet, at everybody's temperature."""

    @classmethod
    def fit(cls, x: FloatArray, triplets: Triplets, settings: Settings) -> _People:
        """Fit people's temperatures and compute the model's uncertainty."""
        if triplets.participant is None:
            return cls(triplets, np.zeros(0), np.zeros(0))
        options: dict[str, Any] = {"kernel": settings.kernel}
        fit = fit_person_temperatures(x, triplets, rng=settings.seed, **options)
        assert fit.per_answer is not None
        if not math.isfinite(fit.pooled):
            return cls(triplets, fit.per_answer, np.full(len(triplets), np.nan))
        p = choice_probabilities(x, triplets, temperature=fit.pooled, **options)
        return cls(triplets, fit.per_answer, choice_entropy(p))

    def costs(self, template: ScoreRow, part: _Level) -> Scored:
        """Return the cross-entropy at temperatures of single people, and McFadden's share of it."""
        if not len(self.cost):
            return Scored(())
        cost = self.cost[part.rows]
        value = float(cost.mean())
        row = dataclasses.replace(
            template,
            measure=PERSONAL,
            value=value,
            over="triplets",
            higher_is_better=False,
            split=template.split + _FITTED,
        )
        share = dataclasses.replace(
            row, measure=R_SQUARED, value=1 - value / math.log(3), higher_is_better=True, over=""
        )
        items = part.answers.triplets.items
        return Scored((row, share), (Unit(row, cost, group_triplets(items)[1], items),))

    def times(self, template: ScoreRow, part: _Level, settings: Settings) -> Scored:
        """Return how uncertainty goes with response time within people, beside other people's times."""
        seconds = part.answers.triplets.response_time
        if not len(self.entropy) or seconds is None:
            return Scored(())
        n_people, person = group_codes(part.answers.triplets.participant)  # type: ignore[arg-type]
        found = within_people(self.entropy[part.rows], seconds, person, n_people)
        if not np.isfinite(found).any():
            return Scored(())
        others = within_people(times_of_others(part.answers.triplets), seconds, person, n_people)
        known = np.isfinite(others)
        used = found[np.isfinite(found)]
        low, high = bootstrap_mean(used, settings)
        row = dataclasses.replace(
            template,
            measure=TIME,
            value=float(used.mean()),
            low=low,
            high=high,
            over="people",
            n=len(used),
            ceiling_low=float(others[known].mean()) if known.sum() >= 3 else math.nan,
            ceiling="others' mean log time on the same triplets" if known.sum() >= 3 else "",
            split=f"{NOT_FITTED}; one temperature for everybody",
        )
        return Scored((row,), (Unit(row, used),))


def within_people(a: FloatArray, b: FloatArray, person: IntArray, n_people: int) -> FloatArray:
    """Return the Spearman correlation within each person; NaN with fewer than ``MIN_TIMED`` answers or no variation."""
    from scipy.stats import rankdata

    result = np.full(n_people, np.nan)
    order = np.argsort(person, kind="stable")
    for k, rows in enumerate(np.split(order, np.cumsum(np.bincount(person, minlength=n_people))[:-1])):
        known = rows[np.isfinite(a[rows]) & np.isfinite(b[rows])]
        if len(known) < MIN_TIMED:
            continue
        ranks = [rankdata(side[known]) - (len(known) + 1) / 2 for side in (a, b)]
        size = math.sqrt(float((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
        result[k] = float((ranks[0] * ranks[1]).sum()) / size if size > 0 else math.nan
    return result


def times_of_others(triplets: Triplets) -> FloatArray:
    """Return, for each answer, the mean log response time of other people on the same triplet; NaN without any."""
    assert triplets.response_time is not None
    assert triplets.participant is not None
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(triplets.response_time)
    known = np.isfinite(log)
    unique, code = group_triplets(triplets.items)
    n_cells, cell = group_codes(code * (int(group_codes(triplets.participant)[0]) + 1) + _number(triplets.participant))
    total, count = (
        sum_groups(np.where(known, side, 0.0), code, len(unique))[code]
        - sum_groups(np.where(known, side, 0.0), cell, n_cells)[cell]
        for side in (log, np.ones(len(log)))
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0.5, total / count, np.nan)


def _number(values: Any) -> IntArray:
    return group_codes(values)[1]
