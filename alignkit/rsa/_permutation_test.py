"""Mantel's test: whether two RDMs are more alike than RDMs with shuffled item labels."""

from __future__ import annotations

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_count, check_n_items
from alignkit._executor import Executor, as_executor
from alignkit._random import as_rng
from alignkit._threads import one_blas_thread
from alignkit._typing import AnyArray, BoolArray, FloatArray, RNGLike
from alignkit.rsa._align import OnMismatch, align, as_rdm
from alignkit.rsa._align_all import align_all, as_rdms
from alignkit.rsa._compare import compare
from alignkit.rsa._compare_rows import Options
from alignkit.rsa._condensed import squareform
from alignkit.rsa._container import RDM
from alignkit.rsa._matrix_methods import BURES, ComparisonMethod
from alignkit.rsa._nan import warnings_to_the_caller
from alignkit.rsa._partial import Partial
from alignkit.rsa._permutation_result import QUANTILES, PermutationTest
from alignkit.rsa._permutations import Alternative, is_exact, null_distribution, p_values
from alignkit.rsa._permuted_similarity import permuted_similarity

#: Methods whose similarities are not around 0 when nothing is shared.
OFFSET = ("cosine", "whitened-cosine", *BURES)


def permutation_test(
    a: object,
    b: object,
    /,
    *,
    method: ComparisonMethod = "spearman",
    n_permutations: int = 10_000,
    alternative: Alternative = "two-sided",
    average: str | None = None,
    controls: object = None,
    partial: Partial = "both",
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    progress: bool = False,
    rng: RNGLike = None,
    client: object = None,
) -> PermutationTest:
    """Test whether RDMs are alike by permuting item labels: the Mantel test.

    The item labels of ``a`` are permuted, its rows and columns together, and it is compared anew: dissimilarities that
    share an item depend on each other, so that shuffling single entries would find far too much.

    Parameters
    ----------
    a, b : RDM or array_like, shape (..., pairs) or (..., items, items)
        Labelled RDMs are aligned by label first. In stacks every RDM of ``a`` is tested against every RDM of ``b``, all
        under the same permutations.
    method : str
        Any method of :func:`compare`.
    n_permutations : int
        Random permutations; where there are no more than that (7 items: 5,040), each is taken once and the test is
        exact.
    alternative : {"two-sided", "greater", "less"}
        ``"greater"``: more alike than by chance (for the distance ``"bures-metric"``: ``"less"``). ``"two-sided"``:
        as far from 0 in either direction; for the cosine and Bures methods, which are far from 0 by chance, as far from
        the mean of all statistics.
    average : str, optional
        Name of an axis of ``b`` (``"subject"``) whose statistics are averaged: tests the mean over subjects.
    controls : RDM or array_like, or a sequence of them, optional
        RDMs to regress out, for ``"pearson"`` and ``"spearman"``: the partial Mantel test. They keep the labels of
        ``b``; what they leave of ``a`` is permuted, so that its relation to them is not.
    partial : {"both", "first", "second"}
        Which side the controls leave, as in :func:`compare`; for ``"second"`` all of ``a`` is permuted.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in either of two RDMs: give NaN (and one warning), leave out, or raise. ``"omit"`` drops items for which one
        side has no values at all. Single missing pairs move with their items, and every permutation is compared on
        the pairs that it leaves in both: sound, but as slow as one :func:`compare` per permutation.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of the permutations.
    client : dask.distributed.Client, optional
        Share permutations out over the workers of a cluster; by default, threads of this process compute them. They are
        drawn here, and the result has the same bits.

    Returns
    -------
    PermutationTest

    Raises
    ------
    ValueError
        Different labels or sizes, an unknown option or axis, or undefined values under ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers, or a ``client`` that is none.

    Notes
    -----
    p counts the statistics at least as extreme as the observed one: (k + 1)/(m + 1) for m random permutations, k/m for
    all of them, which hold the observed labels. Statistics that only rounding tells apart are ties; a permutation
    that leaves nothing to compare counts as extreme. ``skbio.stats.distance.mantel`` has the same p-values, its
    two-sided ones being those of the centred methods here.

    Permuting labels changes neither ranks nor lengths, so that a permutation costs one reindexing and one product with
    all RDMs of the other side. Kendall's tau, Bures and single missing pairs need a comparison each. The null
    distribution takes 8 bytes per permutation and comparison. The numbers are the same for any number of threads or
    workers.

    References
    ----------
    Mantel (1967), Cancer Research 27, 209-220; Phipson and Smyth (2010), doi:10.2202/1544-6115.1585; max-T: Nichols and
    Holmes (2002), doi:10.1002/hbm.1058.

    Examples
    --------
    >>> model = RDM([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    >>> permutation_test(model, [1.0, 3.0, 2.0, 4.0, 6.0, 5.0], alternative="greater")
    <PermutationTest spearman = 0.8857, p = 0.04167, z = 1.69; greater, all 24 permutations of 4 items>
    """
    check_choice("alternative", alternative, ("two-sided", "greater", "less"))
    check_count("n_permutations", n_permutations, 1)
    generator, executor = as_rng(rng), as_executor(client)
    first, second, others = _aligned(a, b, controls, on_mismatch)
    axis = _averaged_axis(second, average)
    first, second, others, n_dropped = _without_empty_items(first, second, others, nan_policy)
    with warnings_to_the_caller():
        observed = compare(first, second, method=method, controls=others, partial=partial, nan_policy=nan_policy)
    options = Options(method, nan_policy, controls=None if others is None else others.values, partial=partial)
    statistic, dims = observed.values, observed.dims
    if axis is not None:
        position = len(first.dims) + axis
        statistic, dims = statistic.mean(axis=position), dims[:position] + dims[position + 1 :]
    null = _null(first, second, options, axis, statistic, n_permutations, generator, executor, progress=progress)
    exact = is_exact(first.n_items, n_permutations)
    found = p_values(
        statistic.ravel(), null, alternative, exact=exact, centred=method not in OFFSET, quantiles=QUANTILES
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (statistic.ravel() - found.mean) / found.sd
    shape = statistic.shape
    return PermutationTest(
        statistic=statistic,
        p=found.p.reshape(shape),
        p_corrected=found.corrected.reshape(shape),
        z=np.where(np.isinf(z), np.nan, z).reshape(shape),
        null_mean=found.mean.reshape(shape),
        null_sd=found.sd.reshape(shape),
        null_quantiles=found.quantiles.reshape(-1, *shape),
        null=null.reshape(-1, *shape),
        n_permutations=len(null),
        exact=exact,
        alternative=alternative,
        method=method,
        nan_policy=nan_policy,
        dims=dims,
        coords={name: values for name, values in observed.coords.items() if name in dims},
        average=average or "",
        n_items=first.n_items,
        n_dropped=n_dropped,
        n_controls=observed.n_controls,
        partial=observed.partial,
        note=observed.note,
    )


def _aligned(a: object, b: object, controls: object, on_mismatch: OnMismatch) -> tuple[RDM, RDM, RDM | None]:
    first, second = align(as_rdm("the first RDM", a), as_rdm("the second RDM", b), on_mismatch=on_mismatch)
    if controls is None:
        return first, second, None
    named = [("the controls", one) for one in as_rdms("the controls", controls)]
    first, second, *others = align_all([("the first RDM", first), ("the second RDM", second), *named], on_mismatch)
    rows = np.concatenate([x.values.reshape(-1, x.n_pairs) for x in others])
    return first, second, RDM(rows, others[0].labels, dims=["control"])


def _averaged_axis(b: RDM, average: str | None) -> int | None:
    if average is None:
        return None
    if not b.dims:
        msg = f"the second RDM is a single one and has no axis to average over; got average={average!r}."
        raise ValueError(msg)
    check_choice("average", average, b.dims)
    return b.dims.index(average)


def _without_empty_items(
    a: RDM, b: RDM, controls: RDM | None, nan_policy: NanPolicy
) -> tuple[RDM, RDM, RDM | None, int]:
    """Return the RDMs without the items that one side has no value for, where these are to be left out."""
    if nan_policy != "omit":
        return a, b, controls, 0
    present = [np.asarray((~np.isnan(_rows(rdm))).any(axis=0)) for rdm in (a, b)]
    if controls is not None:
        present.append(np.asarray((~np.isnan(controls.values)).all(axis=0)))
    empty = np.any([_empty_items(one) for one in present], axis=0)
    if empty.any():
        check_n_items("the set of items with values on both sides", int((~empty).sum()))
        a, b = a.take(~empty), b.take(~empty)
        controls = None if controls is None else controls.take(~empty)
    rdms = [a, b] if controls is None else [a, b, controls]
    if controls is not None and any(np.isnan(rdm.values).any() for rdm in rdms):
        msg = (
            "with controls, RDMs must not miss single pairs: what the controls leave of such an RDM cannot be "
            "permuted; leave out the items that have missing pairs (RDM.take or RDM.select)."
        )
        raise ValueError(msg)
    return a, b, controls, int(empty.sum())


def _empty_items(present: AnyArray) -> BoolArray:
    """Return which items are in none of the pairs that are present."""
    return np.asarray(~squareform(present.astype(np.float64)).any(axis=0))


def _rows(rdm: RDM) -> FloatArray:
    return rdm.values.reshape(-1, rdm.n_pairs)


@one_blas_thread()
def _null(
    a: RDM,
    b: RDM,
    options: Options,
    axis: int | None,
    statistic: FloatArray,
    n_permutations: int,
    rng: np.random.Generator,
    executor: Executor,
    *,
    progress: bool,
) -> FloatArray:
    """Return the null distribution of every statistic, shape (m, comparisons); NaN where that is NaN."""
    undefined = np.isnan(statistic).ravel()
    if undefined.all():
        return np.full((0, undefined.size), np.nan)
    rows_a, rows_b = _rows(a), _rows(b)
    if options.nan_policy != "omit":  # RDMs with NaN have no statistic, whatever stands in their place
        rows_a, rows_b = (np.where(np.isnan(x).any(axis=1, keepdims=True), 0.0, x) for x in (rows_a, rows_b))
    groups = None if axis is None else _means_over(b.shape, axis)
    permuted = permuted_similarity(rows_a, rows_b, a.n_items, options, groups)
    null = null_distribution(permuted, a.n_items, n_permutations, rng, progress=progress, executor=executor)
    null = null.reshape(-1, undefined.size)
    null[:, undefined] = np.nan
    return null


def _means_over(shape: tuple[int, ...], axis: int) -> FloatArray:
    """Return the weights of means over one axis of a stack, shape (means, stack)."""
    members = np.moveaxis(np.arange(np.prod(shape)).reshape(shape), axis, -1).reshape(-1, shape[axis])
    weights = np.zeros((len(members), members.size))
    np.put_along_axis(weights, members, 1 / shape[axis], axis=1)
    return weights
