from __future__ import annotations

import numpy as np
import pytest

from alignkit.align import TeacherScores, cross_validate, fit_transform
from alignkit.align._answer_splits import split_answers
from alignkit.align._judgements import match_judgements
from alignkit.align._score_table import neighbours_kept
from alignkit.align._teacher_methods import BASELINES
from alignkit.models import Features
from alignkit.rsa import Triplets, TwoAFC, choice_probabilities, triplet_ceiling
from tests.reference import teachers

N = 60


@pytest.fixture
def lab():
    """Features whose first channels people go by, people's answers, and the embedding behind them."""
    rng = np.random.default_rng(5)
    y = 2 * rng.random((N, 4))
    x = np.hstack([y + 0.2 * rng.normal(size=y.shape), 2 * rng.normal(size=(N, 6))])
    items = np.array([rng.permutation(N)[:3] for _ in range(4000)])
    p = choice_probabilities(y, items)
    odd = (rng.random(4000)[:, None] > np.cumsum(p, axis=1)[:, :2]).sum(axis=1)
    answers = Triplets.from_columns(items, odd=odd + 1, base=0, participant=rng.integers(0, 12, 4000))
    return x, answers, y


def row(scores, name):
    return scores.methods.index(name)


@pytest.fixture(scope="module")
def scores(request):
    rng = np.random.default_rng(5)
    y = 2 * rng.random((N, 4))
    x = np.hstack([y + 0.2 * rng.normal(size=y.shape), 2 * rng.normal(size=(N, 6))])
    items = np.array([rng.permutation(N)[:3] for _ in range(4000)])
    p = choice_probabilities(y, items)
    odd = (rng.random(4000)[:, None] > np.cumsum(p, axis=1)[:, :2]).sum(axis=1)
    answers = Triplets.from_columns(items, odd=odd + 1, base=0)
    fit = {"full": {"kind": "full", "penalty": 0.1}, "ridge": {"method": "ridge"}}
    return cross_validate(x, answers, fit=fit, embedding=y, repeats=2, n_bootstrap=200, seed=1)


def test_teachers_gain_and_nonsense_does_not(scores):
    best = scores.accuracy[:4].max()
    for name in ("full", "ridge"):
        assert scores.accuracy[row(scores, name)] > best + 0.1
        assert scores.cross_entropy[row(scores, name)] < scores.cross_entropy[:4].min()
        assert scores.cross_entropy[row(scores, name + ", shuffled")] == pytest.approx(np.log(3), abs=0.05)


def test_differences_are_claimed_from_002_where_their_interval_leaves_out_0(scores):
    table = scores.differences()
    pairs = set(zip(table["method"], table["minus"], strict=True))
    assert pairs == {
        *((name, other) for name in ("full", "ridge") for other in (*BASELINES, f"{name}, shuffled")),
        ("ridge", "full"),
    }
    for _, one in table.iterrows():
        i, j = row(scores, one["method"]), row(scores, one["minus"])
        beyond = scores.accuracy_difference_low[i, j] > 0 or scores.accuracy_difference_high[i, j] < 0
        assert one["claimed"] == (abs(scores.accuracy_difference[i, j]) >= 0.02 and beyond)


def test_what_learns_from_an_embedding_is_marked(scores):
    assert scores.methods == (*BASELINES, "full", "ridge", "full, shuffled", "ridge, shuffled")
    assert scores.from_embedding == (False,) * 5 + (True, False, True)
    assert "possibly optimistic" in repr(scores)
    assert scores.to_dataframe().set_index("method")["possibly_optimistic"]["ridge"]


def test_shares_and_intervals(scores):
    assert scores.train_share == pytest.approx(0.7**3, abs=0.03)
    assert scores.test_share == pytest.approx(0.3**3, abs=0.015)
    assert np.all(scores.accuracy_low < scores.accuracy)
    assert np.all(scores.accuracy < scores.accuracy_high)
    difference = scores.accuracy_difference
    assert difference == pytest.approx(-difference.T)
    assert np.allclose(scores.accuracy_difference_low, -scores.accuracy_difference_high.T)
    assert difference[4, 0] == pytest.approx(scores.accuracy[4] - scores.accuracy[0])
    assert not scores.differences().set_index(["method", "minus"])["claimed"]["ridge", "full"]


