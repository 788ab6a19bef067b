from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit.data import load_things, simulate
from alignkit.models import Features
from alignkit.models._personal_model import load_personal
from alignkit.rsa import Triplets
from alignkit.train import PersonalModels, fit_personal


def lab_of(individuality, n, people=12, **options):
    return simulate(
        48,
        n_participants=people,
        n_dimensions=8,
        n_triplets=n * people,
        individuality=individuality,
        rng=3,
        **options,
    )


@pytest.fixture(scope="module")
def different():
    lab = lab_of(0.7, 500)
    return lab, fit_personal(lab.embedding, lab.triplets, labels=lab.labels, dimensions=lab.dimension_names)


def test_planted_differences_let_own_models_win(different):
    _, models = different
    for test in models.tests:
        assert test.low > 0, test
        assert test.p < 0.01, test
    own = np.diag(models.matrix)
    assert own.mean() > np.mean(models.matrix[~np.eye(12, dtype=bool)]) + 0.02
    assert sum(person.over_shared_low > 0 for person in models.people) >= 3


@pytest.mark.parametrize("n", [40, 300])
def test_people_who_do_not_differ_give_no_win(n):
    lab = lab_of(0.0, n)
    models = fit_personal(lab.embedding, lab.triplets)
    accuracy = next(test for test in models.tests if test.name == "accuracy, own - shared")
    assert accuracy.p > 0.05
    assert sum("predicts better" in person.verdict for person in models.people) <= 1


def test_a_group_that_is_out_of_proportion_is_no_individual_difference():
    lab = lab_of(0.0, 300)
    models = fit_personal(lab.embedding * np.linspace(0.4, 1.6, 8), lab.triplets)
    tests = {test.name: test for test in models.tests}
    assert tests["accuracy, own - group"].low > 0  # the group's embedding is bad for everybody ...
    assert abs(tests["accuracy, own - shared"].mean) < 0.005  # ... and all put it right alike


def test_forty_answers_carry_no_model_and_the_verdict_says_so():
    lab = lab_of(0.3, 40)
    models = fit_personal(lab.embedding, lab.triplets, subject="p003")
    assert models["p003"].n_answers == 40
    assert models["p003"].verdict.startswith("the data cannot carry a personal model: 40 answers")


def test_the_same_seed_gives_the_same_and_rows_may_come_in_any_order(different):
    lab, models = different
    again = fit_personal(lab.embedding, lab.triplets, labels=lab.labels, subject="p002")
    assert again.matrix == pytest.approx(models.matrix)
    assert again["p002"].own == models["p002"].own
    order = np.random.default_rng(0).permutation(48)
    features = Features.from_array(lab.embedding[order], [lab.labels[i] for i in order])
    turned = fit_personal(features, lab.triplets, subject="p002", n_bootstrap=0)
    assert turned.log_weights == pytest.approx(models.log_weights, abs=1e-4)


def test_inputs_stay_as_they_are(different):
    lab, _ = different
    items = lab.triplets.items[:200].copy()
    items.flags.writeable = False
    x = lab.embedding.copy()
    x.flags.writeable = False
    fit_personal(x, Triplets(items, participant=lab.triplets.participant[:200]), n_bootstrap=0)


def test_answers_about_other_items_are_left_out_and_counted(different):
    lab, _ = different
    kept = lab.labels[:30]
    models = fit_personal(lab.embedding[:30], lab.triplets, labels=kept, n_bootstrap=0, prior=4.0)
    n = len(lab.triplets.restrict(kept))
    assert sum(person.n_answers for person in models.people) == n
    assert models.notes == (f"{len(lab.triplets) - n:,} of 6,000 answers are about items without an embedding.",)


def test_what_the_group_was_fitted_to_is_in_every_row(different):
    lab, _ = different
    models = fit_personal(lab.embedding, lab.triplets, fitted_to="these answers", n_bootstrap=0, prior=4.0)
    assert models.to_dataframe()["split"].str.contains("possibly optimistic: .* fitted to these answers").all()
    assert "possibly optimistic" in models.methods_text()


