"""Similarity of features, without RDMs: every layer of one side with every layer of another."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_count, check_nan_policy, join_names
from alignkit._random import as_rng
from alignkit._threads import one_blas_thread
from alignkit._typing import RNGLike
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._feature_layers import Layers, align_layers, as_layers, of_one_kind
from alignkit.rsa._feature_method import FeatureMethod, as_measure
from alignkit.rsa._feature_pairs import Pairs, Table, compare_pairs
from alignkit.rsa._feature_similarity import FeatureSimilarity
from alignkit.rsa._nan import report_all


def similarity(
    x: object,
    y: object,
    /,
    *,
    method: FeatureMethod = "cka",
    kernel: Literal["linear", "rbf"] = "linear",
    debiased: bool = True,
    bandwidth: float = 1.0,
    score: Literal["nbs", "angular", "euclidean"] = "nbs",
    alpha: float = 1.0,
    squared: bool = False,
    variance: float = 0.99,
    n_neighbours: int = 10,
    labels_x: Iterable[Any] | None = None,
    labels_y: Iterable[Any] | None = None,
    on_mismatch: OnMismatch = "raise",
    nan_policy: NanPolicy = "propagate",
    n_permutations: int = 0,
    rng: RNGLike = None,
    progress: bool = False,
) -> FeatureSimilarity:
    r"""Compare features of the same items: every layer of one side with every layer of another.

    This takes *features* (items by channels); :func:`compare` takes *RDMs*. Both sides may differ in width.

    Parameters
    ----------
    x, y : array_like or tensor, shape (items, channels); or a list or mapping of them
        Features of the same items; several of them (layers, models) are compared in one pass, each prepared once. An
        array of numpy may be memory-mapped, and float16: rows are read and widened in blocks. Tables of pandas and
        xarray whose rows are named are matched by name. Where one side is a tensor of torch, all is computed on its
        device.
    method : {"cka", "procrustes", "cca", "svcca", "pwcca", "mutual-knn"}
        With X and Y centred per channel, :math:`|\cdot|` the Frobenius and :math:`|\cdot|_*` the nuclear norm:

        cka
            Centred kernel alignment :math:`\langle K, L\rangle / \sqrt{\langle K, K\rangle\langle L, L\rangle}`, for a
            linear kernel :math:`|X'Y|^2 / (|X'X||Y'Y|)`.
        procrustes
            What the best rotation leaves, :math:`|X'Y|_* / (|X||Y|)`.
        cca, svcca, pwcca
            Mean canonical correlation; within the leading principal components; or weighted by how much of the
            channels of the side of lower rank (x where they are equal) each variate takes up, which is not unique
            where correlations are equal.
        mutual-knn
            Mean share of the ``n_neighbours`` nearest items by cosine (not centred) that agree. Ties, cosines closer
            than 1e-12, go to the item that comes first (in the order of x).

        Notes say which peers give the same numbers.
    kernel : {"linear", "rbf"}
        cka: :math:`k(a, b) = a'b`, or :math:`\exp(-|a-b|^2/2\sigma^2)`.
    debiased : bool
        cka: the inner products are unbiased estimates (which may be negative), so that unrelated features give 0 on
        average whatever their width; else the plain ones, which grow towards 1 with the number of channels.
    bandwidth : float
        cka, rbf kernel: :math:`\sigma^2` is ``bandwidth**2`` times the median of all squared distances of a side.
    score : {"nbs", "angular", "euclidean"}
        procrustes: the normalised Bures similarity above, its arc cosine, or the distance
        :math:`\sqrt{|X|^2 + |Y|^2 - 2|X'Y|_*}`; the latter two are metrics, smaller for more alike features.
    alpha : float
        procrustes: share of the features themselves, the rest being whitened: singular values s become
        :math:`\alpha s + 1 - \alpha`, times a factor that keeps the total variance. 1 is plain Procrustes, 0 is
        invariant to any invertible linear map, like cca. In between it depends on the unit of the features.
    squared : bool
        cca, svcca: the mean of squared canonical correlations.
    variance : float
        svcca: the leading components that hold this share of the variance are kept, at least.
    n_neighbours : int
        mutual-knn: neighbours of every item.
    labels_x, labels_y : sequence of str, shape (items,), optional
        Names of the rows. Where both sides have names, rows are matched by them; else by position.
    on_mismatch : {"raise", "intersect"}
        What to do when the sides hold different items.
    nan_policy : {"propagate", "omit", "raise"}
        Items with NaN or infinite features in either of two layers: give NaN, leave those items out of that pair, or
        raise. What is undefined (features that are the same for every item) is NaN or raises. One warning names it all.
    n_permutations : int
        The same measure for so many permutations of the items of y gives the ``baseline`` and one-sided p values.
    rng : Generator, int or None
        Seed of the permutations.
    progress : bool
        Show a progress bar over permutations.

    Returns
    -------
    FeatureSimilarity
        Values of shape (layers of x, layers of y), without the axis of a side that is a single array; tensors with
        their gradients where features are tensors. All is computed in float64.

    Raises
    ------
    ValueError
        Different items, too few of them, an unknown option or one that the method does not take, or undefined values
        under ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers.

    Warns
    -----
    RuntimeWarning
        Undefined values; canonical correlations (also those within ``alpha=0``) that are 1 by geometry alone because
        the ranks of both sides add up to more than the number of items less one.

    See Also
    --------
    compare : similarity of RDMs.

    Notes
    -----
    All of these describe the items at hand: none is cross-validated, and but for debiased CKA all of them rise with
    the number of channels. Compare them with the baseline.

    - cka, ``debiased=False``: Kornblith et al. (2019); thingsvision ``get_cka``; the cosine of netrep's ``LinearCKA``;
      ``compare(..., method="whitened-cosine")`` of squared Euclidean RDMs (rsatoolbox ``cosine_cov``). Net2Brain
      z-scores the channels first.
    - cka, ``debiased=True``: the estimator of Song et al. (2012), Székely and Rizzo (2014): thingsvision
      ``unbiased=True``, the Platonic code's ``unbiased_cka``, brain-score's ``cka`` (which gives 0 where a product is
      negative). repsim's "unbiased" CKA leaves the diagonal out after ordinary centring: another, biased number.
    - cka, rbf: the kernel of Kornblith et al., whose median counts the zeros of the diagonal. thingsvision and the
      Platonic code take :math:`\sigma = 1` instead.
    - procrustes: angular is netrep's ``LinearMetric(alpha)`` and nbs its cosine, which is also rsatoolbox's ``bures``
      of squared Euclidean RDMs; euclidean is netrep's ``score_method="euclidean"`` for features of full rank
      (directions without variance count there). scipy's ``procrustes`` disparity is 1 - nbs².
    - cca, ``squared=True``: R²CCA of Kornblith et al.; svcca: Raghu et al. (2017), who keep 99 %; pwcca: Morcos et al.
      (2018), with centred variates, to which the published code adds the means back. Directions whose singular value
      is rounding in float64 are dropped; features stored in float32 hold their own rounding: svcca leaves it out.
    - mutual-knn: Huh et al. (2024), whose ties are in no order.

    References
    ----------
    Kornblith et al. (2019), doi:10.48550/arXiv.1905.00414. Song et al. (2012), jmlr.org/papers/v13/song12a. Székely and
    Rizzo (2014), doi:10.1214/14-AOS1255. Williams et al. (2021), doi:10.48550/arXiv.2110.14739. Raghu et al. (2017),
    doi:10.48550/arXiv.1706.05806. Morcos et al. (2018), doi:10.48550/arXiv.1806.05759. Huh et al. (2024),
    doi:10.48550/arXiv.2405.07987.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 30))
    >>> y = x @ rng.normal(size=(30, 50)) + rng.normal(size=(200, 50))
    >>> similarity(x, y)
    <FeatureSimilarity debiased linear CKA = 0.7662, 200 items>
    >>> layers = {"conv1": x, "fc": y}
    >>> similarity(layers, layers, method="procrustes").values.round(4)
    array([[1.    , 0.9094],
           [0.9094, 1.    ]])
    """
    options = {"kernel": kernel, "debiased": debiased, "bandwidth": bandwidth, "score": score, "alpha": alpha}
    options |= {"squared": squared, "variance": variance, "n_neighbours": n_neighbours}
    measure, settings = as_measure(method, options)
    check_nan_policy(nan_policy)
    check_choice("on_mismatch", on_mismatch, ("raise", "intersect"))
    n_permutations = check_count("n_permutations", n_permutations)
    generator = as_rng(rng)
    first, second = _sides(x, y, labels_x, labels_y, on_mismatch)
    if first.n_items < measure.min_items:
        msg = f"{measure.label} needs at least {measure.min_items} items; got {first.n_items}."
        raise ValueError(msg)
    pairs = Pairs(first, second, measure, nan_policy, n_permutations)
    with one_blas_thread():
        table = compare_pairs(pairs, generator, progress)
    report_all(_reasons(pairs, table), nan_policy)
    _warn_of_geometry(pairs, table)
    shape = first.shape + second.shape
    baseline, p_values = (None if a is None else a.reshape(shape) for a in (table.baseline, table.p_values))
    return FeatureSimilarity(
        values=table.values.reshape(shape),
        baseline=baseline,
        p_values=p_values,
        n_items=table.n_items.reshape(shape),
        measure=measure.label,
        sentence=measure.sentence,
        method=method,
        settings=settings,
        is_distance=measure.is_distance,
        n_permutations=n_permutations,
        nan_policy=nan_policy,
        dims=tuple(f"layer_{side.name}" for side in (first, second) if side.names is not None),
        coords={f"layer_{side.name}": list(side.names) for side in (first, second) if side.names is not None},
        n_channels_x=tuple(int(array.shape[1]) for array in first.arrays),
        n_channels_y=tuple(int(array.shape[1]) for array in second.arrays),
        aligned_by="position" if first.labels is None or second.labels is None else "label",
    )


def _sides(
    x: object, y: object, labels_x: Iterable[Any] | None, labels_y: Iterable[Any] | None, on_mismatch: OnMismatch
) -> tuple[Layers, Layers]:
    first = as_layers("x", x, labels_x, on_mismatch)
    same = y is x and labels_x is None and labels_y is None
    second = dataclasses.replace(first, name="y") if same else as_layers("y", y, labels_y, on_mismatch)
    return of_one_kind(*align_layers(first, second, on_mismatch))


def _reasons(pairs: Pairs, table: Table) -> dict[str, list[str]]:
    """Return why values are NaN, with the names of the items or layers at fault."""
    reasons: dict[str, list[str]] = {}
    if pairs.nan_policy != "omit":
        for side in pairs.sides:
            bad = ~np.logical_and.reduce(pairs.masks(side))
            reason = f"{side.name} holds NaN or infinite values (nan_policy='omit' leaves those items out) for"
            reasons[reason] = [side.item(i) for i in np.flatnonzero(bad).tolist()]
    else:
        few = np.argwhere(table.n_items < pairs.measure.min_items)
        reason = f"fewer than {pairs.measure.min_items} items are without NaN in both"
        reasons[reason] = [f"{pairs.x.title(i)} and {pairs.y.title(j)}" for i, j in few]
    for block in table.blocks:
        for side, prepared in zip(pairs.sides, (block.x, block.y), strict=False):
            for i, one in prepared.items():
                if one.undefined:
                    found = reasons.setdefault(one.undefined, [])
                    names = _names(side, i, getattr(one, "rows", ()))
                    found += [name for name in names if name not in found]  # several blocks may hold one layer
    return reasons


def _names(side: Layers, layer: int, rows: object) -> list[str]:
    if not isinstance(rows, tuple) or not rows:
        return [side.title(layer)]
    items = np.flatnonzero(np.isin(side.orders[layer], rows)).tolist()
    return [f"{side.item(i)} of {side.title(layer)}" for i in items]


def _warn_of_geometry(pairs: Pairs, table: Table) -> None:
    found = []
    for block in table.blocks:
        for i, a in block.x.items():
            for j, b in block.y.items():
                if a.undefined or b.undefined:
                    continue
                n_forced, n_all = pairs.measure.forced(a, b)
                if n_forced:
                    found.append(f"{n_forced} of {n_all} for {pairs.x.title(i)} and {pairs.y.title(j)}")
    if found:
        msg = (
            "canonical correlations are 1 by geometry alone, whatever the features are, where the ranks of both sides "
            f"add up to more than the number of items less one: {join_names(found)}. Use more items, or svcca with "
            "less variance."
        )
        warnings.warn(msg, RuntimeWarning, stacklevel=3)
