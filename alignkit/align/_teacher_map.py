"""A teacher as a transformer of scikit-learn: rows are items, and cross-validation holds out items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alignkit.rsa import Triplets

if TYPE_CHECKING:
    from alignkit.align._sklearn_teachers import TeacherMap


def teacher_map(triplets: object, /, **settings: Any) -> TeacherMap:
    """Return an unfitted transformer for pipelines of scikit-learn that fits :func:`fit_transform` to answers.

    Rows of X are items. ``fit(X, y)`` takes in ``y`` which item each row is (labels, or item numbers where the answers
    have no labels), so that ``GridSearchCV`` can divide the rows: each part is fitted to the answers whose three items
    are all in it, and scored on those whose items are all held out. Nothing of a held-out item is seen. A division
    that holds out a share s of the items keeps a share s³ of the answers to score: prefer few, large parts
    (``ShuffleSplit(5, test_size=0.3)``). Without ``y`` the rows are the items of the answers, in their order.

    Parameters
    ----------
    triplets : Triplets or array_like of int, shape (n, 3)
        Answers, the odd one out **last**.
    **settings
        kind, rank, regulariser, penalty, alpha, tau, bias, center, calibrate, optimizer, max_iter, n_splits, held_out
        and seed, as :func:`fit_transform` takes them. ``set_params`` changes them later.

    Returns
    -------
    TeacherMap
        A scikit-learn estimator. ``transform`` gives calibrated features, ``score`` the mean log-likelihood of answers
        in nats (chance: -1.099), ``teacher_`` is the fitted :class:`TeacherTransform`.

    Raises
    ------
    ValueError
        Answers that are not triplets; ``fit`` raises as :func:`fit_transform` does.
    TypeError
        Answers that are not whole numbers, or an unknown setting.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import GridSearchCV, ShuffleSplit
    >>> from sklearn.pipeline import make_pipeline
    >>> from alignkit.data import simulate
    >>> lab = simulate(64)
    >>> rng = np.random.default_rng(0)
    >>> x = lab.embedding @ rng.normal(size=(lab.embedding.shape[1], 24)) + rng.normal(size=(64, 24))
    >>> pipe = make_pipeline(PCA(), teacher_map(lab.triplets, kind="diagonal", calibrate=False))
    >>> grid = {"pca__n_components": [4, 16], "teachermap__penalty": [0.01, 1.0]}
    >>> search = GridSearchCV(pipe, grid, cv=ShuffleSplit(2, test_size=0.4, random_state=0)).fit(x, lab.labels)
    >>> search.best_params_["pca__n_components"], bool(search.best_score_ > -1.0986)
    (16, True)
    >>> search.transform(x).shape
    (64, 16)
    """
    from alignkit.align._sklearn_teachers import TeacherMap

    answers = triplets if isinstance(triplets, Triplets) else Triplets(triplets)
    return TeacherMap(answers, **settings)
