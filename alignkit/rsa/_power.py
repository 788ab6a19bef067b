"""How many subjects and items a study needs, by pilot data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from alignkit._check import check_choice, check_count, check_fraction
from alignkit._executor import as_executor
from alignkit._random import as_rng
from alignkit._typing import BoolArray, FloatArray, RNGLike
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._align_all import align_all
from alignkit.rsa._inference._draw_counts import draw_counts
from alignkit.rsa._inference._model_rows import model_rows, named_models
from alignkit.rsa._inference._power_parts import PilotPower, measured
from alignkit.rsa._inference._simulated_power import Experiments, rejections
from alignkit.rsa._inference._t_power import wilson
from alignkit.rsa._matrix_methods import COMPARISON_METHODS, DISTANCES, ComparisonMethod
from alignkit.rsa._pooling import plain_of
from alignkit.rsa._power_curve import PowerCurve
from alignkit.rsa._subjects import stack_of

Generalize = Literal["subjects", "both"]
PowerTest = Literal["auto", "sign-flip", "t"]
_LEAST_SUBJECTS, _LEAST_ITEMS = 3, 4


def power(
    models: object,
    pilot: object,
    /,
    *,
    n_subjects: Sequence[int] = (4, 6, 8, 12, 16, 24, 32),
    n_items: Sequence[int] | None = None,
    generalize: Generalize = "subjects",
    method: ComparisonMethod = "spearman",
    test: PowerTest = "auto",
    alpha: float = 0.05,
    target: float = 0.8,
    n_simulations: int = 1000,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    on_mismatch: OnMismatch = "raise",
    progress: bool = False,
    rng: RNGLike = None,
    client: object = None,
) -> PowerCurve:
    r"""Estimate from pilot data how many subjects and items tests of models need.

    Tests are those of :func:`evaluate`: each model's mean score against zero (one-sided), and every two models against
    each other (two-sided).

    Parameters
    ----------
    models : RDM, mapping of str to RDM, or array_like, shape (models, pairs)
        Models.
    pilot : RDM or array_like, shape (subject, pairs) or (subject, items, items)
        One RDM for each of three or more subjects, without NaN.
    n_subjects : sequence of int
        Numbers of subjects to give the power for, at least 2 each.
    n_items : sequence of int, optional
        Numbers of items, at least 4 each; by default that of the pilot.
    generalize : {"subjects", "both"}
        Whether tests are over new subjects who see the same items, or over new subjects and new items.
    method : str
        Any method of :func:`compare` whose values are larger for RDMs that are more alike.
    test : {"auto", "sign-flip", "t"}
        Over subjects: ``"sign-flip"`` (the default, as in :func:`evaluate`) or ``"t"``. Over both: ``"t"``.
    alpha : float
        Level of each test; divide it by the number of tests for a Bonferroni correction.
    target : float
        Power that is asked for.
    n_simulations : int
        Experiments drawn from the pilot for each number of items; 0 for none.
    n_bootstrap : int
        Resamples of the pilot.
    confidence : float
        Level of the intervals.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of all draws.
    client : dask.distributed.Client, optional
        Share experiments, and resamples of the pilot's items, out over the workers of a cluster; by default, threads of
        this process compute them. The result has the same bits.

    Returns
    -------
    PowerCurve

    Raises
    ------
    ValueError
        Too few subjects or items, RDMs with NaN or without a similarity, different labels or sizes, unknown options.
    TypeError
        Values that are not real numbers, or a ``client`` that is none.

    Notes
    -----
    The variance of a mean score of S subjects and N items is taken to be a/S + b/N + c/(SN). Three bootstraps of the
    pilot tell the parts apart as :func:`dual_variance` does. Power is that of a noncentral t with S - 1 degrees of
    freedom and the variance a/S + c/(SN) over new subjects, or with min(S, N) - 1 and all three parts over both. Sign
    flips of up to 10 subjects have the power that they have with normal scores (none where they cannot reach the level:
    at 0.05 of 4 subjects, and 5 between models); of more, that of the t test.

    As a check, experiments are drawn: subjects of the pilot with replacement (deviations from the mean widened by
    :math:`\sqrt{S/(S-1)}`), and, where fewer items than the pilot's are asked for, a random part of its items. More
    items cannot be drawn from fewer.

    The effect of a pilot is a guess: studies planned on its point estimate are underpowered half of the time, and more
    often where pilots were chosen for being significant. ``pilot_interval`` resamples the pilot's subjects (both: also
    its items, with the spread of the corrected dual variance); plan by its lower end.

    References
    ----------
    Schuett et al. (2023), doi:10.7554/eLife.82566; Albers and Lakens (2018), doi:10.1016/j.jesp.2017.09.004.

    Examples
    --------
    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> model = draw.random(45)
    >>> pilot = model + draw.normal(size=(8, 45))
    >>> curve = power({"model": model}, pilot, n_subjects=[4, 8, 16], rng=0)
    >>> curve.power.shape, int(curve.n_needed[0, 0])
    ((1, 1, 3), 5)
    """
    check_choice("generalize", generalize, get_args(Generalize))
    _check_method(method)
    flips = _is_flipped(test, generalize)
    for name, fraction in (("alpha", alpha), ("target", target), ("confidence", confidence)):
        check_fraction(name, fraction)
    check_count("n_simulations", n_simulations)
    check_count("n_bootstrap", n_bootstrap, 2)
    executor = as_executor(client)
    data, rows, names, n_pilot = _aligned(models, pilot, on_mismatch)
    subjects = _counts("n_subjects", n_subjects, 2)
    items = (n_pilot,) if n_items is None else _counts("n_items", n_items, _LEAST_ITEMS)
    tests, contrasts, two_sided = _tests(names)
    generators = as_rng(rng).spawn(2 + len(items))
    subject_counts = draw_counts(len(data), n_bootstrap, generators[0])
    item_counts = None
    if generalize == "both" or set(items) != {n_pilot}:
        item_counts = draw_counts(n_pilot, n_bootstrap, generators[1])
    simulated = np.full((len(tests), len(items), len(subjects)), np.nan)
    drawn = [i for i, n in enumerate(items) if n <= n_pilot and generalize == "subjects" and n_simulations]
    with _bar(n_bootstrap * (item_counts is not None) + n_simulations * len(drawn), progress=progress) as bar:
        found = measured(
            data,
            rows,
            contrasts,
            subject_counts,
            item_counts,
            method=method,
            both=generalize == "both",
            tick=bar.update,
            executor=executor,
        )
        for i in drawn:
            study = Experiments(data, rows, contrasts, two_sided, method, alpha, items[i], flips)
            simulated[:, i] = rejections(study, subjects, n_simulations, generators[2 + i], bar.update, executor)
    return PowerCurve(
        tests=tests,
        effect=found.effect,
        components=found.components,
        n_subjects=subjects,
        n_items=items,
        **_curves(found, subjects, items, two_sided, alpha, target, confidence, flips=flips),
        simulated=simulated / max(1, n_simulations),
        simulated_interval=wilson(simulated, max(1, n_simulations), confidence),
        alpha=alpha,
        target=target,
        confidence=confidence,
        generalize=generalize,
        method=method,
        test="sign-flip" if flips else "t",
        n_pilot=(len(data), n_pilot),
        n_simulations=n_simulations if drawn else 0,
        n_bootstrap=n_bootstrap,
        note=_note(len(data), n_pilot, items, generalize, method),
    )


def _curves(
    found: PilotPower,
    subjects: tuple[int, ...],
    items: tuple[int, ...],
    two_sided: BoolArray,
    alpha: float,
    target: float,
    confidence: float,
    *,
    flips: bool,
) -> dict[str, FloatArray]:
    """Return the power, what it may be, and the subjects that are needed, for every test and number of items."""
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    shape = (len(two_sided), len(items))
    curves = np.full((3, *shape, len(subjects)), np.nan)
    needed = np.full((3, *shape), np.nan)
    for k, i in np.ndindex(*shape):
        test = found.of(k, items[i], alpha=alpha, two_sided=bool(two_sided[k]), flips=flips)
        curves[:, k, i] = test.power(subjects, tails)
        needed[:, k, i] = test.needed(target, tails)
    return {
        "power": curves[0],
        "pilot_interval": curves[1:],
        "n_needed": needed[0],
        "n_needed_interval": needed[1:],
    }


def _check_method(method: str) -> None:
    check_choice("method", method, COMPARISON_METHODS)
    if method in DISTANCES:
        msg = f"method {method!r} is a distance, which is never 0 by chance; use a similarity."
        raise ValueError(msg)


def _is_flipped(test: str, generalize: str) -> bool:
    check_choice("test", test, get_args(PowerTest))
    if test == "sign-flip" and generalize == "both":
        msg = "test='sign-flip' does not speak of new items; with generalize='both' test is 't'."
        raise ValueError(msg)
    return test != "t" and generalize == "subjects"


def _counts(name: str, values: Sequence[int], least: int) -> tuple[int, ...]:
    counts = np.atleast_1d(np.asarray(values)).tolist()
    if not counts or np.ndim(values) > 1:
        msg = f"{name} must list at least one whole number; got {values!r}."
        raise ValueError(msg)
    if len(set(counts)) < len(counts):
        twice = next(value for value in counts if counts.count(value) > 1)
        msg = f"{name} must list every number once; got {twice} twice."
        raise ValueError(msg)
    return tuple(check_count(name, value, least) for value in counts)


def _aligned(
    models: object, pilot: object, on_mismatch: OnMismatch
) -> tuple[FloatArray, FloatArray, tuple[str, ...], int]:
    stack = stack_of(pilot, None, "a pilot", "pilot")
    if len(stack.dims) > 1:
        msg = f"the pilot has the axes {stack.dims}; give one RDM per subject (RDM.isel takes one time)."
        raise ValueError(msg)
    named, names = named_models(models)
    stack, *others = align_all([("the pilot", stack), *named], on_mismatch)
    if len(stack) < _LEAST_SUBJECTS or stack.n_items < _LEAST_ITEMS:
        msg = (
            f"a pilot needs at least {_LEAST_SUBJECTS} subjects and {_LEAST_ITEMS} items to tell how much they vary; "
            f"got {len(stack)} and {stack.n_items}."
        )
        raise ValueError(msg)
    rows = model_rows(others)
    for what, values in (("the pilot holds", stack.values), ("the models hold", rows)):
        if np.isnan(values).any():
            msg = f"{what} NaN; leave out the items that have missing pairs (RDM.take or RDM.select)."
            raise ValueError(msg)
    return stack.values, rows, names, stack.n_items


def _tests(names: tuple[str, ...]) -> tuple[tuple[str, ...], FloatArray, BoolArray]:
    """Return what is tested: its names, its weights of the models' scores, and which tests have two sides."""
    pairs = list(itertools.combinations(range(len(names)), 2))
    contrasts = np.zeros((len(names) + len(pairs), len(names)))
    contrasts[: len(names)] = np.eye(len(names))
    for row, (j, k) in zip(contrasts[len(names) :], pairs, strict=True):
        row[[j, k]] = 1.0, -1.0
    called = (*(f"{name} > 0" for name in names), *(f"{names[j]} - {names[k]}" for j, k in pairs))
    return called, contrasts, np.arange(len(contrasts)) >= len(names)


def _bar(total: int, *, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc="resamples and experiments", disable=not progress)


def _note(n_subjects: int, n_pilot: int, items: tuple[int, ...], generalize: str, method: str) -> str:
    parts = [
        f"Effects and variances are those of {n_subjects} pilot subjects, as uncertain as the interval over resamples "
        "of the pilot says."
    ]
    if generalize == "both":
        parts.append("Tests over new items are not simulated, and their interval takes the variances as known.")
    elif any(n > n_pilot for n in items):
        parts.append(f"More than the pilot's {n_pilot} items cannot be drawn from it: their power rests on components.")
    if plain_of(method) in ("cosine", "bures"):
        parts.append("Cosine similarities of RDMs that share nothing are above zero: power against zero says little.")
    return " ".join(parts)