def test_identity_has_no_distance_and_keeps_its_neighbours(scores):
    assert scores.distance_from_identity[:4].tolist() == [0, 0, 0, 0]
    assert scores.knn_overlap[:2] == pytest.approx([1, 1])
    assert scores.distance_from_identity[row(scores, "full")] > 0.1
    assert np.isnan(scores.distance_from_identity[row(scores, "ridge")])
    assert scores.n_parameters[row(scores, "full")] == 100


def test_a_result_comes_back_from_json(scores, tmp_path):
    scores.save(tmp_path / "scores.json")
    again = TeacherScores.load(tmp_path / "scores.json")
    assert repr(again) == repr(scores)
    assert again.differences().equals(scores.differences())
    assert "held out" in again.methods_text()
    scores.plot()


def test_scores_are_those_of_a_teacher_fitted_by_hand(lab):
    x, answers, _ = lab
    found = cross_validate(
        x, answers, fit={"mine": {"kind": "diagonal", "penalty": 0.2}}, repeats=1, control=False, n_bootstrap=0, seed=4
    )
    division, _ = np.random.default_rng(4).spawn(2)
    (split,) = split_answers(
        answers.items,
        N,
        None,
        by="items",
        n_folds=None,
        test_share=0.3,
        repeats=1,
        pooled=False,
        groups=None,
        rng=division,
    )
    train, test = teachers.sides(answers.items, split.test_items)
    known = split.train_items.tolist()
    number = {item: i for i, item in enumerate(known)}
    items = np.array([[number[int(i)] for i in row_] for row_ in answers.items[train]])
    teacher = fit_transform(x[known], items, kind="diagonal", penalty=0.2, seed=4)
    accuracy, cost = teachers.scores(teacher.apply(x).tolist(), answers.items[test])
    assert found.accuracy[4] == pytest.approx(accuracy)
    assert found.cross_entropy[4] == pytest.approx(cost)
    out = split.test_items
    kept = teachers.neighbours_kept(x[out].tolist(), teacher.apply(x)[out].tolist(), 10)
    assert found.knn_overlap[4] == pytest.approx(kept)
    assert found.temperature[4] == pytest.approx(teacher.temperature)


def test_what_was_fitted_before_a_kill_is_not_fitted_again(lab, tmp_path, monkeypatch):
    x, answers, y = lab
    how = {"fit": ["ridge"], "embedding": y, "repeats": 2, "n_bootstrap": 0, "work": tmp_path / "work"}
    wanted = cross_validate(x, answers, **how)
    assert len(list((tmp_path / "work").iterdir())) == 4
    monkeypatch.setattr("alignkit.align._teacher_methods.fit_embedding_map", None)  # nothing may be fitted
    assert repr(cross_validate(x, answers, **how)) == repr(wanted)
    with pytest.raises(TypeError, match="not callable"):
        cross_validate(x + 1, answers, **how)


def test_neighbours_are_counted_as_by_hand(rng):
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 3))
    assert neighbours_kept(x, y, 5) == pytest.approx(teachers.neighbours_kept(x.tolist(), y.tolist(), 5))
    assert np.isnan(neighbours_kept(x, y, 19))


def test_pooled_predictions_score_every_answer(lab):
    x, answers, y = lab
    found = cross_validate(
        x, answers, fit=["ridge"], embedding=y, n_folds=3, pooled=True, repeats=1, control=False, n_bootstrap=0
    )
    assert found.test_share.tolist() == [1, 1, 1]
    assert found.split_accuracy.shape == (5, 1)
    assert found.accuracy[4] > found.accuracy[:4].max() + 0.05
    assert "pooled" in found.methods_text()


@pytest.mark.parametrize("by", ["participants", "both"])
def test_people_may_be_held_out(lab, by):
    x, answers, y = lab
    found = cross_validate(x, answers, fit=["ridge"], embedding=y, by=by, repeats=1, control=False, n_bootstrap=20)
    share = {"participants": (0.7, 0.3), "both": (0.7**4, 0.3**4)}[by]
    assert (found.train_share[0], found.test_share[0]) == pytest.approx(share, abs=0.12)
    assert found.accuracy[4] > 0.4


