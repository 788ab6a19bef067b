from __future__ import annotations

import numpy as np
import pytest

from alignkit.data import simulate
from alignkit.rsa import Triplets
from alignkit.train.hba._personal_compare import Outcome
from alignkit.train.hba._personal_study import MIN_TRIPLETS, Study

LAB = simulate(24, n_participants=3, n_triplets=90, n_repeats=12, rng=2)
ITEMS = np.concatenate([LAB.triplets.items, LAB.repeats.items, LAB.triplets.items[:4]])
IDS = np.concatenate([LAB.triplets.participant, LAB.repeats.participant, ["guest"] * 4])
ANSWERS = Triplets(ITEMS, LAB.labels, participant=IDS)
STUDY = Study.of(ANSWERS, n_folds=3, seed=1)


def sets(items):
    return {frozenset(row) for row in items.tolist()}


def test_a_triplet_is_in_one_fold_whoever_answered_it():
    folds = [sets(STUDY.answers.items[STUDY.folds == fold]) for fold in range(3)]
    assert all(folds)
    for one in range(3):
        for other in range(one):
            assert not folds[one] & folds[other]


def test_people_with_too_few_answers_are_named_in_one_sentence():
    assert STUDY.subjects == LAB.participants
    assert len(STUDY.answers) == len(ANSWERS) - 4
    assert [STUDY.subjects[k] for k in STUDY.person] == [one for one in IDS if one != "guest"]
    assert STUDY.notes == (
        "'guest' answered fewer than 10 different triplets, too few for a model of their own, and take no part.",
    )
    with pytest.raises(ValueError, match=r"subject 'guest' answered fewer than 10 different triplets.*; 3 people gave"):
        STUDY.number("guest")
    assert Study.of(LAB.triplets, n_folds=3, seed=1).notes == ()


def test_nobody_with_enough_answers():
    with pytest.raises(ValueError, match=f"nobody answered {MIN_TRIPLETS} different triplets"):
        Study.of(ANSWERS.take(IDS == "guest"), n_folds=3, seed=1)


@pytest.mark.parametrize("fold", [None, 0, 2])
def test_answers_to_train_on_to_choose_on_and_to_score_on_share_no_triplet(fold):
    for number in range(3):
        train, val = STUDY.training_rows(number, fold, val_share=0.25, seed=number)
        own = np.flatnonzero(STUDY.person == number)
        left = own if fold is None else own[STUDY.folds[own] != fold]
        assert sorted([*train, *val]) == left.tolist()
        parts = [sets(STUDY.answers.items[rows]) for rows in (train, val)]
        assert not parts[0] & parts[1]
        assert len(parts[1]) == -(-len(parts[0] | parts[1]) // 4)
        if fold is not None:
            assert not (parts[0] | parts[1]) & sets(STUDY.answers.items[STUDY.folds == fold])


def test_a_single_fold_of_all_that_somebody_answered_is_refused():
    one_fold = Study(STUDY.answers, STUDY.person, STUDY.subjects, np.zeros_like(STUDY.folds), 1, ())
    with pytest.raises(ValueError, match="all triplets of subject 'p001' are in one fold"):
        one_fold.training_rows(0, 0, val_share=0.2, seed=0)


def test_the_digest_knows_answers_people_and_folds():
    same = Study.of(ANSWERS, n_folds=3, seed=1)
    assert same.digest == STUDY.digest
    turned = Triplets(ITEMS[:, [1, 0, 2]], LAB.labels, participant=IDS)
    others = [
        Study.of(ANSWERS, n_folds=3, seed=2),
        Study.of(ANSWERS, n_folds=2, seed=1),
        Study.of(turned, n_folds=3, seed=1),
        Study.of(ANSWERS.take(np.arange(len(ANSWERS) - 5)), n_folds=3, seed=1),
    ]
    assert len({STUDY.digest, *(one.digest for one in others)}) == 5


def test_outcomes_of_folds_go_where_their_answers_are():
    n = np.bincount(STUDY.folds)
    parts = [Outcome(np.arange(n[fold]) % 2 == 0, fold + np.arange(n[fold]) / 100) for fold in range(3)]
    whole = STUDY.join(parts)
    for fold in range(3):
        assert whole.log_p[STUDY.folds == fold] == pytest.approx(parts[fold].log_p)
        assert (whole.right[STUDY.folds == fold] == parts[fold].right).all()
