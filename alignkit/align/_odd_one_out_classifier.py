"""A teacher as a classifier of scikit-learn: rows are answers, and cross-validation holds out answers or people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alignkit._check import as_floats
from alignkit.models import Features

if TYPE_CHECKING:
    from alignkit.align._sklearn_teachers import OddOneOutClassifier


def odd_one_out_classifier(features: object, /, **settings: Any) -> OddOneOutClassifier:
    """Return an unfitted classifier of scikit-learn that learns from answers which of three items is the odd one out.

    Rows of X are three item numbers, and y says which column people chose (0, 1 or 2; without y the last one, as in
    ``Triplets.items``). ``GridSearchCV`` divides answers: held-out answers are about items that the map has seen. With
    ``cv=GroupKFold()`` and ``groups=triplets.participant`` it holds out people. To hold out items, see
    :func:`teacher_map`.

    Parameters
    ----------
    features : Features or array_like, shape (items, channels)
        Of the items, in the order of their numbers.
    **settings
        kind, rank, regulariser, penalty, alpha, tau, bias, center, calibrate, optimizer, max_iter, n_splits, held_out
        and seed, as :func:`fit_transform` takes them. ``set_params`` changes them later.

    Returns
    -------
    OddOneOutClassifier
        A scikit-learn estimator. ``predict_proba`` gives each column's probability, ``score`` the mean log-likelihood
        in nats (chance: -1.099), ``teacher_`` is the fitted :class:`TeacherTransform`.

    Raises
    ------
    ValueError
        Features of another shape; ``fit`` raises as :func:`fit_transform` does.
    TypeError
        Features that are not real numbers, or an unknown setting.

    Examples
    --------
    >>> from sklearn.model_selection import GroupKFold, cross_val_score
    >>> from alignkit.data import simulate
    >>> lab = simulate(32)
    >>> model = odd_one_out_classifier(lab.embedding, kind="diagonal", penalty=0.1, calibrate=False)
    >>> people = lab.triplets.participant
    >>> scores = cross_val_score(model, lab.triplets.items, groups=people, cv=GroupKFold(3))
    >>> bool(scores.min() > -1.0986)
    True
    """
    from alignkit.align._sklearn_teachers import OddOneOutClassifier

    if not isinstance(features, Features):
        array = as_floats("features", features)
        if array.ndim != 2:
            msg = f"features must have shape (items, channels); got {tuple(array.shape)}."
            raise ValueError(msg)
        features = array
    return OddOneOutClassifier(features, **settings)