def test_numbered_people_are_asked_for_by_their_number():
    lab = lab_of(0.5, 60, 3)
    number = np.array([int(name[1:]) for name in lab.triplets.participant])
    for ids in (number, number.astype(float)):
        answers = Triplets(lab.triplets.items, participant=ids)
        models = fit_personal(lab.embedding, answers, subject=2, n_bootstrap=0, prior=4.0)
        assert [person.subject for person in models.people] == ["2"]
        assert models.subjects == ("1", "2", "3")


def test_an_unknown_person_is_refused_with_ids_that_are_near(different):
    lab, _ = different
    with pytest.raises(ValueError, match=r"subject 'p0023' gave no answers; 12 people did, .* 'p002'"):
        fit_personal(lab.embedding, lab.triplets, subject="p0023")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prior": 0.0}, "prior must be a finite number above 0"),
        ({"prior": "strong"}, "prior must be 'people', 'person' or a precision"),
        ({"n_folds": 1}, "n_folds must be at least 2"),
        ({"n_repeats": 0}, "n_repeats must be at least 1"),
        ({"confidence": 1.0}, "confidence must lie between"),
        ({"dimensions": ["a"]}, "dimensions must hold one label per item: expected 8"),
        ({"labels": ["a"]}, "labels must hold one label per item: expected 48"),
    ],
)
def test_options_that_make_no_sense(different, change, words):
    lab, _ = different
    with pytest.raises(ValueError, match=words):
        fit_personal(lab.embedding, lab.triplets, **change)


def test_data_that_do_not_fit(different):
    lab, _ = different
    with pytest.raises(ValueError, match="do not say who gave the answers"):
        fit_personal(lab.embedding, lab.triplets.items)
    with pytest.raises(ValueError, match="about 48 items, and group has 40 rows"):
        fit_personal(lab.embedding[:40], lab.triplets)
    with pytest.raises(ValueError, match="NaN"):
        fit_personal(np.full_like(lab.embedding, np.nan), lab.triplets)


# --- the result


def test_the_result_comes_back_from_its_file(different, tmp_path):
    _, models = different
    models.save(tmp_path / "personal.json")
    again = PersonalModels.load(tmp_path / "personal.json")
    assert [person.own for person in again.people] == [person.own for person in models.people]
    assert again.tests == models.tests
    assert again.matrix == pytest.approx(models.matrix)
    assert again["p001"].verdict == models["p001"].verdict
    assert len(models.to_dataframe()) == 12


def test_it_says_what_was_found_on_one_screen(different):
    _, models = different
    text = repr(models)
    assert "accuracy, own - others: +" in text
    assert "and 4 more" in text
    assert len(text.splitlines()) < 20
    assert "by chance about 0.3" in text
    with pytest.raises(ValueError, match="subject must be one of"):
        models["nobody"]


def test_it_draws_itself(different):
    plt = pytest.importorskip("matplotlib.pyplot")
    _, models = different
    figure, ax = plt.subplots()
    assert models.plot(ax) is ax
    assert ax.get_xlabel() == "answers of the person"
    plt.close(figure)


def test_every_person_has_a_file(different, tmp_path):
    lab, models = different
    paths = models.write(tmp_path)
    assert sorted(path.name for path in paths) == [f"subject-p{p:03d}.json" for p in range(1, 13)]
    person = load_personal(tmp_path / "subject-p004.json")
    assert person.dimensions == lab.dimension_names
    # the embedding as the person sees it: its products are the weighted ones
    seen = person.apply(lab.embedding)
    weighted = (lab.embedding * np.exp(models.log_weights[3])) @ lab.embedding.T
    assert seen @ seen.T == pytest.approx(weighted)
    about = json.loads(paths[3].read_text())["about"]
    assert about["n_answers"] == 500
    assert about["verdict"] == models["p004"].verdict


@pytest.mark.slow
def test_real_people_who_gave_two_hundred_answers(shared_data):
    things = load_things(shared_data("things").parent)
    ids, counts = np.unique(things.repeats.participant, return_counts=True)
    assert (np.median(counts), (counts >= 200).sum()) == (40, 19)
    most = things.repeats.take(np.isin(things.repeats.participant, ids[counts >= 200]))
    models = fit_personal(things.spose66, most, labels=things.labels, fitted_to="answers such as these", prior=10.0)
    assert len(models.people) == 19
    assert all(np.isnan(person.ceiling) or 0 <= person.ceiling <= 1 for person in models.people)
    own = np.mean([person.own for person in models.people])
    assert 0.5 < own < 0.7