def test_of_2afc_trials_two_options_are_scored(lab):
    x, answers, y = lab
    reference, chosen, other = answers.items.T
    flip = np.arange(len(answers)) % 2 == 0
    shown = np.column_stack([reference, np.where(flip, other, chosen), np.where(flip, chosen, other)])
    votes = np.where(flip[:, None], [[1, 3]], [[2, 0]])
    votes[:5] = 1
    data = match_judgements(x, TwoAFC(shown, votes), None, None)
    assert data.items.tolist() == answers.items[5:].tolist()
    assert (data.chance, data.n_given) == (0.5, 4000)
    logits = data.logits(y, np.arange(100))
    from alignkit.align._answer_logits import costs, hits

    wanted = teachers.scores(y.tolist(), data.items[:100], 2)
    assert (hits(logits).mean(), costs(logits).mean()) == pytest.approx(wanted)
    found = cross_validate(x, TwoAFC(shown, votes), fit=["ridge"], embedding=y, repeats=1, n_bootstrap=0)
    assert found.accuracy[4] > 0.55
    assert np.isnan(found.ceiling)


def test_items_are_found_by_label(lab):
    x, answers, y = lab
    names = [f"item {i}" for i in range(N)]
    order = np.random.default_rng(0).permutation(N)[:50]
    named = Triplets(answers.items, names)
    part = Features.from_array(x[order], [names[i] for i in order])
    data = match_judgements(part, named, Features.from_array(y, names), None)
    kept = np.isin(answers.items, order).all(axis=1)
    assert data.items.shape == (kept.sum(), 3)
    assert data.n_given == 4000
    assert data.x[data.items] == pytest.approx(x[answers.items[kept]])
    assert data.embedding[data.items] == pytest.approx(y[answers.items[kept]])


def test_people_repeating_themselves_give_a_ceiling(lab):
    x, answers, y = lab
    again = Triplets(np.vstack([answers.items, answers.items[:, [1, 0, 2]]]))
    how = {"fit": ["ridge"], "embedding": y, "repeats": 1, "control": False, "n_bootstrap": 0}
    found = cross_validate(x, answers, ceiling_of=again, **how)
    ceiling = triplet_ceiling(again, n_bootstrap=0)
    assert (found.ceiling, found.ceiling_plug_in) == (ceiling["leave-one-out"], ceiling["plug-in"])


def test_what_was_not_asked_for_properly_is_refused(lab):
    x, answers, _ = lab
    for options, words in (
        ({"fit": ["forest"]}, "fit must be one of 'full'"),
        ({"fit": []}, "at least one teacher"),
        ({"fit": ["full", "full"]}, "'full' twice"),
        ({"fit": {"zero-shot dot": {}}}, "rows that are always there"),
        ({"fit": ["ridge"]}, "pass embedding="),
        ({"pooled": True}, "needs folds of items"),
        ({"by": "people"}, "by must be one of"),
        ({"control": ["ridge"]}, "control must be one of 'full'"),
        ({"groups": [1]}, "one value per item"),
    ):
        with pytest.raises(ValueError, match=words):
            cross_validate(x, answers, **options)
    with pytest.raises(TypeError, match="sequence of names"):
        cross_validate(x, answers, fit="full")
    with pytest.raises(ValueError, match="features have 59 rows"):
        cross_validate(x[:59], answers)
    with pytest.raises(ValueError, match="votes of all 1 trial tie"):
        cross_validate(x, TwoAFC([[0, 1, 2]], [[1, 1]]))
    with pytest.raises(ValueError, match="name 60 items"):
        cross_validate(x[:50], Triplets(answers.items, [str(i) for i in range(N)]))


@pytest.mark.slow
def test_definitions_of_words_predict_people(shared_data):
    """Ridge to SPoSE-66 from random projections of categories would not do: real embeddings of words do."""
    from alignkit.data import load_things

    things = load_things(shared_data("things").parent)
    categories = things.categories().to_numpy(dtype=float)
    found = cross_validate(
        categories, things.test10, fit=["ridge"], embedding=things.spose66, repeats=1, control=False, n_bootstrap=0
    )
    assert found.accuracy[4] > found.accuracy[:4].max()
    assert found.train_share[0] == pytest.approx(0.343, abs=0.01)
    assert found.calibration_error[4] < 0.04
