"""The classes behind the estimators for scikit-learn; imported when one of them is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from alignkit._check import as_labels
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.align._fit_transform import fit_transform
from alignkit.models import Features
from alignkit.rsa import Triplets, choice_probabilities, cross_entropy

#: Parameters that go to the fit as they are.
_SETTINGS = (
    *("kind", "rank", "regulariser", "penalty", "alpha", "tau", "bias", "center", "calibrate"),
    *("optimizer", "max_iter", "n_splits", "held_out", "seed"),
)


class _Teacher(BaseEstimator):  # type: ignore[misc]
    """Settings that both estimators share, each as :func:`alignkit.align.fit_transform` takes it."""

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _SETTINGS}

    def __sklearn_clone__(self) -> Self:
        # answers and features are never changed: copies of them would only fill the memory
        return type(self)(**self.get_params(deep=False))


class TeacherMap(TransformerMixin, _Teacher):  # type: ignore[misc]
    """What :func:`alignkit.align.teacher_map` returns: rows are items."""

    def __init__(
        self,
        triplets: object = None,
        *,
        kind: str = "full",
        rank: int | None = None,
        regulariser: str = "global",
        penalty: float | None = None,
        alpha: float = 0.25,
        tau: float = 0.1,
        bias: bool = False,
        center: bool = False,
        calibrate: bool = True,
        optimizer: str = "lbfgs",
        max_iter: int | None = None,
        n_splits: int = 5,
        held_out: float = 0.3,
        seed: int = 0,
    ) -> None:
        self.triplets = triplets
        self.kind = kind
        self.rank = rank
        self.regulariser = regulariser
        self.penalty = penalty
        self.alpha = alpha
        self.tau = tau
        self.bias = bias
        self.center = center
        self.calibrate = calibrate
        self.optimizer = optimizer
        self.max_iter = max_iter
        self.n_splits = n_splits
        self.held_out = held_out
        self.seed = seed

    def fit(self, X: object, y: Sequence[Any] | AnyArray | None = None) -> Self:
        """Fit the map to the answers whose three items are all among the rows; ``y`` says which item a row is."""
        x = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=3)
        answers = self._answers(len(x), y)
        self.teacher_ = fit_transform(x, answers, labels=answers.labels, **self._settings())
        self.n_answers_ = len(answers)
        self.n_iter_ = max(1, len(self.teacher_.history) - 1)
        self._n_features_out = self.teacher_.transform.weights.shape[1]
        return self

    def transform(self, X: object) -> FloatArray:
        """Return features whose dot products are calibrated: the softmax over a triplet's pairs, at temperature 1."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self.teacher_.apply(x)

    def score(self, X: object, y: Sequence[Any] | AnyArray | None = None) -> float:
        """Return the mean log-likelihood, in nats, of the answers whose three items are all among the rows."""
        features = self.transform(X)
        answers = self._answers(len(features), y)
        return -cross_entropy(choice_probabilities(features, answers, labels=answers.labels))

    def get_feature_names_out(self, input_features: object = None) -> AnyArray:
        """Return a name for each dimension."""
        check_is_fitted(self)
        return np.array([f"teachermap{i}" for i in range(self._n_features_out)], dtype=object)

    def _answers(self, n_rows: int, y: Sequence[Any] | AnyArray | None) -> Triplets:
        """Return the answers about these rows, renumbered to them."""
        if self.triplets is None:
            msg = "there is nothing to fit to: give people's answers, teacher_map(triplets)."
            raise ValueError(msg)
        answers = self.triplets if isinstance(self.triplets, Triplets) else Triplets(self.triplets)
        if answers.labels is None:
            answers = Triplets(answers.items, map(str, range(max(answers.n_items, n_rows if y is None else 0))))
        if y is None:
            names: Sequence[Any] = answers.labels or ()
            if len(names) != n_rows:
                msg = (
                    f"the answers are about {len(names):,} items and there are {n_rows:,} rows; "
                    "say which item each row is: fit(X, y) with y = labels or item numbers."
                )
                raise ValueError(msg)
        else:
            names = as_labels("y (which item each row is)", y, n_rows)
        try:
            return answers.restrict(names)
        except ValueError as error:
            msg = (
                f"none of the {len(answers):,} answers has its three items among these {n_rows:,} rows; give y the "
                "items' labels (or numbers, where answers have no labels), and hold out fewer, larger parts: "
                "cv=ShuffleSplit(5, test_size=0.3)."
            )
            raise ValueError(msg) from error


class OddOneOutClassifier(ClassifierMixin, _Teacher):  # type: ignore[misc]
    """What :func:`alignkit.align.odd_one_out_classifier` returns: rows are answers."""

    def __init__(
        self,
        features: object = None,
        *,
        kind: str = "full",
        rank: int | None = None,
        regulariser: str = "global",
        penalty: float | None = None,
        alpha: float = 0.25,
        tau: float = 0.1,
        bias: bool = False,
        center: bool = False,
        calibrate: bool = True,
        optimizer: str = "lbfgs",
        max_iter: int | None = None,
        n_splits: int = 5,
        held_out: float = 0.3,
        seed: int = 0,
    ) -> None:
        self.features = features
        self.kind = kind
        self.rank = rank
        self.regulariser = regulariser
        self.penalty = penalty
        self.alpha = alpha
        self.tau = tau
        self.bias = bias
        self.center = center
        self.calibrate = calibrate
        self.optimizer = optimizer
        self.max_iter = max_iter
        self.n_splits = n_splits
        self.held_out = held_out
        self.seed = seed

    def fit(self, X: object, y: Sequence[int] | AnyArray | None = None) -> Self:
        """Fit the map to answers: item numbers in ``X``, and in ``y`` which column (0, 1, 2) is the odd one out."""
        items = self._items(X, reset=True)
        answers = Triplets.from_columns(items, odd=_position(y, len(items)) + 1, base=0)
        if self.features is None:
            msg = "there is nothing to fit: give the items' features, odd_one_out_classifier(features)."
            raise ValueError(msg)
        self.teacher_ = fit_transform(self.features, answers, **self._settings())
        self.classes_ = np.arange(3)
        return self

    def predict_proba(self, X: object) -> FloatArray:
        """Return the probability of each column to be the odd one out, shape (n, 3)."""
        check_is_fitted(self)
        array = self.features.array() if isinstance(self.features, Features) else self.features
        return choice_probabilities(self.teacher_.apply(array), self._items(X, reset=False))

    def predict(self, X: object) -> IntArray:
        """Return the most probable column of each triplet."""
        return self.predict_proba(X).argmax(axis=1)

    def score(self, X: object, y: Sequence[int] | AnyArray | None = None) -> float:
        """Return the mean log-likelihood of answers in nats (chance: -1.099); ``scoring="accuracy"`` counts hits."""
        probabilities = self.predict_proba(X)
        return -cross_entropy(probabilities, _position(y, len(probabilities)))

    def _items(self, X: object, *, reset: bool) -> IntArray:
        array = validate_data(self, X, dtype="numeric", reset=reset)
        return Triplets(array).items

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False  # without y the last column is the odd one
        return tags


def _position(y: Sequence[int] | AnyArray | None, n: int) -> IntArray:
    """Return the column of the odd one in each row, the last where nothing is said."""
    if y is None:
        return np.full(n, 2)
    position = np.asarray(y)
    if position.shape != (n,) or position.dtype.kind not in "iu" or not np.isin(position, (0, 1, 2)).all():
        msg = f"y must say for each of the {n:,} rows which column is the odd one out: 0, 1 or 2."
        raise ValueError(msg)
    return position
