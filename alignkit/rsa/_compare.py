"""RDM-to-RDM comparison: all pairs of two stacks in one pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from alignkit._check import NanPolicy, check_choice, check_nan_policy, is_tensor
from alignkit._typing import AnyArray, BoolArray, FloatArray, IntArray
from alignkit.rsa._align import OnMismatch, align, as_rdm
from alignkit.rsa._align_all import align_all, as_rdms, numbered
from alignkit.rsa._compare_rows import Compared, Options, compare_rows
from alignkit.rsa._comparison import Comparison
from alignkit.rsa._condensed import as_host
from alignkit.rsa._container import RDM
from alignkit.rsa._dispatch import Backend
from alignkit.rsa._matrix_methods import BURES, COMPARISON_METHODS, TENSOR_METHODS, WHITENED, ComparisonMethod
from alignkit.rsa._namespace import like
from alignkit.rsa._nan import items_of_pairs, name_items, report_all, report_note
from alignkit.rsa._partial import PARTIAL_METHODS, Partial
from alignkit.rsa._sigma_k import check_sigma_k, of_items
from alignkit.rsa._similarity_methods import undefined_rows
from alignkit.rsa._tiled_rdm import TiledRDM


def compare(
    a: object,
    b: object,
    /,
    *,
    method: ComparisonMethod = "spearman",
    sigma_k: object = None,
    controls: object = None,
    partial: Partial = "both",
    nan_policy: NanPolicy = "propagate",
    on_mismatch: OnMismatch = "raise",
    backend: Backend = "auto",
) -> Comparison:
    r"""Compare every RDM of one stack with every RDM of another.

    This takes *RDMs*; :func:`similarity` takes the *features* (items by channels) that RDMs are made of.

    Parameters
    ----------
    a, b : RDM, array_like or tensor, shape (..., pairs) or (..., items, items)
        Labelled RDMs are aligned by label first; bare arrays are taken in the order they have. float32 is read as it
        is, and summed in float64. Tensors give a tensor, with gradients where the method has any (the pearson and
        cosine methods, whitened or not); for Bures and for controls pass arrays. A :class:`TiledRDM` is read tile by
        tile, see :func:`stream_compare`.
    method : str
        With P item pairs, ranks R (ties share their mean) and C - D concordant minus discordant pairs of pairs:

        - ``"spearman"``: the Pearson correlation of ranks. With tied (categorical) models prefer rho-a.
        - ``"rho-a"``: :math:`12\sum(R_a-\bar R)(R_b-\bar R)/(P^3-P)`.
        - ``"kendall-tau-a"``: :math:`(C-D)/(P(P-1)/2)`; ``"kendall-tau-b"`` divides by
          :math:`\sqrt{(N-T_a)(N-T_b)}` with the tied pairs T taken out.
        - ``"pearson"`` and ``"cosine"``.
        - ``"whitened-cosine"`` and ``"whitened-pearson"`` (rsatoolbox: ``cosine_cov``, ``corr_cov``):
          :math:`d'V^{-1}e/\sqrt{d'V^{-1}d\;e'V^{-1}e}`, of the values or of the values less their mean, where
          :math:`V=(C\Sigma C')^{\circ 2}` is the covariance of dissimilarities when the errors of items have the
          covariance :math:`\Sigma` = ``sigma_k``. Without it, whitened-cosine of squared Euclidean RDMs is linear CKA.
        - ``"bures"``: :math:`\mathrm{tr}\sqrt{A^{1/2}BA^{1/2}}/\sqrt{\mathrm{tr}A\,\mathrm{tr}B}` with
          :math:`A=-HDH/2`, for RDMs of squared Euclidean distances: the cosine of the two configurations of items once
          one is rotated onto the other (normalised Bures similarity, Procrustes).
        - ``"bures-metric"``: :math:`\sqrt{\mathrm{tr}A+\mathrm{tr}B-2\,\mathrm{tr}\sqrt{A^{1/2}BA^{1/2}}}`, a
          **distance** in the unit of the root of the RDMs; rsatoolbox's ``bures_metric`` is its square.

        Bures methods set negative eigenvalues of A, which only RDMs that are not Euclidean have (crossnobis, ranks),
        to zero, in the traces too (rsatoolbox: not there); one warning and the result say how much that was.
    sigma_k : array_like, shape (items,) or (items, items), optional
        Variances or covariance of the items' pattern estimates, in the order of ``a``, for the whitened methods; by
        default all equal and independent. Variances are exactly the diagonal covariance that they stand for, which
        rsatoolbox's one-dimensional ``sigma_k`` is not (it centres before it weighs).
    controls : RDM or array_like, or a sequence of them, optional
        RDMs to regress out (of the ranks, for spearman); for ``"pearson"`` and ``"spearman"``. Collinear ones are
        welcome. Pairs that are NaN in any of them count as missing everywhere.
    partial : {"both", "first", "second"}
        Which side the controls leave: both (partial correlation), or ``a`` or ``b`` alone (semi-partial).
    nan_policy : {"propagate", "omit", "raise"}
        NaN in either of two RDMs: give NaN, leave those item pairs out of that comparison alone, or raise.
        The whitened methods are exact for any pattern of missing pairs; Bures needs every pair of the items that are
        left (items without any pair are dropped). Undefined values (RDMs that are constant or, for the cosine
        and Bures methods, zero; that the controls explain altogether; fewer than two pairs left) are NaN or raise.
        One warning names all that is NaN.
    on_mismatch : {"raise", "intersect"}
        What to do when labelled RDMs hold different items.
    backend : {"auto", "numpy", "numba"}
        Which kernels rank and count; the numbers are the same.

    Returns
    -------
    Comparison
        Values of shape (*a.shape, *b.shape) with the number of pairs used in each.

    Raises
    ------
    ValueError
        Different labels or sizes, an unknown option, options that do not belong to the method, malformed RDMs, or
        undefined values under ``nan_policy="raise"``.
    TypeError
        Values that are not real numbers, or tensors where the method takes none.

    References
    ----------
    Nili et al. (2014), doi:10.1371/journal.pcbi.1003553; rho-a: Schuett et al. (2023), doi:10.7554/eLife.82566;
    whitening: Diedrichsen et al. (2020), arXiv:2007.02789; Bures: Harvey et al. (2024), arXiv:2311.11436.

    Examples
    --------
    >>> a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    >>> b = [1.0, 3.0, 2.0, 4.0, 6.0, 5.0]
    >>> compare(a, b, method="spearman")
    <Comparison spearman = 0.8857, 4 items>
    >>> compare(a, b, method="whitened-cosine", sigma_k=[1.0, 1.0, 2.0, 2.0])
    <Comparison whitened-cosine = 0.9275, 4 items>
    >>> compare(a, b, method="pearson", controls=[1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    <Comparison partial pearson = 0.5000, 4 items>
    """
    _check_options(method, sigma_k, controls, partial, nan_policy)
    if isinstance(a, TiledRDM) or isinstance(b, TiledRDM):
        from alignkit.rsa._stream_compare import stream_compare

        _check_streamed(a, b, sigma_k, controls, on_mismatch)
        tiled: Any = method
        return stream_compare(a, b, method=tiled, nan_policy=nan_policy, backend=backend)
    first, second, others = _aligned(a, b, controls, method, on_mismatch)
    rows_a, rows_b = _rows(first, second, method, others)
    sigma = _sigma_k(sigma_k, a, first)
    options = Options(method, nan_policy, backend, sigma, None if others is None else others.values, partial)
    compared = compare_rows(rows_a, rows_b, options)
    report_all(_reasons(first, second, compared, others, method, nan_policy), nan_policy)
    note = _note(first, second, compared, method)
    report_note(note)
    shape = first.shape + second.shape
    dims, coords = _joint_axes(first, second)
    return Comparison(
        values=compared.values.reshape(shape),
        n_pairs=compared.n_pairs.reshape(shape),
        method=method,
        nan_policy=nan_policy,
        dims=dims,
        coords=coords,
        n_items=first.n_items,
        aligned_by="position" if any(x is not None and x.labels is None for x in (first, second, others)) else "label",
        sigma_k=_kind_of(sigma) if method in WHITENED else "",
        n_controls=0 if others is None else len(others),
        partial="" if others is None else partial,
        note=note,
    )


def _check_streamed(a: object, b: object, sigma_k: object, controls: object, on_mismatch: str) -> None:
    if not all(isinstance(x, TiledRDM | RDM) for x in (a, b)):
        msg = "an RDM in tiles is compared with another, or with an RDM; make one of the array: RDM(values)."
        raise TypeError(msg)
    if sigma_k is not None or controls is not None or on_mismatch != "raise":
        msg = "RDMs in tiles take no sigma_k, controls or on_mismatch='intersect'; .load() them where they fit."
        raise ValueError(msg)


def _check_options(method: str, sigma_k: object, controls: object, partial: str, nan_policy: NanPolicy) -> None:
    check_choice("method", method, COMPARISON_METHODS)
    check_choice("partial", partial, ("both", "first", "second"))
    check_nan_policy(nan_policy)
    if sigma_k is not None and method not in WHITENED:
        msg = f"sigma_k is for the methods {' and '.join(map(repr, WHITENED))}; {method!r} does not weigh pairs."
        raise ValueError(msg)
    if controls is not None and method not in PARTIAL_METHODS:
        msg = f"controls are for the methods {' and '.join(map(repr, PARTIAL_METHODS))}; got method={method!r}."
        raise ValueError(msg)
    if controls is None and partial != "both":
        msg = f"partial={partial!r} says which side the controls leave; give controls."
        raise ValueError(msg)


def _aligned(
    a: object, b: object, controls: object, method: str, on_mismatch: OnMismatch
) -> tuple[RDM, RDM, RDM | None]:
    keep = method in TENSOR_METHODS and controls is None
    named = {"the first RDM": a, "the second RDM": b}
    if not keep and any(is_tensor(x.values if isinstance(x, RDM) else x) for x in named.values()):
        what = f"method {method!r}" if controls is None else "a comparison with controls"
        msg = (
            f"{what} takes no tensors (the methods {', '.join(map(repr, TENSOR_METHODS))} without controls do); "
            "pass numpy arrays, or RDM.numpy()."
        )
        raise TypeError(msg)
    first, second = align(*(as_rdm(name, x, keep=keep) for name, x in named.items()), on_mismatch=on_mismatch)
    if controls is None:
        return first, second, None
    others = as_rdms("the controls", controls)
    first, second, *others = align_all(
        [("the first RDM", first), ("the second RDM", second), *numbered("the controls", others)], on_mismatch
    )
    rows = np.concatenate([x.values.reshape(-1, x.n_pairs) for x in others])
    labels = None if any(x.labels is None for x in others) else others[0].labels
    return first, second, RDM(rows, labels, dims=["control"])


def _rows(a: RDM, b: RDM, method: str, controls: RDM | None) -> tuple[Any, Any]:
    """Return the RDMs of both stacks as rows; where one is a tensor, the other becomes one too."""
    x, y = (rdm.values.reshape(-1, rdm.n_pairs) for rdm in (a, b))
    if a.values is b.values:
        return x, x
    return like(x, y), like(y, x)


def _sigma_k(sigma_k: object, a: object, aligned: RDM) -> FloatArray | None:
    """Return ``sigma_k``, which is in the order of ``a``, for the items that are compared."""
    if sigma_k is None:
        return None
    own = as_rdm("the first RDM", a, keep=True)
    checked = check_sigma_k(sigma_k, own.n_items)
    if own.labels is None or aligned.labels is None or own.labels == aligned.labels:
        return checked
    position = {label: i for i, label in enumerate(own.labels)}
    return of_items(checked, [position[label] for label in aligned.labels])


def _kind_of(sigma_k: FloatArray | None) -> str:
    return "identity" if sigma_k is None else ("variances" if sigma_k.ndim == 1 else "covariance")


def _note(a: RDM, b: RDM, compared: Compared, method: str) -> str:
    """Return what a Bures comparison did to RDMs that are not Euclidean."""
    parts = [
        f"{which} stack: {', '.join(name_rdms(rdm, np.flatnonzero(share))[:5])} (up to {share.max():.1%})"
        for which, rdm, share in (("first", a, compared.negative[0]), ("second", b, compared.negative[1]))
        if share.any()
    ]
    if not parts:
        return ""
    return (
        f"{method} takes squared Euclidean distances; the negative eigenvalues of these RDMs were set to zero: "
        f"{'; '.join(parts)}"
    )


def _reasons(
    a: RDM, b: RDM, compared: Compared, controls: RDM | None, method: str, nan_policy: NanPolicy
) -> dict[str, list[str]]:
    """Return why values are NaN, with the names of the items or RDMs at fault."""
    undefined = np.isnan(as_host(compared.values))
    if not undefined.any():
        return {}
    unexplained = undefined.copy()
    plain = WHITENED.get(method, {"bures": "cosine", "bures-metric": "rho-a"}.get(method, method))
    kind = "zero" if plain == "cosine" else "equal"
    reasons: dict[str, list[str]] = {}
    if controls is not None and nan_policy != "omit":
        _explain_missing(reasons, "the controls hold NaN", controls, unexplained, None)
    for which, rdm, axis in (("first", a, 1), ("second", b, 0)):
        rows = as_host(rdm.values).reshape(-1, rdm.n_pairs)
        if nan_policy != "omit":
            _explain_missing(reasons, f"the {which} RDM holds NaN", rdm, unexplained, axis)
        bad = undefined_rows(rows, plain) & undefined.any(axis=axis)
        reason = f"{method} is undefined for RDMs whose values are all {kind}; in the {which} stack"
        reasons[reason] = name_rdms(rdm, np.flatnonzero(bad))
        unexplained &= ~np.expand_dims(bad, axis)
    left = compared.n_pairs >= 2
    if method in BURES and nan_policy == "omit":
        single = unexplained & (compared.n_pairs == 0)
        reasons[f"{method} needs every pair of the items that are left, and single pairs are missing in"] = _name_both(
            a, b, single
        )
        unexplained &= ~single
    reasons["fewer than two item pairs are without NaN in both"] = _name_both(a, b, unexplained & ~left)
    reason = f"{method} is undefined on the item pairs that are left of"
    if controls is not None:
        reason = f"the controls leave nothing of, or {method} is undefined on the item pairs that are left of"
    reasons[reason] = _name_both(a, b, unexplained & left)
    return reasons


def _explain_missing(
    reasons: dict[str, list[str]], what: str, rdm: RDM, unexplained: BoolArray, axis: int | None
) -> None:
    missing = np.isnan(as_host(rdm.values).reshape(-1, rdm.n_pairs))
    items = items_of_pairs(np.asarray(missing.any(axis=0)), rdm.n_items)
    reasons[f"{what} (nan_policy='omit' leaves those pairs out) for"] = name_items(rdm.labels, items)
    unexplained &= not missing.any() if axis is None else ~np.expand_dims(missing.any(axis=1), axis)


def _name_both(a: RDM, b: RDM, cells: BoolArray) -> list[str]:
    rows, columns = np.nonzero(cells)
    pairs = zip(name_rdms(a, rows), name_rdms(b, columns), strict=True)
    return [f"{name_a} of the first and {name_b} of the second stack" for name_a, name_b in pairs]


def name_rdms(rdm: RDM, positions: IntArray) -> list[str]:
    """Return what to call the RDMs at flat ``positions`` of a stack: by coordinate where there is one."""
    if not rdm.dims:
        return ["the only RDM" for _ in positions]
    coordinates = [rdm.coords.get(name, np.arange(size)) for name, size in zip(rdm.dims, rdm.shape, strict=True)]
    return [
        ", ".join(f"{name} {values[i]}" for name, values, i in zip(rdm.dims, coordinates, where, strict=True))
        for where in zip(*np.unravel_index(positions, rdm.shape), strict=True)
    ]


def _joint_axes(a: RDM, b: RDM) -> tuple[tuple[str, ...], dict[str, list[Any]]]:
    dims = list(a.dims)
    coords = {name: as_list(values) for name, values in a.coords.items()}
    for name in b.dims:
        new = next(new for new in _variants(name) if new not in dims)
        dims.append(new)
        if name in b.coords:
            coords[new] = as_list(b.coords[name])
    return tuple(dims), coords


def _variants(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{k}" for k in itertools.count(2))


def as_list(coordinate: AnyArray) -> list[Any]:
    """Return a coordinate as values that JSON knows; dates become text."""
    values: list[Any] = (coordinate.astype(str) if coordinate.dtype.kind in "mM" else coordinate).tolist()
    return values
