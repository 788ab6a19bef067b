"""The teacher as a transformer of scikit-learn: items are rows, and what is held out is not seen."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from alignkit.align import fit_transform, teacher_map
from alignkit.align._sklearn_teachers import TeacherMap
from alignkit.rsa import Triplets

FAST = {"kind": "diagonal", "penalty": 0.1, "calibrate": False, "max_iter": 20}


def answers_to(x: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """Return n triplets whose odd one is the item whose two others have the largest product of first channels."""
    rng = np.random.default_rng(seed)
    items = np.array([rng.permutation(len(x))[:3] for _ in range(n)])
    value = x[items][:, :, 0]
    products = np.stack([value[:, 1] * value[:, 2], value[:, 0] * value[:, 2], value[:, 0] * value[:, 1]], axis=1)
    odd = products.argmax(axis=1)
    return np.take_along_axis(items, (odd[:, None] + [1, 2, 0]) % 3, axis=1)


@pytest.fixture
def features():
    return np.random.default_rng(1).normal(size=(40, 6))


@pytest.fixture
def answers(features):
    return Triplets(answers_to(features, 2000), [f"item{i}" for i in range(40)])


def by_hand(x: np.ndarray, items: np.ndarray) -> float:
    """Return the mean log-likelihood of answers, one by one."""
    total = 0.0
    for a, b, odd in items:
        s = np.array([x[b] @ x[odd], x[a] @ x[odd], x[a] @ x[b]])
        total += s[2] - np.log(np.exp(s).sum())
    return total / len(items)


def test_without_y_it_is_fit_transform(features, answers):
    ours = teacher_map(answers, **FAST).fit(features)
    theirs = fit_transform(features, Triplets(answers.items), **FAST)
    np.testing.assert_array_equal(ours.transform(features), theirs.apply(features))
    assert ours.score(features) == pytest.approx(by_hand(ours.transform(features), answers.items))
    assert ours.n_answers_ == 2000


def test_rows_are_found_by_their_names_in_any_order(features, answers):
    order = np.random.default_rng(2).permutation(40)
    straight = teacher_map(answers, **FAST).fit(features, answers.labels)
    turned = teacher_map(answers, **FAST).fit(features[order], [answers.labels[i] for i in order])
    np.testing.assert_allclose(turned.transform(features), straight.transform(features), rtol=1e-5, atol=1e-7)
    numbered = teacher_map(answers.items, **FAST).fit(features[order], order)
    np.testing.assert_allclose(numbered.transform(features), turned.transform(features), rtol=1e-12)


def test_a_search_holds_out_items_and_sees_nothing_of_them(features, answers):
    pipe = Pipeline([("scale", StandardScaler()), ("teacher", teacher_map(answers, **FAST))])
    division = ShuffleSplit(2, test_size=0.4, random_state=0)
    search = GridSearchCV(pipe, {"teacher__penalty": [0.01, 1.0]}, cv=division).fit(features, answers.labels)
    for k, penalty in enumerate([0.01, 1.0]):
        for i, (train, test) in enumerate(division.split(features)):
            inner = answers.restrict([answers.labels[j] for j in train])
            scaler = StandardScaler().fit(features[train])
            teacher = fit_transform(
                scaler.transform(features[train]), Triplets(inner.items), **FAST | {"penalty": penalty}
            )
            outer = answers.restrict([answers.labels[j] for j in test])
            expected = by_hand(teacher.apply(scaler.transform(features[test])), outer.items)
            assert search.cv_results_[f"split{i}_test_score"][k] == pytest.approx(expected, rel=1e-6)
    assert search.best_score_ > -np.log(3)
    assert search.best_estimator_["teacher"].n_answers_ == 2000
    assert search.transform(features).shape == (40, 6)


def test_shuffled_features_score_at_chance_at_best(features, answers):
    shuffled = np.random.default_rng(3).permutation(features)
    scores = cross_val_score(
        teacher_map(answers, **FAST), shuffled, answers.labels, cv=ShuffleSplit(3, test_size=0.4, random_state=0)
    )
    assert scores.mean() < -np.log(3) + 0.01


def test_clones_share_the_answers_and_pickles_keep_the_fit(features, answers):
    teacher = teacher_map(answers, **FAST).fit(features)
    copy = clone(teacher)
    assert copy.get_params() == teacher.get_params()
    assert copy.triplets is teacher.triplets
    with pytest.raises(NotFittedError):
        copy.transform(features)
    again = pickle.loads(pickle.dumps(teacher))
    np.testing.assert_array_equal(again.transform(features), teacher.transform(features))


def test_it_names_its_dimensions_in_tables(features, answers):
    pipe = make_pipeline(StandardScaler(), teacher_map(answers, **FAST)).set_output(transform="pandas")
    table = pipe.fit(features, answers.labels).transform(features)
    assert list(table.columns) == [f"teachermap{i}" for i in range(6)]


def test_what_cannot_be_fitted_is_refused_in_a_sentence(features, answers):
    with pytest.raises(ValueError, match=r"about 40 items and there are 39 rows; say which item each row is"):
        teacher_map(answers).fit(features[1:])
    with pytest.raises(ValueError, match=r"none of the 2,000 answers has its three items among these 3 rows.*Shuffle"):
        teacher_map(answers).fit(features[:3], ["a", "b", "c"])
    with pytest.raises(ValueError, match="must be unique"):
        teacher_map(answers).fit(features, ["item1"] * 40)
    with pytest.raises(ValueError, match="nothing to fit to"):
        TeacherMap().fit(features)
    with pytest.raises(TypeError, match="no_such"):
        teacher_map(answers, no_such=1)
    folds = KFold(20)  # two items a fold: no answer is left
    with pytest.warns(UserWarning, match="Scoring failed"):
        assert np.isnan(cross_val_score(teacher_map(answers, **FAST), features, answers.labels, cv=folds)).all()


class AnyRows(TeacherMap):
    """A teacher map of whatever is brought: scikit-learn's checks bring their own X and y."""

    def _answers(self, n_rows, y):
        return Triplets(answers_to(np.random.default_rng(0).normal(size=(n_rows, 1)), 20 * n_rows), range(n_rows))


def applicable_checks():
    estimator = AnyRows(**FAST)
    return [
        pytest.param(e, check, id=check.func.__name__)
        for e, check in estimator_checks.estimator_checks_generator(estimator)
    ]


@pytest.mark.parametrize(("estimator", "check"), applicable_checks())
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_parameters_follow_the_conventions():
    assert issubclass(TeacherMap, BaseEstimator)
    estimator_checks.check_parameters_default_constructible("TeacherMap", TeacherMap())
    estimator_checks.check_no_attributes_set_in_init("TeacherMap", TeacherMap())
