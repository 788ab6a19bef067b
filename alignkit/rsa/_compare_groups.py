"""Whether two groups of people differ in their RDMs, and in how well models fit them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_count, check_fraction, check_nan_policy
from alignkit._executor import Executor, as_executor
from alignkit._random import as_rng
from alignkit._typing import BoolArray, FloatArray, RNGLike
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._align_all import align_all
from alignkit.rsa._compare import compare
from alignkit.rsa._container import RDM
from alignkit.rsa._group_comparison import GroupComparison
from alignkit.rsa._inference._group_labels import divisions, smallest_p
from alignkit.rsa._inference._group_statistics import group_similarities, studentised, welch
from alignkit.rsa._inference._model_rows import model_rows, named_models
from alignkit.rsa._matrix_methods import COMPARISON_METHODS, DISTANCES, ComparisonMethod
from alignkit.rsa._nan import warnings_to_the_caller
from alignkit.rsa._permutations import Alternative, deviation_of, share_of
from alignkit.rsa._pooling import check_pooling
from alignkit.rsa._pools import Pool, shared_out
from alignkit.rsa._subjects import each_pool, stack_of, valid_pairs

Statistic = Literal["pairs", "means"]


def compare_groups(
    a: object,
    b: object,
    /,
    *,
    models: object = None,
    groups: Sequence[str] = ("first", "second"),
    method: ComparisonMethod = "spearman",
    statistic: Statistic = "pairs",
    alternative: Alternative = "two-sided",
    n_permutations: int = 10_000,
    alpha: float = 0.05,
    confidence: float = 0.95,
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    progress: bool = False,
    rng: RNGLike = None,
    client: object = None,
) -> GroupComparison:
    r"""Test whether two groups of people differ in their RDMs, and in how well models fit them.

    Who is in which group is permuted: all divisions of the subjects into groups of these sizes where they are no more
    than ``n_permutations`` (the test is then exact), else random ones.

    Parameters
    ----------
    a, b : RDM or array_like, shape (subject, pairs) or (subject, items, items)
        One RDM per subject of the first and of the second group, at least two each, over the same items.
    models : RDM, mapping of str to RDM, or array_like, shape (models, pairs), optional
        Models whose fit to the groups is compared.
    groups : sequence of str
        What to call the two groups.
    method : str
        Any method of :func:`compare`.
    statistic : {"pairs", "means"}
        How RDMs of groups differ. ``"pairs"``: mean similarity of two subjects of one group (mean of both groups) less
        that of subjects of different groups. ``"means"``: 1 less the similarity of the groups' mean RDMs, averaged as
        in :func:`noise_ceiling`; not for the Bures methods.
    alternative : {"two-sided", "greater", "less"}
        Of the models: ``"greater"`` where they fit the first group better. The test of the RDMs has one side.
    n_permutations : int
        Most divisions that are taken.
    alpha : float
        Level that a test must be able to reach: where even the smallest p-value is larger, NaN is given, and why.
    confidence : float
        Level of the intervals of differences between models' mean scores.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in an RDM, as in :func:`compare`; a single subject without a similarity makes the test NaN.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items.
    progress : bool
        Show a progress bar with the time left (``"means"``, which averages RDMs for every division).
    rng : numpy Generator, int or None
        Seed of random divisions.
    client : dask.distributed.Client, optional
        Share divisions out over the workers of a cluster, with the same bits, where mean RDMs are ranked anew for each
        (``"means"`` by a method of ranks); by default, threads of this process compute them. Everything else follows
        from similarities of single subjects, takes no time, and stays here.

    Returns
    -------
    GroupComparison

    Raises
    ------
    ValueError
        Fewer than two subjects in a group, RDMs with further axes, different labels or sizes, unknown options, or
        undefined values under ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers, or a ``client`` that is none.

    Notes
    -----
    The null hypothesis of the RDMs is that who is in which group does not matter at all. Groups with one mean RDM that
    differ in noise violate it as well, which ``"pairs"`` hardly sees: with similarities :math:`r_a^2`, :math:`r_b^2`
    within and :math:`r_a r_b` between it is :math:`(r_a-r_b)^2/2`. ``shared``, :math:`r_{ab}/\sqrt{r_{aa}r_{bb}}`,
    is 1 then.

    Models are tested by permuting Welch's :math:`t=(\bar x_a-\bar x_b)/\sqrt{s_a^2/n_a+s_b^2/n_b}`: exact where the
    groups have one distribution, and nearly so in larger groups whose variances differ, which the difference itself is
    not. It generalises to new subjects who see the same items.

    With 3 + 3 subjects there are 20 divisions, which come in pairs of equal statistics: no p-value is below 0.1. 4 + 4
    subjects reach 2/70.

    References
    ----------
    Anderson (2001), doi:10.1111/j.1442-9993.2001.01070.pp.x; Janssen (1997), doi:10.1016/S0167-7152(97)00043-6; Welch
    (1947), doi:10.1093/biomet/34.1-2.28; asked for in rsatoolbox's issue 183.

    Examples
    --------
    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> shapes, colours = draw.random((2, 45))
    >>> young = shapes + 0.3 * draw.random((5, 45))
    >>> old = colours + 0.3 * draw.random((5, 45))
    >>> result = compare_groups(young, old, models={"shapes": shapes}, groups=("young", "old"))
    >>> round(result.p, 4), result.n_divisions, float(result.p_model.round(4)[0])
    (0.0079, 252, 0.0079)
    """
    check_choice("method", method, COMPARISON_METHODS)
    check_choice("statistic", statistic, get_args(Statistic))
    check_choice("alternative", alternative, get_args(Alternative))
    check_nan_policy(nan_policy)
    check_count("n_permutations", n_permutations, 1)
    check_fraction("alpha", alpha)
    check_fraction("confidence", confidence)
    if statistic == "means":
        check_pooling(method, "rank")
    generator, executor = as_rng(rng), as_executor(client)
    called = _names(groups)
    people, sizes, rows, names = _aligned(a, b, models, on_mismatch)
    with warnings_to_the_caller():
        everyone = compare(people, people, method=method, nan_policy=nan_policy).values
        scores = compare(rows, people, method=method, nan_policy=nan_policy).values if names else None
    first, exact = divisions(*sizes, n_permutations, generator)
    own = (np.arange(sum(sizes)) < sizes[0])[None]
    means = group_similarities(everyone, own)[0]
    sign = -1.0 if method in DISTANCES else 1.0
    if statistic == "pairs":
        observed, null = (sign * _apart(group_similarities(everyone, marked)) for marked in (own, first))
    else:
        observed, null = _between_means(people, own, first, method, nan_policy, executor, progress=progress)
    smallest = [
        smallest_p(*sizes, len(first), exact=exact, symmetric=symmetric)
        for symmetric in (True, alternative == "two-sided")
    ]
    p = share_of(_extreme(null), float(observed[0]), exact=exact)
    if np.isnan(observed[0]) or smallest[0] > alpha:
        p = np.nan
    tested = _test_models(scores, own, first, alternative, confidence, len(people), exact=exact)
    if smallest[1] > alpha:
        tested["p_model"], tested["p_model_corrected"] = np.full((2, len(names)), np.nan)
    return GroupComparison(
        difference=float(observed[0]),
        p=float(p),
        within=means[:2],
        between=float(means[2]),
        shared=_shared(means, method),
        models=names,
        **tested,
        null=null,
        n_divisions=len(first),
        exact=exact,
        smallest_p=(smallest[0], smallest[1]),
        groups=called,
        n_subjects=sizes,
        n_items=people.n_items,
        method=method,
        statistic=statistic,
        alternative=alternative,
        alpha=alpha,
        confidence=confidence,
        note=_note(smallest, alpha, sizes, len(first), exact=exact, models=bool(names)),
    )


def _names(groups: Sequence[str]) -> tuple[str, str]:
    if isinstance(groups, str) or len(groups) != 2 or not all(isinstance(name, str) for name in groups):
        msg = f"groups must hold two names; got {groups!r}."
        raise ValueError(msg)
    if groups[0] == groups[1]:
        msg = f"groups must hold two different names; got {groups[0]!r} twice."
        raise ValueError(msg)
    return groups[0], groups[1]


def _aligned(
    a: object, b: object, models: object, on_mismatch: OnMismatch
) -> tuple[RDM, tuple[int, int], RDM | None, tuple[str, ...]]:
    """Return all subjects as one stack, the sizes of the groups, and the models as another with their names."""
    first, second = _group("the first group", a), _group("the second group", b)
    named, names = ([], ()) if models is None else named_models(models)
    whole = [("the first group", first), ("the second group", second), *named]
    first, second, *others = align_all(whole, on_mismatch)
    # several stacks without labels are matched by position
    labels = first.labels or second.labels
    people = RDM(np.concatenate([first.values, second.values]), labels, dims=["subject"])
    rows = RDM(model_rows(others), labels, dims=["model"], coords={"model": names}) if others else None
    return people, (len(first), len(second)), rows, names


def _group(which: str, x: object) -> RDM:
    stack = stack_of(x, None, "a comparison of groups", which)
    if len(stack.dims) > 1:
        msg = f"{which} has the axes {stack.dims}; give one RDM per subject (RDM.isel takes one time)."
        raise ValueError(msg)
    if len(stack) < 2:
        msg = f"{which} has {len(stack)} subject(s); a comparison of groups needs two or more in each."
        raise ValueError(msg)
    return stack


def _apart(means: FloatArray) -> FloatArray:
    apart: FloatArray = means[:, :2].mean(axis=1) - means[:, 2]
    return apart


def _extreme(null: FloatArray) -> FloatArray:
    """Return the null distribution, where what cannot be compared counts as extreme."""
    return np.where(np.isnan(null), np.inf, null)


def _between_means(
    people: RDM,
    own: BoolArray,
    first: BoolArray,
    method: str,
    nan_policy: NanPolicy,
    executor: Executor,
    *,
    progress: bool,
) -> tuple[FloatArray, FloatArray]:
    """Return 1 less the similarity of the groups' mean RDMs: observed, and of every division."""
    from tqdm import tqdm

    rows = people.values[:, None]
    with tqdm(total=1 + len(first), desc="divisions", disable=not progress) as bar:

        def apart(_: int, pool: Pool) -> FloatArray:
            return 1 - shared_out("halves", np.concatenate([own, first]), pool, bar.update, executor)

        found = each_pool(rows, valid_pairs(rows, nan_policy), method, "rank", None, apart)
    values = found.get(0, np.full(1 + len(first), np.nan))
    return values[:1], values[1:]


