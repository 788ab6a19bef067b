"""The teacher as a classifier of scikit-learn: answers are rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.utils import estimator_checks

from alignkit.align import fit_transform, odd_one_out_classifier
from alignkit.align._sklearn_teachers import OddOneOutClassifier

FAST = {"kind": "diagonal", "penalty": 0.1, "calibrate": False, "max_iter": 20}


@pytest.fixture
def features():
    return np.random.default_rng(1).normal(size=(30, 5))


@pytest.fixture
def shown(features):
    """Item numbers as shown, and which column people chose: the one whose others' first channels agree most."""
    rng = np.random.default_rng(0)
    items = np.array([rng.permutation(30)[:3] for _ in range(900)])
    a, b, c = features[items][:, :, 0].T
    return items, np.stack([b * c, a * c, a * b], axis=1).argmax(axis=1)


def test_it_is_fit_transform_on_answers_with_the_odd_one_last(features, shown):
    items, odd = shown
    ours = odd_one_out_classifier(features, **FAST).fit(items, odd)
    last = np.array([[*np.delete(row, k), row[k]] for row, k in zip(items, odd, strict=True)])
    theirs = fit_transform(features, last, **FAST)
    np.testing.assert_allclose(ours.teacher_.transform.weights, theirs.transform.weights, rtol=1e-5, atol=1e-8)
    without_y = odd_one_out_classifier(features, **FAST).fit(last)
    assert without_y.score(last) == pytest.approx(ours.score(items, odd), rel=1e-6)


def test_probabilities_belong_to_columns_and_scores_are_log_likelihoods(features, shown):
    items, odd = shown
    model = odd_one_out_classifier(features, **FAST).fit(items, odd)
    p = model.predict_proba(items)
    turned = model.predict_proba(items[:, [2, 0, 1]])
    np.testing.assert_allclose(turned, p[:, [2, 0, 1]], rtol=1e-10)
    assert model.score(items, odd) == pytest.approx(-log_loss(odd, p, labels=[0, 1, 2]))
    np.testing.assert_array_equal(model.predict(items), p.argmax(axis=1))
    assert (model.predict(items) == odd).mean() > 0.6


def test_searches_hold_out_answers_or_people(features, shown):
    items, odd = shown
    people = np.arange(900) % 9
    search = GridSearchCV(odd_one_out_classifier(features, **FAST), {"penalty": [0.01, 100.0]}, cv=GroupKFold(3))
    search.fit(items, odd, groups=people)
    assert search.best_params_ == {"penalty": 0.01}
    assert search.best_score_ > -np.log(3)
    hits = cross_val_score(odd_one_out_classifier(features, **FAST), items, odd, cv=3, scoring="accuracy")
    assert hits.min() > 0.5
    held = odd_one_out_classifier(features, **FAST).fit(items[people < 6], odd[people < 6])
    assert cross_val_score(
        odd_one_out_classifier(features, **FAST), items, odd, cv=[(people < 6, people >= 6)]
    ) == pytest.approx(held.score(items[people >= 6], odd[people >= 6]))


def test_what_is_no_answer_is_refused_in_a_sentence(features, shown):
    items, odd = shown
    model = odd_one_out_classifier(features, **FAST)
    for bad in (odd + 1, odd[:-1], odd.astype(float), ["a"] * len(odd)):
        with pytest.raises(ValueError, match="which column is the odd one out: 0, 1 or 2"):
            model.fit(items, bad)
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        model.fit(items[:, :2], odd)
    with pytest.raises(ValueError, match="give the items' features"):
        OddOneOutClassifier().fit(items, odd)
    with pytest.raises(ValueError, match=r"shape \(items, channels\)"):
        odd_one_out_classifier(features[0])


def test_parameters_follow_the_conventions(features):
    model = OddOneOutClassifier()
    for check in ("check_parameters_default_constructible", "check_no_attributes_set_in_init"):
        getattr(estimator_checks, check)("OddOneOutClassifier", model)
    for check in (
        "check_get_params_invariance",
        "check_set_params",
        "check_estimator_repr",
        "check_estimator_cloneable",
    ):
        getattr(estimator_checks, check)("OddOneOutClassifier", model)
    copy = clone(odd_one_out_classifier(features, kind="full"))
    assert copy.features is not None
    assert copy.set_params(penalty=2.0).get_params()["penalty"] == 2.0
