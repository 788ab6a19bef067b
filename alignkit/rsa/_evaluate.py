"""Models scored against subjects, with inference to new subjects, new items, or both."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from alignkit._check import (
    NanPolicy,
    as_flag,
    check_choice,
    check_count,
    check_fraction,
    check_nan_policy,
)
from alignkit._executor import as_executor
from alignkit._random import as_rng
from alignkit._typing import RNGLike
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._evaluation import Evaluation
from alignkit.rsa._fdr import Method as FdrMethod
from alignkit.rsa._inference._contrast_variances import Generalize
from alignkit.rsa._inference._evaluation_inputs import evaluation_inputs
from alignkit.rsa._inference._evaluation_settings import EvaluationTest, Settings
from alignkit.rsa._inference._evaluation_steps import evaluated
from alignkit.rsa._inference._score_intervals import Interval
from alignkit.rsa._permutations import Alternative
from alignkit.rsa._pooling import Pooling, PoolingMethod, check_pooling
from alignkit.rsa._torch_device import torch_device


def evaluate(
    models: object,
    data: object,
    /,
    *,
    generalize: Generalize = "subjects",
    method: PoolingMethod = "spearman",
    test: EvaluationTest | Literal["auto"] = "auto",
    interval: Interval = "t",
    alternative: Alternative = "greater",
    alpha: float = 0.05,
    confidence: float = 0.95,
    fdr_method: FdrMethod = "bh",
    fixed_ceiling: bool = False,
    n_bootstrap: int = 1000,
    n_permutations: int = 10_000,
    pooling: Pooling = "rank",
    sigma_k: object = None,
    controls: object = None,
    n_folds: int | None = None,
    n_subject_folds: int | None = None,
    n_cv: int = 2,
    n_repeats: int = 10,
    dim: str | None = None,
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    progress: bool = False,
    rng: RNGLike = None,
    client: object = None,
    device: str | None = None,
) -> Evaluation:
    r"""Score models against subjects' RDMs, and say what of it holds for new subjects, new items, or both.

    A score is the mean over subjects of the similarity of a model's RDM to theirs. It comes with a standard error, an
    interval, tests against zero, against the other models and against the noise ceiling, corrected for their number.

    Parameters
    ----------
    models : RDM, mapping of str to RDM, sequence of RDMs or array_like, shape (models, pairs)
        Fixed models, by name or stacked; or, by name or in a sequence, :class:`SelectedModel`, :class:`WeightedModel`
        and :class:`InterpolatedModel`, which are fitted. Where any is, all are scored on held-out items and subjects.
    data : RDM or array_like, shape (subject, pairs) or (subject, items, items)
        One RDM per subject. Labelled RDMs are aligned by label first.
    generalize : {"subjects", "items", "both"}
        To whom errors, intervals and tests speak: new subjects who see the same items, the same subjects and new items,
        or new subjects and new items.
    method : str
        Any method of :func:`noise_ceiling`.
    test : {"auto", "sign-flip", "permutation", "t"}
        Subjects: ``"sign-flip"`` (the default; exact up to 20 subjects: all :math:`2^S` patterns) or ``"t"`` (equal to
        scipy's and rsatoolbox's ``eval_fixed``), against zero and between models. Items: ``"permutation"`` of the item
        labels (the default; Mantel's test) or ``"t"`` against zero, and t tests between models. Both: ``"t"``. Tests
        against the ceiling are t tests.
    interval : {"t", "percentile", "bca"}
        Student's t with the standard error, percentiles of resamples, or these corrected for bias and acceleration
        (jackknife). Over both, resamples are first drawn in until they have the corrected variance.
    alternative : {"greater", "less", "two-sided"}
        Of the tests against zero; the others are two-sided.
    alpha : float
        Level of the tests. One that cannot reach it (4 subjects have 16 sign flips) gives no p-value but a reason.
    confidence : float
        Level of the intervals.
    fdr_method : {"bh", "by"}
        See :func:`fdr`.
    fixed_ceiling : bool
        Test against the ceiling as if it were known, as rsatoolbox does over subjects; by default its own uncertainty
        and covariance with the score are resampled.
    n_bootstrap : int
        Resamples. Over subjects only the ceiling and bootstrap intervals need them, and 0 is allowed.
    n_permutations : int
        Random permutations of items, or sign flips of more than 20 subjects; where there are no more permutations (7
        items: 5,040), each is taken once.
    pooling : {"rank", "raw", "rsatoolbox"}
        How subjects are averaged for the ceiling, as in :func:`noise_ceiling`.
    sigma_k : array_like, shape (items,) or (items, items), optional
        For the whitened methods, in the order of ``data``; where items are resampled, variances alone.
    controls : RDM or array_like, or a sequence of them, optional
        RDMs to partial out of models and subjects, as in :func:`compare`; for ``"pearson"`` and, of fixed models,
        ``"spearman"``. Needs complete RDMs (or ``nan_policy="omit"``).
    n_folds, n_subject_folds : int, optional
        Folds of items and of subjects in which models are fitted and judged; 1 holds none out. By default
        rsatoolbox's: 2, 3, 4 or 5 from 12, 24 or 40 items, and from 6, 12 or 20 subjects, of as many as are different
        in a resample (63 %).
    n_cv : int
        Random assignments to folds in every resample of models that are fitted; from two on, the variance that a few
        of them add is taken out. Where few items make that much larger than the variance over subjects, five or more
        give steadier errors.
    n_repeats : int
        Random assignments to folds that are averaged for their scores.
    dim : str, optional
        Name of the subjects' axis; by default ``"subject"``, else the only one.
    nan_policy : {"propagate", "omit", "raise"}
        NaN in a subject: give NaN; in a model: for that model alone. ``"omit"`` leaves pairs that are missing anywhere
        out for all, and items without any pair. ``"raise"`` refuses.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items.
    progress : bool
        Show a progress bar with the time left.
    rng : numpy Generator, int or None
        Seed of resamples, permutations and corrections.
    client : dask.distributed.Client, optional
        Share resamples and permutations out over the workers of a cluster; by default, threads of this process compute
        them. The result has the same bits. Sign flips, and ceilings of drawn subjects that follow from products of
        subjects, take no time and stay here: with ``generalize="subjects"`` workers get ceilings of ranks alone.
    device : {None, "auto", "cpu", "cuda", "cuda:1", "mps"}
        Resample items with torch on this device, in float64 (``"auto"``: the first GPU, else the CPU); by default numpy
        and numba do it. Scores and ceilings of resamples agree to 1e-10. For fixed models without controls; numpy
        computes all the same Kendall's tau, the Bures methods, ceilings of ``pooling="raw"`` for ranks, whitening of
        incomplete RDMs, resamples of subjects alone, and everything for ``"mps"``, which has no float64.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        Different labels or sizes, unknown options or ones that do not go together, no subjects' axis, too few items, a
        device that is not there, or undefined values under ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers, or a ``client`` that is none.

    Notes
    -----
    Standard errors: over subjects :math:`s/\sqrt S`; over items the spread of resampled scores times
    :math:`\sqrt{N/(N-1)}`; over both from :func:`dual_variance`. Degrees of freedom: S - 1, N - 1, and
    :math:`\min(S, N) - 1`. A test against the ceiling's lower bound has the variance of the difference of both in the
    same resamples.

    Models that are fitted: weights come from pairs within the training items of the training subjects, scores are the
    similarity of the prediction to held-out subjects over pairs within held-out items, averaged over folds. Fixed
    models beside them are scored on the same pairs, and so is the ceiling. Errors are those of a bootstrap around the
    whole cross-validation, with copies of an item or subject in one fold, corrected for the number ``n_cv`` of
    assignments, :math:`(n V_{mean}-V_1)/(n-1)`; tests are t tests. Fits to everything are in ``weights``, and
    ``in_sample`` says how they score there, which is no measure of alignment.

    Family-wise p-values compare each statistic with the largest one of all models (or pairs): in every sign flip or
    permutation, or, for t tests, in draws of normal estimates with the covariance of the real ones, each with a
    standard error of its own. The numbers are the same for any number of threads or workers.

    A fitted prediction that does not vary over held-out pairs scores 0; a model that varies over no pairs has no score
    (NaN), fitted or not.

    Not significant is not equal: report intervals. Cosine similarities of RDMs that share nothing are far above zero;
    only a permutation of items tests these.

    References
    ----------
    Nili et al. (2014), doi:10.1371/journal.pcbi.1003553; both: Schuett et al. (2023), doi:10.7554/eLife.82566; sign
    flips and max-T: Nichols and Holmes (2002), doi:10.1002/hbm.1058; BCa: Efron (1987),
    doi:10.1080/01621459.1987.10478410.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> truth, other = rng.random((2, 45))
    >>> people = truth + rng.normal(0, 0.3, (8, 45))
    >>> result = evaluate({"right": truth, "wrong": other}, people, generalize="both", rng=0)
    >>> result.p_zero.round(2)
    array([0. , 0.2])
    """
    check_pooling(method, pooling)
    check_nan_policy(nan_policy)
    check_choice("generalize", generalize, get_args(Generalize))
    check_choice("interval", interval, get_args(Interval))
    check_choice("alternative", alternative, get_args(Alternative))
    check_choice("fdr_method", fdr_method, get_args(FdrMethod))
    check_fraction("alpha", alpha)
    check_fraction("confidence", confidence)
    check_count("n_bootstrap", n_bootstrap)
    check_count("n_permutations", n_permutations, 1)
    for name, number in (("n_folds", n_folds), ("n_subject_folds", n_subject_folds)):
        if number is not None:
            check_count(name, number, 1)
    check_count("n_cv", n_cv, 1)
    check_count("n_repeats", n_repeats, 1)
    settings = Settings(
        generalize=generalize,
        method=method,
        test=test,
        interval=interval,
        alternative=alternative,
        alpha=float(alpha),
        confidence=float(confidence),
        fdr_method=fdr_method,
        fixed_ceiling=as_flag("fixed_ceiling", fixed_ceiling),
        n_bootstrap=n_bootstrap,
        n_permutations=n_permutations,
        pooling=pooling,
        nan_policy=nan_policy,
        progress=progress,
        seed=int(rng) if isinstance(rng, int | np.integer) else None,
        n_folds=n_folds,
        n_subject_folds=n_subject_folds,
        n_cv=n_cv,
        n_repeats=n_repeats,
        device=torch_device(device, client),
        executor=as_executor(client),
    )
    generator = as_rng(rng)
    inputs = evaluation_inputs(
        models,
        data,
        method=method,
        dim=dim,
        sigma_k=sigma_k,
        controls=controls,
        nan_policy=nan_policy,
        on_mismatch=on_mismatch,
    )
    return evaluated(inputs, settings.for_inputs(inputs), generator)