def _test_models(
    scores: FloatArray | None,
    own: BoolArray,
    first: BoolArray,
    alternative: Alternative,
    confidence: float,
    n_subjects: int,
    *,
    exact: bool,
) -> dict[str, Any]:
    """Return all that is known per model."""
    from scipy.stats import t as student

    if scores is None:
        scores = np.zeros((0, n_subjects))
    difference, error, df = (values[0] for values in welch(scores, own))
    t = studentised(difference, error)
    t[np.isinf(t)] = np.nan
    reach = student.ppf((1 + confidence) / 2, df) * error
    own_t = deviation_of(t, alternative)
    p_welch = student.sf(own_t, df) * (2.0 if alternative == "two-sided" else 1.0)
    null = _extreme(deviation_of(studentised(*welch(scores, first)[:2]), alternative))
    defined = ~np.isnan(t)
    largest = null[:, defined].max(axis=1, initial=-np.inf)
    ps = np.full((2, len(scores)), np.nan)
    for j in np.flatnonzero(defined):
        ps[:, j] = [share_of(deviations, float(own_t[j]), exact=exact) for deviations in (null[:, j], largest)]
    return {
        "scores": scores,
        "model_difference": difference,
        "interval": np.stack([difference - reach, difference + reach]),
        "t": t,
        "df": df,
        "p_welch": np.asarray(p_welch),
        "p_model": ps[0],
        "p_model_corrected": np.maximum(ps[1], ps[0]),
    }


def _shared(means: FloatArray, method: str) -> float:
    within = float(means[0] * means[1])
    if method in DISTANCES or not (means[:2] > 0).all():
        return float("nan")
    return float(means[2]) / math.sqrt(within)


def _note(smallest: list[float], alpha: float, sizes: tuple[int, int], n: int, *, exact: bool, models: bool) -> str:
    what = [
        name
        for name, least, given in zip(("RDMs", "models"), smallest, (True, models), strict=True)
        if given and least > alpha
    ]
    if not what:
        return ""
    least = max(smallest[: 1 + models])
    if not exact:
        return f"{n} random divisions allow no p-value below {least:.3g}: raise n_permutations (alpha = {alpha:g})."
    return (
        f"No p-value of the {' and '.join(what)}: {sizes[0]} + {sizes[1]} subjects have {n} divisions, which allow "
        f"none below {least:.3g} (alpha = {alpha:g})."
    )
