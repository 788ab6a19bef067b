"""Teachers: linear maps of any features that make their dot products predict people's odd-one-out answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from alignkit._check import as_flag
from alignkit.align._penalties import Regulariser
from alignkit.align._teacher_fitting import Fitting
from alignkit.align._teacher_inputs import as_targets, teacher_inputs
from alignkit.align._teacher_settings import Kind, Loss, Optimizer, Start, TeacherSettings
from alignkit.align._teacher_transform import TeacherTransform


def fit_transform(
    features: object,
    triplets: object,
    /,
    *,
    kind: Kind = "full",
    rank: int | None = None,
    loss: Loss = "hard",
    targets: object = None,
    n_soft: int = 1_000_000,
    regulariser: Regulariser = "global",
    penalty: float | None = None,
    alpha: float = 0.25,
    tau: float = 0.1,
    local_features: object = None,
    bias: bool = False,
    center: bool = False,
    start: Start = "identity",
    start_scale: float = 0.12,
    optimizer: Optimizer = "lbfgs",
    max_iter: int | None = None,
    learning_rate: float = 1e-3,
    batch_size: int = 256,
    calibrate: bool = True,
    n_splits: int = 5,
    held_out: float = 0.3,
    labels: Iterable[Any] | None = None,
    layer: str | None = None,
    seed: int = 0,
    progress: bool = False,
) -> TeacherTransform:
    r"""Fit a linear map of features to people's odd-one-out answers: AligNet's teacher, gLocal's transform.

    With :math:`x' = ((x - \mu)/\sigma) W + b` and q the softmax over the dot products of a triplet's three pairs, W
    minimises :math:`(1 - \alpha)\,\mathrm{mean}(-\sum p \log q) + \alpha L_{local} + \lambda R(W)`.

    Parameters
    ----------
    features : Features, array_like or Tensor, shape (items, channels)
        Of any model. A tensor on a GPU is fitted to there.
    triplets : Triplets, array_like of int, shape (n, 3), or None
        Answers, the odd one out **last**. Labelled triplets find their rows by name where the features have labels.
        None: ``targets`` alone say what is to be learned.
    kind : {"full", "lowrank", "diagonal", "orthogonal"}
        W is any square matrix; maps to ``rank`` dimensions; weighs the channels; or is a scale times ``rank``
        orthonormal columns (without ``rank`` only the scale is left to fit: turning changes no dot product).
    rank : int, optional
        Dimensions of ``lowrank`` and ``orthogonal``.
    loss : {"hard", "soft"}
        ``hard``: p is 1 for the answer. ``soft``: p are choice probabilities, of ``targets`` or ``triplets.soft``.
    targets : array_like or Features, shape (items, dims), optional
        Embedding of people's judgements (SPoSE, VICE) whose dot products give p of ``n_soft`` random triplets among
        the items of ``triplets``; one row for each row of ``features``, or labelled. Answers then only choose the
        penalty and the temperature.
    n_soft : int
        How many.
    regulariser : {"global", "naive", "glocal"}
        R(W): ``naive`` is the norm of W, not squared; the others :math:`\lVert W - cI\rVert_F^2`, c being the mean of
        W's diagonal. ``glocal`` has a local term besides.
    penalty : float, optional
        λ; by default chosen on held-out items of inner splits.
    alpha, tau : float
        glocal: weight of the local term, and its temperature.
    local_features : array_like or Features, shape (items, channels), optional
        glocal: whose neighbours are to stay neighbours, such as ImageNet's; by default ``features``. At most 4,096
        rows, drawn at random, are used.
    bias : bool
        Whether to fit b; the published transforms have one, and it gains little.
    center : bool
        Take each channel's mean over the items away first, for features that have much in common, such as class tokens
        of ViTs: a linear map cannot, and their dot products say little. Centring is a part of the map that is returned.
    start : {"identity", "random"}
        W before the fit: ``start_scale`` times the identity, or normal numbers of that standard deviation.
    start_scale : float
        .12 suits features of some hundred channels; published: 1e-3.
    optimizer : {"lbfgs", "adam"}
        L-BFGS on all triplets at once, or Adam on batches, as published.
    max_iter : int, optional
        Iterations (Adam: epochs) at most; by default 200 (100).
    learning_rate : float
        Adam.
    batch_size : int
        Triplets of a batch (Adam).
    calibrate : bool
        Fit a temperature to triplets of held-out items: fitted to those learned from it would be too low. Where these
        are told no better than by chance, it is at least 1.
    n_splits : int
        Inner splits of the items at random, for penalty and temperature.
    held_out : float
        Share of the items that each of them holds out.
    labels : sequence of str, optional
        Names of the rows of an array.
    layer : str, optional
        Which layer, of features with several.
    seed : int
        Of inner splits, drawn triplets, batches and a random start.
    progress : bool
        Show a progress bar.

    Returns
    -------
    TeacherTransform

    Raises
    ------
    ValueError
        Items without features, NaN, options that do not go together, or too few triplets for the inner splits.
    TypeError
        Values that are not real numbers, or options of another type.

    References
    ----------
    Muttenthaler et al. (2025), Aligning machine and human visual representations across abstraction levels, Nature.
    doi:10.48550/arXiv.2409.06509

    Muttenthaler et al. (2023), Improving neural network representations using human similarity judgments, NeurIPS 36.
    doi:10.48550/arXiv.2306.04507

    Examples
    --------
    Answers that only the first of five channels explains:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 5))
    >>> items = np.array([rng.permutation(60)[:3] for _ in range(3000)])
    >>> gaps = np.abs(x[items][:, [1, 0, 0], 0] - x[items][:, [2, 2, 1], 0])  # of the pair without each item
    >>> odd = gaps.argmin(axis=1)
    >>> answers = np.take_along_axis(items, (odd[:, None] + [1, 2, 0]) % 3, axis=1)
    >>> teacher = fit_transform(x, answers, kind="diagonal", penalty=1e-4)
    >>> int(np.abs(np.diagonal(teacher.transform.weights)).argmax()), teacher.n_parameters
    (0, 5)
    """
    settings = TeacherSettings(
        kind=kind,
        rank=rank,
        loss=loss,
        n_soft=n_soft,
        regulariser=regulariser,
        penalty=penalty,
        alpha=alpha,
        tau=tau,
        bias=bias,
        start=start,
        center=center,
        start_scale=start_scale,
        optimizer=optimizer,
        max_iter=max_iter,
        learning_rate=learning_rate,
        batch_size=batch_size,
        calibrate=calibrate,
        n_splits=n_splits,
        held_out=held_out,
        seed=seed,
    )
    show = as_flag("progress", progress)
    _check_targets(settings, triplets, targets)
    inputs = teacher_inputs(features, triplets, labels, layer, center=settings.center)
    embedding = None if targets is None else as_targets(targets, inputs)
    if settings.loss == "soft" and embedding is None and inputs.soft is None:
        msg = "loss='soft' needs targets, an embedding whose dot products give p, or triplets with soft=."
        raise ValueError(msg)
    fitting = Fitting(inputs, settings, embedding, local_features)
    with _bar(show) as tick:
        return fitting.run(tick)


def _check_targets(settings: TeacherSettings, triplets: object, targets: object) -> None:
    if targets is not None and settings.loss != "soft":
        msg = "targets are for loss='soft'; answers alone are fitted to with loss='hard'."
        raise ValueError(msg)
    if triplets is None and targets is None:
        msg = "there is nothing to fit to: give triplets, or loss='soft' and targets."
        raise ValueError(msg)


@contextmanager
def _bar(shown: bool) -> Iterator[Callable[[str], Any]]:
    """Give a function that counts a step, and says what it was."""
    from tqdm import tqdm

    with tqdm(desc="teacher", unit="step", disable=not shown) as bar:

        def tick(what: str) -> None:
            bar.set_postfix_str(what, refresh=False)
            bar.update()

        yield tick
