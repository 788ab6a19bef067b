"""Who is left out, by which rule, with which numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from alignkit.data import Exclusion, design_triplets, exclude_participants, simulate
from alignkit.rsa import Triplets

NAMES = ["cat", "dog", "car", "bus", "owl"]


def study(n=60):
    """Return answers of three people: careful, hasty, and fond of the left."""
    rng = np.random.default_rng(0)
    rows, participant, times, position = [], [], [], []
    for who in ("careful", "hasty", "left"):
        for k in range(n):
            shown = [0, 1, 2] if k % 6 == 0 else rng.permutation(5)[:3].tolist()
            if k % 6 == 0:
                odd = 2 if who == "careful" or k == 0 else 1
                place = k % 3
            else:
                place = 0 if who == "left" else k % 3
                odd = shown[place]
            rows.append([*(i for i in shown if i != odd), odd])
            participant.append(who)
            times.append(0.1 if who == "hasty" and k % 2 else 1.0 + 0.01 * k)
            position.append(place + 1)
    return Triplets(rows, NAMES, participant=participant, response_time=times, position=position)


CATCH = Triplets([[0, 1, 2]], NAMES)


def test_catch_trials():
    answers = study()
    result = exclude_participants(answers, catch=CATCH)
    caught = np.all(np.sort(answers.items, axis=1) == [0, 1, 2], axis=1)
    for p, name in enumerate(result.participant):
        mine = caught & (answers.participant == name)
        assert result.n_catch[p] == mine.sum()
        assert result.catch_accuracy[p] == pytest.approx((answers.items[mine, 2] == 2).mean())
        assert result.n[p] == 60 - mine.sum()
    assert result.excluded == ("hasty", "left")
    assert set(result.kept.participant) == {"careful"}
    assert not np.all(np.sort(result.kept.items, axis=1) == [0, 1, 2], axis=1).any()
    assert exclude_participants(answers, catch=CATCH, min_catch=0.0).excluded == ()


def test_catch_trials_are_matched_by_name():
    order = ["bus", "car", "dog", "cat"]
    renamed = Triplets([[3, 2, 1]], order)
    a, b = exclude_participants(study(), catch=CATCH), exclude_participants(study(), catch=renamed)
    assert np.array_equal(a.catch_accuracy, b.catch_accuracy)


def test_response_times():
    result = exclude_participants(study(), min_rt=0.25, max_rt=1.5, max_slow=0.2)
    assert result.reason == ("", "too fast", "")
    assert result.fast == pytest.approx([0, 0.5, 0])
    assert result.slow == pytest.approx([9 / 60, 4 / 60, 9 / 60])  # 1.51 s to 1.59 s
    assert result.median_rt[0] == pytest.approx(1.295)
    assert result.kept.response_time.max() <= 1.5
    assert result.n_kept.tolist() == [51, 0, 51]


def test_side_bias():
    answers = study()
    result = exclude_participants(answers, catch=CATCH, min_catch=0.0, side_bias=0.001)
    assert result.excluded == ("left",)
    caught = np.all(np.sort(answers.items, axis=1) == [0, 1, 2], axis=1)
    for p, name in enumerate(result.participant):
        counts = np.bincount(answers.position[(answers.participant == name) & ~caught], minlength=4)[1:]
        expected = binomtest(int(counts.max()), int(counts.sum()), 1 / 3, alternative="greater").pvalue
        assert result.side_p[p] == pytest.approx(min(1, 3 * expected))
        assert result.side_share[p] == counts.max() / counts.sum()
    assert result.side[list(result.participant).index("left")] == 1
    assert exclude_participants(answers, side_bias=0.001, max_share=1.0).excluded == ()


def test_a_small_bias_in_many_answers_is_tolerated():
    position = np.r_[np.full(400, 1), np.full(300, 2), np.full(300, 3)]
    answers = Triplets([[0, 1, 2]] * 1000, participant=["a"] * 1000, position=position)
    result = exclude_participants(answers, side_bias=0.001)
    assert result.side_p[0] < 0.001
    assert result.excluded == ()


def test_too_few_answers_and_several_reasons():
    answers = Triplets([[0, 1, 2]] * 6, participant=["a"] * 4 + ["b"] * 2, response_time=[1, 1, 1, np.nan, 0.1, 0.1])
    result = exclude_participants(answers, min_answers=3, min_rt=0.2)
    assert result.reason == ("", "too fast, too few answers")
    assert result.counts() == {"too fast": 1, "too few answers": 1}
    assert len(result.kept) == 4  # a time that is not known is not too fast


def test_people_of_the_lab_stay_and_guessers_go():
    lab = simulate(32, n_participants=8, n_triplets=1600, rng=3)
    guess = np.random.default_rng(0)
    items = lab.triplets.items.copy()
    guessing = lab.triplets.participant == "p003"
    items[guessing] = guess.permuted(items[guessing], axis=1)
    # triplets that are all but certain serve as catch trials
    sure = np.sort(lab.true_choice_probabilities(lab.triplets), axis=1)[:, 2] > 0.93
    truth = lab.true_choice_probabilities(lab.triplets)[sure]
    odd = np.argmax(truth, axis=1)
    catch = np.take_along_axis(lab.triplets.items[sure], (odd[:, None] + [1, 2, 0]) % 3, axis=1)
    answers = Triplets(items, lab.labels, participant=lab.triplets.participant)
    result = exclude_participants(answers, catch=Triplets(catch, lab.labels), min_catch=0.7)
    assert result.excluded == ("p003",)


def test_the_catch_trials_of_a_design_fit():
    names = [f"{group}{i}" for group in "ab" for i in range(6)]
    design = design_triplets(names, n_people=2, n_answers=40, groups=[name[0] for name in names])
    catch = design.trial_kind == "catch"
    chosen = np.where(catch, design.expected, design.items[:, 0])
    place = np.argmax(design.items == chosen[:, None], axis=1) + 1
    answers = Triplets.from_columns(
        design.items, odd=place, base=0, labels=names, participant=design.person, position=place
    )
    result = exclude_participants(answers, catch=design.catch_trials())
    assert result.n_catch.tolist() == [2, 2]
    assert result.catch_accuracy.tolist() == [1.0, 1.0]


def test_the_log_is_kept(tmp_path):
    result = exclude_participants(study(), catch=CATCH, min_rt=0.2, side_bias=0.01)
    table = result.to_dataframe()
    assert table["excluded"].tolist() == [False, True, True]
    assert table["reason"].tolist() == ["", "catch trials, too fast", "catch trials, side bias"]
    result.save(tmp_path / "log.json")
    again = Exclusion.load(tmp_path / "log.json")
    assert again.to_dataframe().equals(table)
    assert np.array_equal(again.kept.items, result.kept.items)
    assert repr(again) == repr(result)
    assert "hasty: catch trials, too fast" in repr(result)
    text = result.methods_text()
    assert "Of 3 participants, 2 were excluded" in text
    assert "(n = 2)" in text
    assert result.plot().get_ylabel() == "catch trials as expected"


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        ({}, {}, "no rule is asked for"),
        ({}, {"min_catch": 0.8}, "min_catch needs catch="),
        ({}, {"min_rt": 2.0, "max_rt": 1.0}, "min_rt must be below max_rt"),
        ({}, {"side_bias": 2.0}, "side_bias must lie between 0 and 1"),
        ({}, {"min_rt": 0.2, "max_fast": 3}, "max_fast must lie between 0 and 1"),
        ({"participant": None}, {"min_rt": 0.2}, "triplets must have participants"),
        ({"response_time": None}, {"min_rt": 0.2}, "need response times"),
        ({"position": None}, {"side_bias": 0.1}, "needs the positions on the screen"),
        ({}, {"catch": Triplets([[0, 1, 2]], ["cat", "dog", "cow"])}, "does not|do not have: 'cow'"),
        ({}, {"catch": Triplets([[0, 1, 2]])}, "must both have labels"),
        ({}, {"min_rt": 100.0}, "no answer stays: all 3 participants fail a rule"),
    ],
)
def test_bad_requests_are_named(change, options, sentence):
    full = study()
    parts = {name: getattr(full, name) for name in ("participant", "response_time", "position")} | change
    with pytest.raises(ValueError, match=sentence):
        exclude_participants(Triplets(full.items, NAMES, **parts), **options)


def test_catch_trials_that_nobody_answered():
    answers = Triplets([[0, 1, 2]], NAMES, participant=["a"])
    with pytest.raises(ValueError, match="nobody answered any of the 1 catch trial"):
        exclude_participants(answers, catch=Triplets([[0, 1, 3]], NAMES))
