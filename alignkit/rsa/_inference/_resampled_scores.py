"""Scores of models, and noise ceilings, in resamples of items, of subjects, and of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alignkit._executor import Executor
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._condensed import as_host
from alignkit.rsa._inference._device import Backend, device_of
from alignkit.rsa._inference._item_resamples import item_resamples
from alignkit.rsa._inference._resampled import Resampled
from alignkit.rsa._inference._subject_resamples import subject_resamples
from alignkit.rsa._inference._task import Task, task_of

__all__ = ["Resampled", "resampled_scores"]


def resampled_scores(
    data: Any,
    models: Any,
    method: str,
    *,
    item_counts: IntArray | None = None,
    subject_counts: IntArray | None = None,
    pooling: str = "rank",
    sigma_k: FloatArray | None = None,
    ceilings: bool = True,
    tick: Callable[[int], object] | None = None,
    backend: Backend = "auto",
    device: str | None = None,
    executor: Executor | None = None,
) -> dict[str, Resampled]:
    """Return the scores and ceilings of resamples that are known by how often each item and subject was drawn.

    Parameters
    ----------
    data, models : ndarray or tensor, shape (subject, pairs) and (model, pairs)
        Condensed RDMs. A pair of items that is NaN in every one of them is left out.
    method : str
        Any method of :func:`alignkit.rsa.compare`. The Bures methods have no ceilings: they are NaN.
    item_counts, subject_counts : ndarray of int, shape (resample, items) and (resample, subject)
        Multiplicities, one or both. Pairs of copies of one item vanish, as in rsatoolbox's ``subsample_pattern``; the
        Bures methods put copies at the same place instead.
    pooling : {"rank", "raw", "rsatoolbox"}
        As in :func:`alignkit.rsa.noise_ceiling`.
    sigma_k : ndarray, shape (items,) or (items, items), optional
        As in :func:`alignkit.rsa.compare`; with ``item_counts``, variances alone: errors of copies are taken to be
        independent, and a covariance does not say what they are.
    ceilings : bool
        Whether to compute ceilings; they are NaN otherwise.
    tick : callable, optional
        Told how many more resamples are done; together, that is their number.
    backend : {"auto", "numpy", "torch"}
        What adds up, and ranks, in resamples of items: by default torch for tensors, on their device, else numpy (and
        numba). ``"torch"`` takes arrays to the first graphics processor there is, or stays on the CPU. All of it is in
        float64, which Apple's have not: there numpy computes. Kendall's tau, the Bures methods, ranks of plain means
        and whitening of incomplete RDMs are numpy's in any case.
    device : str, optional
        Where torch computes with arrays; it makes ``"auto"`` torch.
    executor : Executor, optional
        Who computes blocks of resamples, of the same size for all; by default threads of this process. The workers of a
        cluster use numpy (and numba).

    Returns
    -------
    dict
        ``"items"`` where item_counts are given: all subjects, each once. ``"subjects"`` where subject_counts are: all
        items, each once. ``"both"`` where both are: resample b has items b and subjects b.

    Raises
    ------
    ValueError
        Counts of other shapes, no counts, NaN that the RDMs do not have in common, a full ``sigma_k`` with item_counts,
        or torch on a cluster.

    Notes
    -----
    Resample b does not depend on the other resamples, and has the same bits for any number of threads. torch adds up
    in another order than numpy: what both find differs by less than 1e-10.
    """
    device = device_of("torch" if device and backend == "auto" else backend, data, models, device=device)
    if device is not None and executor is not None and not executor.in_process:
        msg = "the workers of a cluster resample with numpy: pass backend='numpy'."
        raise ValueError(msg)
    data, models = (as_host(rows).astype(np.float64, copy=False) for rows in (data, models))
    task = task_of(data, models, method, pooling=pooling, sigma_k=sigma_k, ceilings=ceilings, device=device)
    _check(task, item_counts, subject_counts)
    found: dict[str, Resampled] = {}
    if item_counts is not None:
        weights = {"items": np.ones((len(item_counts), len(data)))}
        if subject_counts is not None:
            weights["both"] = subject_counts.astype(np.float64)
        own = item_resamples(task, item_counts, np.stack(list(weights.values())), tick, executor)
        found.update(zip(weights, own, strict=True))
    if subject_counts is not None:
        found["subjects"] = subject_resamples(task, subject_counts, executor)
        if tick is not None and item_counts is None:
            tick(len(subject_counts))
    return found


def _check(task: Task, item_counts: IntArray | None, subject_counts: IntArray | None) -> None:
    sizes = set()
    for name, counts, n in (
        ("item_counts", item_counts, task.n_items),
        ("subject_counts", subject_counts, len(task.data)),
    ):
        if counts is None:
            continue
        if counts.ndim != 2 or counts.shape[1] != n or (counts < 0).any() or not counts.any(axis=1).all():
            msg = f"{name} must say how often each of {n} was drawn, shape (resample, {n}), and one of them at least."
            raise ValueError(msg)
        sizes.add(len(counts))
    if len(sizes) != 1:
        msg = "give item_counts, subject_counts, or both for the same number of resamples."
        raise ValueError(msg)
    if item_counts is not None and task.sigma_k is not None and task.sigma_k.ndim == 2:
        msg = (
            "sigma_k must hold variances, shape (items,), where items are resampled: a covariance does not say how the "
            "errors of two copies of an item go together."
        )
        raise ValueError(msg)
