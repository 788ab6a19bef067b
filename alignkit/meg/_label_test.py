"""Item labels permuted within each participant: who shows an effect, when, and how many do."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import get_args

import numpy as np

from alignkit._check import check_choice, check_count, check_fraction, check_n_items, check_not_negative
from alignkit._executor import Executor, as_executor
from alignkit._memory import as_bytes, in_bytes
from alignkit._random import spawn
from alignkit._threads import one_blas_thread
from alignkit._typing import AnyArray, BoolArray, FloatArray, PathLike, RNGLike
from alignkit.meg._inputs import Inputs, read_inputs
from alignkit.meg._label_file import LabelFile
from alignkit.meg._label_p import Correction, LabelP, label_p
from alignkit.meg._label_test_result import LabelTest
from alignkit.meg._sample_unit import UNTIMED, at_time
from alignkit.meg._slices import Slices
from alignkit.meg._smallest_label_p import n_orders, warn_if_hopeless
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._compare_rows import Options
from alignkit.rsa._matrix_methods import BURES, COMPARISON_METHODS, DISTANCES, ComparisonMethod
from alignkit.rsa._nan import report_all
from alignkit.rsa._permutations import is_exact, null_distribution
from alignkit.rsa._permuted_similarity import permuted_similarity
from alignkit.rsa._sign_flips import Tail
from alignkit.rsa._similarity_methods import RANK_METHODS

#: Methods whose similarities are not around 0 when nothing is shared.
_OFFSET = ("cosine", "whitened-cosine", *BURES)
#: Bytes that a dissimilarity takes on its way: as it was read, ranked, as a float and in tiles.
_BYTES = 48
#: Bytes that a permuted similarity takes until its p-value is found.
_NULL_BYTES = 48


def label_test(
    models: object,
    data: object,
    /,
    *,
    method: ComparisonMethod = "spearman",
    tail: Tail = "greater",
    correction: Correction = "max",
    n_permutations: int = 1_000,
    alpha: float = 0.05,
    on_mismatch: OnMismatch = "raise",
    tolerance: float = 1e-6,
    memory: int | str = "2 GB",
    resume: PathLike | None = None,
    progress: bool = False,
    rng: RNGLike = None,
    client: object = None,
) -> LabelTest:
    r"""Test models against each participant's RDMs over time by permuting item labels, and count who passes.

    The labels of a model's items are permuted, in the same way at all times, within each participant. That tests every
    participant by itself, for few of them as for many: four participants have too few sign patterns for any test of
    the group (:func:`cluster_test`), but "4 of 4" is strong evidence.

    Parameters
    ----------
    models : RDM, array_like or mapping of names to them, shape (items, items) or (pairs,) each
        One or several models, as for :func:`timecourse`, without an axis of time.
    data : RDM, RDMStore, path, or a sequence or mapping of these, shape (times, pairs) each
        RDMs over time: ``("time",)`` for one participant, ``("subject", "time")`` for several.
    method : str
        Any method of :func:`alignkit.rsa.compare`.
    tail : {"greater", "less", "two-sided"}
        ``"greater"``: more alike than by chance (for the distance ``"bures-metric"``: ``"less"``).
    correction : {"max", "cluster"}
        How p-values are corrected over time: by the largest similarity of every permutation, which finds single times,
        or by the heaviest cluster of neighbouring times, which says nothing about onsets and extents. Each participant
        and model is corrected by itself.
    n_permutations : int
        Random permutations; where there are no more than that, each is taken once and the test is exact.
    alpha : float
        Level at which a participant counts as passing.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items.
    tolerance : float
        Seconds by which the times of participants may differ.
    memory : int or str
        Memory to work in, besides models and data that are in memory already: bytes, or a text such as ``"1 GB"``.
        More of it is faster, because labels are permuted anew for each stretch of time.
    resume : path, optional
        A file (``.npz``) that participants are kept in as they are done: the same call, with the same seed, goes on
        where a killed one stopped, and that of another test is refused. It stays until you remove it.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of the permutations, which differ between participants.
    client : dask.distributed.Client, optional
        Share permutations out over the workers of a cluster, with the same bits; by default, threads of this process
        compute them. RDMs are read here, and go to every worker, a stretch of time of one participant at a time.

    Returns
    -------
    LabelTest

    Raises
    ------
    ValueError
        Different items or times, models with a time axis, too little memory, ``resume`` without a seed, or options that
        do not fit.
    TypeError
        Values that are not real numbers, or a ``client`` that is none.
    FileNotFoundError
        A path that is not there.
    FileExistsError
        ``resume`` holds the start of another test.

    Notes
    -----
    p is (b + 1)/(m + 1) for m random permutations, b/m for all. The largest similarity over time is that of values
    divided by the standard deviation of their own permuted ones, so that no time counts for more than another.

    .. math:: P(M \ge m) = \sum_{k=m}^{n} \binom{n}{k} \alpha^k (1 - \alpha)^{n - k}

    is how likely m of n participants pass by chance where none shows an effect (``p_count``). A participant without
    any effect passes at *any* time with probability alpha at most, so that it holds for all times together.
    With n participants, nothing is claimed about others but that some show the effect: the inference is within each of
    them.

    No p is below the share of orders that leave the model as it is: 1/5 for one of five items against the other four.
    Where that, or the number of permutations, makes ``alpha`` impossible, a warning and ``note`` say so.

    Ranks are those of the labels as they are, so that a permutation costs one reindexing of the model and one product
    with all times. The numbers are the same for any number of threads or workers; ``memory`` changes the last digit at
    most, and that only for methods that do not rank.

    References
    ----------
    Mantel (1967), Cancer Research 27, 209-220; Nichols and Holmes (2002), doi:10.1002/hbm.1058; counting participants:
    Donhauser et al. (2018), doi:10.1371/journal.pcbi.1005990; Ince et al. (2021), doi:10.7554/eLife.62461.

    Examples
    --------
    >>> import numpy as np
    >>> from alignkit.rsa import RDM
    >>> rng = np.random.default_rng(0)
    >>> model = rng.random(28)
    >>> movies = rng.random((4, 10, 28))
    >>> movies[:, 5:] += 2 * model
    >>> people = RDM(movies, dims=["subject", "time"], coords={"time": np.arange(10) / 10})
    >>> label_test({"animacy": model}, people, rng=0).n_significant
    array([[0, 0, 0, 0, 0, 4, 4, 4, 4, 4]])
    """
    check_choice("method", method, COMPARISON_METHODS)
    check_choice("tail", tail, get_args(Tail))
    check_choice("correction", correction, get_args(Correction))
    check_count("n_permutations", n_permutations, 1)
    check_fraction("alpha", alpha)
    check_not_negative("tolerance", tolerance)
    if resume is not None and rng is None:
        msg = "resume needs rng, a seed: what goes on must permute labels as what was done."
        raise ValueError(msg)
    n_bytes, executor = as_bytes(memory), as_executor(client)
    given = read_inputs(models, data, None, on_mismatch, tolerance)
    slices = given.slices
    check_n_items("the RDMs", slices.n_items)
    if given.models.times is not None:
        msg = "label_test takes models without a time axis; choose one time of them with sel(time=...)."
        raise ValueError(msg)
    hopeless = warn_if_hopeless(given.models.names, given.rows, slices.n_items, n_permutations, alpha)
    note = "; ".join(filter(None, [hopeless, "" if slices.timed else UNTIMED]))
    step = _step(given, n_permutations, n_bytes)
    options, exact = Options(method, "propagate"), is_exact(slices.n_items, n_permutations)
    generators = spawn(rng, slices.n_subjects)
    file = LabelFile.of(resume, given, options, (tail, correction, n_permutations), generators)
    for i, observed, null in _each_subject(
        given, options, n_permutations, step, generators, file.done, executor, progress=progress
    ):
        file.similarity[:, i] = observed
        for k in range(len(given.rows)):
            found: LabelP = label_p(
                observed[k], null[:, k], tail, correction, exact=exact, centred=method not in _OFFSET
            )
            file.p[k, i], file.corrected[k, i] = found.p, found.corrected
        file.keep(i)
    _report(file.similarity, given, method)
    return LabelTest.of(
        file.similarity,
        file.p,
        file.corrected,
        times=slices.times,
        models=given.models.names,
        subjects=slices.subjects,
        method=method,
        tail=tail,
        correction=correction,
        alpha=float(alpha),
        n_permutations=n_orders(slices.n_items, n_permutations),
        exact=exact,
        n_items=slices.n_items,
        metric=slices.metric,
        note=note,
    )


def _step(given: Inputs, n_permutations: int, n_bytes: int) -> int:
    """Return how many times are tested together."""
    slices, n_models = given.slices, len(given.rows)
    fixed = _NULL_BYTES * n_orders(slices.n_items, n_permutations) * slices.n_times * n_models
    fixed += 16 * n_models * slices.n_items**2
    one = _BYTES * slices.n_pairs
    if fixed + one > n_bytes:
        msg = (
            f"{n_permutations:,} permutations of {slices.n_items:,} items at {slices.n_times:,} times take at least "
            f"{in_bytes(fixed + one)}; raise memory, or take fewer permutations or models."
        )
        raise ValueError(msg)
    return min(slices.n_times, (n_bytes - fixed) // one)


def _each_subject(
    given: Inputs,
    options: Options,
    n_permutations: int,
    step: int,
    generators: list[np.random.Generator],
    done: BoolArray,
    executor: Executor,
    *,
    progress: bool,
) -> Iterator[tuple[int, FloatArray, FloatArray]]:
    """Yield who is not ``done``, the similarities, shape (model, time), and permuted ones, shape (m, model, time)."""
    from tqdm import tqdm

    slices = given.slices
    models = np.asarray(given.rows, dtype=np.float64)
    undefined = np.asarray(np.isnan(models).any(axis=1))
    models = np.where(undefined[:, None], 0.0, models)
    spans = [(start, min(start + step, slices.n_times)) for start in range(0, slices.n_times, step)]
    total, before = slices.n_subjects * slices.n_times, int(done.sum()) * slices.n_times
    hidden = not progress or before == total
    with tqdm(total=total, initial=before, desc="labels", unit="sample", disable=hidden) as bar:
        for i, ((one, row), generator) in enumerate(zip(_subjects(slices), generators, strict=True)):
            if done[i]:
                continue
            parts = []
            for start, stop in spans:
                values = _read(one, start, stop, options.method)[row]
                parts.append(_permuted(models, values, slices.n_items, options, n_permutations, generator, executor))
                bar.update(stop - start)
            observed = np.concatenate([part for part, _ in parts], axis=1)
            null = np.concatenate([part for _, part in parts], axis=2)
            observed[undefined] = np.nan
            yield i, observed, null


def _subjects(slices: Slices) -> Iterator[tuple[Slices, int]]:
    """Yield, for every participant, what is read for it, and which of the rows that are read are its own."""
    for source, pairs in zip(slices.sources, slices.pairs, strict=True):
        one = dataclasses.replace(slices, sources=(source,), pairs=(pairs,), subjects=source.subjects)
        for row in range(len(source.subjects)):
            yield one, row


def _read(slices: Slices, start: int, stop: int, method: str) -> AnyArray:
    """Return a stretch of time: whole numbers where ranks are all that counts and the data has some."""
    values = slices.read_ordered(start, stop) if method in RANK_METHODS else slices.read(start, stop)
    return values if values.dtype.kind in "iu" else values.astype(np.float64, copy=False)


@one_blas_thread()
def _permuted(
    models: FloatArray,
    values: AnyArray,
    n_items: int,
    options: Options,
    n_permutations: int,
    rng: np.random.Generator,
    executor: Executor,
) -> tuple[FloatArray, FloatArray]:
    """Return similarities of models and RDMs, shape (model, time), and those under the permutations of ``rng``.

    The generator stays as it is, so that every stretch of time has the same permutations.
    """
    missing = np.asarray(np.isnan(values).any(axis=1))
    values = np.where(missing[:, None], 0.0, values) if missing.any() else values
    permuted = permuted_similarity(models, values, n_items, options)
    observed = permuted.statistics(np.arange(n_items)[None])[0]
    observed[:, missing] = np.nan
    generator = copy.deepcopy(rng)
    null = null_distribution(permuted, n_items, n_permutations, generator, progress=False, executor=executor)
    return observed, null


def _report(similarity: FloatArray, given: Inputs, method: str) -> None:
    """Warn once of the models and RDMs that have no similarity."""
    undefined = np.isnan(similarity)
    if not undefined.any():
        return
    slices, kind = given.slices, "distance" if method in DISTANCES else "similarity"
    never = np.asarray(undefined.all(axis=(1, 2)))
    cells = np.argwhere(undefined[~never].any(axis=0))
    names = [f"{slices.subjects[i]} at {at_time(slices.times[j], timed=slices.timed)}" for i, j in cells]
    models = [name for name, bad in zip(given.models.names, never, strict=True) if bad]
    reason = f"NaN, or values that are all equal, leave no {method} {kind}"
    report_all({f"{reason} for the models": models, f"{reason} for": names}, "propagate", stacklevel=4)
