"""Personal models: weights on a group's dimensions, fitted to one person's own answers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np

from alignkit._check import as_float_array, as_labels, check_count, check_finite, check_positive, counted, join_names
from alignkit._random import spawn
from alignkit._typing import AnyArray, FloatArray, IntArray, RNGLike
from alignkit.models import Features
from alignkit.rsa import Triplets
from alignkit.rsa._intervals import check_bootstrap
from alignkit.rsa._similarity_matrix import as_triplets, check_range
from alignkit.train.hba._personal_compare import hold_out
from alignkit.train.hba._personal_fit import People, Prior, fit_people
from alignkit.train.hba._personal_result import PersonalModels
from alignkit.train.hba._personal_tests import Bootstrap, compare_people, describe_person


def fit_personal(
    group: object,
    triplets: object,
    /,
    *,
    subject: str | int | None = None,
    prior: Prior | None = None,
    labels: Iterable[Any] | None = None,
    dimensions: Iterable[Any] | None = None,
    n_folds: int = 5,
    n_repeats: int = 1,
    fitted_to: str = "",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: RNGLike = 0,
) -> PersonalModels:
    r"""Fit single people's weights on the dimensions of a group's embedding, and say what they are worth.

    Person p keeps items i and j together, rather than i and k or j and k, with probability

    .. math:: \frac{e^{s_{ij}}}{e^{s_{ij}} + e^{s_{ik}} + e^{s_{jk}}}, \qquad
              s_{ij} = e^{b_p} \sum_d e^{w_{pd}} x_{id} x_{jd}

    The log weights w have a Gaussian prior around those of all people's answers together (which recalibrates the
    group, and so is no individual difference), the log scale b another. Its spread is, by default, the one that makes
    everybody's answers likeliest (empirical Bayes, Laplace's method). Models are scored on folds of triplets that
    neither they, nor the shared weights, nor the spread were fitted to, whoever answered them; those that are returned
    are fitted to all answers.

    Parameters
    ----------
    group : array_like, shape (items, dimensions), or Features
        The group's embedding, such as SPoSE or the output of a trained model, in units in which dot products count.
    triplets : Triplets
        Odd-one-out answers that say who gave them.
    subject : str or int, optional
        Whose model is asked for, by the id as the data have it; ``"all"``, or None: everybody's. The others' are
        fitted in any case, to be compared with.
    prior : float or {"people", "person"}, optional
        Precision of the prior of log weights (large: held to the group), or how it is found: from all people's
        training answers (the default), or for each person alone, by cross-validation on the own training answers.
    labels : sequence of str, shape (items,), optional
        Names of the rows of ``group``; answers about other items are left out.
    dimensions : sequence of str, shape (dimensions,), optional
        Names of the columns.
    n_folds, n_repeats : int
        Folds of triplets, and rounds with other folds.
    fitted_to : str
        What the group's embedding was itself fitted to, where that may include these answers; it is repeated in
        every row, as scores are then possibly optimistic (the group's, and all models' that start from it).
    n_bootstrap : int
        Resamples for every interval; 0 for none.
    confidence : float
        Coverage of the intervals.
    rng : Generator, int or None
        Seed of folds and resamples.

    Returns
    -------
    PersonalModels

    Raises
    ------
    ValueError
        An id that nobody has, answers without participants, or items beyond the embedding.
    TypeError
        Not real numbers.

    References
    ----------
    Hebart et al. (2020), Nature Human Behaviour 4, 1173-1185 (odd-one-out likelihood).
    https://doi.org/10.1038/s41562-020-00951-3

    Carroll & Chang (1970), Psychometrika 35, 283-319 (people as weights on common dimensions).
    https://doi.org/10.1007/BF02310791

    Examples
    --------
    >>> from alignkit.data import simulate
    >>> lab = simulate(24, n_participants=4, n_triplets=400, individuality=0, rng=1)
    >>> models = fit_personal(lab.embedding, lab.triplets, subject="p002", n_bootstrap=0)
    >>> models["p002"].n_answers, models.log_weights.shape
    (100, (4, 12))
    """
    x, names = _as_group(group, labels)
    answers, notes = as_answers(triplets, x, names)
    subjects, person = number_people(answers)
    asked = asked_people(subject, subjects)
    how = _check_prior(prior)
    check_count("n_folds", n_folds, 2)
    check_count("n_repeats", n_repeats, 1)
    check_bootstrap(n_bootstrap, confidence)
    columns = _name_dimensions(dimensions, x.shape[1])

    fold_rng, fit_rng, people_rng, *rngs = spawn(rng, 3 + len(subjects))
    people = People.of(x, answers.items, person)
    held = hold_out(people, answers.items, how, n_folds=n_folds, n_repeats=n_repeats, rng=fold_rng)
    fit = fit_people(people, np.ones(len(answers), dtype=bool), how, fit_rng)
    bootstrap = Bootstrap(n_bootstrap, confidence)
    described = [
        describe_person(subjects[k], answers, np.flatnonzero(person == k), held, bootstrap, rngs[k]) for k in asked
    ]
    return PersonalModels(
        people=tuple(described),
        tests=tuple(compare_people(held, person, bootstrap, people_rng)),
        subjects=subjects,
        matrix=held.matrix,
        log_weights=fit.theta[:, :-1],
        log_scale=fit.theta[:, -1],
        shared_log_weights=fit.shared[:-1],
        shared_log_scale=float(fit.shared[-1]),
        spread=fit.spread,
        dimensions=columns,
        prior=_describe_prior(how),
        split=describe_split(fitted_to),
        notes=notes,
        n_folds=n_folds,
        n_repeats=n_repeats,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
    )


def _as_group(group: object, labels: Iterable[Any] | None) -> tuple[FloatArray, tuple[str, ...] | None]:
    if isinstance(group, Features):
        labels = group.labels if labels is None else labels
        group = group.array()
    x = as_float_array("group", group, ndim=2)
    if len(x) < 3 or x.shape[1] == 0:
        msg = f"group must have at least three items and one dimension; got shape {x.shape}."
        raise ValueError(msg)
    check_finite("group", x)
    check_range(x, "dot")
    return x, None if labels is None else as_labels("labels", labels, len(x))


def as_answers(triplets: object, x: FloatArray, labels: tuple[str, ...] | None) -> tuple[Triplets, tuple[str, ...]]:
    answers = as_triplets(triplets)
    if answers.participant is None:
        msg = "the triplets do not say who gave the answers; build them with Triplets(items, participant=...)."
        raise ValueError(msg)
    notes: tuple[str, ...] = ()
    if labels is not None:
        kept = answers.restrict(labels)
        if len(kept) < len(answers):
            notes = (f"{len(answers) - len(kept):,} of {len(answers):,} answers are about items without an embedding.",)
        answers = kept
    if answers.n_items > len(x):
        msg = (
            f"the triplets are about {answers.n_items} items, and group has {len(x)} rows; pass labels=, the names of "
            "its rows."
        )
        raise ValueError(msg)
    return answers, notes


def number_people(answers: Triplets) -> tuple[tuple[str, ...], IntArray]:
    """Return everybody's id, and each answer's person by number."""
    ids: AnyArray = np.asarray(answers.participant)
    if ids.dtype.kind == "f" and (ids == np.round(ids)).all():  # text files are often read as floats
        ids = ids.astype(np.int64)
    unique, person = np.unique(ids, return_inverse=True)
    return tuple(str(one) for one in unique), person.astype(np.int64)


def asked_people(subject: str | int | None, subjects: tuple[str, ...]) -> list[int]:
    if subject is None or subject == "all":
        return list(range(len(subjects)))
    name = str(subject)
    if name not in subjects:
        near = difflib.get_close_matches(name, subjects, n=5, cutoff=0.4) or subjects[:5]
        people = counted(len(subjects), "person").replace("persons", "people")
        msg = f"subject {name!r} gave no answers; {people} did, the nearest ids being {join_names(near)}."
        raise ValueError(msg)
    return [subjects.index(name)]


def _check_prior(prior: Prior | None) -> Prior:
    if prior is None:
        return "people"
    if isinstance(prior, str):
        if prior not in ("people", "person"):
            msg = f"prior must be 'people', 'person' or a precision above 0; got {prior!r}."
            raise ValueError(msg)
        return prior
    return check_positive("prior", prior)


def _name_dimensions(dimensions: Iterable[Any] | None, n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n))) if dimensions is None else as_labels("dimensions", dimensions, n)


def _describe_prior(prior: Prior) -> str:
    words = {
        "people": "that makes all people's training answers likeliest",
        "person": "chosen for each person by cross-validation on the person's own training answers",
    }
    return words[prior] if isinstance(prior, str) else f"of {prior**-0.5:.3g}, given beforehand"


def describe_split(fitted_to: str) -> str:
    optimistic = f"; possibly optimistic: the group's embedding was fitted to {fitted_to}" if fitted_to else ""
    return f"held-out triplets, the same people{optimistic}"
