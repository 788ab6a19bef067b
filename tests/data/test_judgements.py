"""Similarity judgements in their published layouts."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from reference.alignet_sets import people_rdms, write_cichy118_judgements, write_king, write_peterson
from scipy.io import savemat
from scipy.spatial.distance import pdist, squareform

from alignkit.data import JUDGEMENTS, load_judgements

X = np.random.default_rng(0).normal(size=(12, 5))
NAMES = [f"photo{i}" for i in range(12)]


def upper(squares):
    i, j = np.triu_indices(squares.shape[-1], k=1)
    return squares[..., i, j]


def test_people_who_arranged_118_photographs(tmp_path):
    squares = people_rdms(X, 4)
    write_cichy118_judgements(tmp_path, squares, NAMES)
    found = load_judgements("cichy118", tmp_path)
    np.testing.assert_allclose(found.rdm.values, upper(squares))
    assert (found.rdm.labels, found.rdm.dims, found.notes) == (tuple(NAMES), ("subject",), ())
    assert repr(found) == "<SimilarityJudgements Cichy-118: multi-arrangement of 12 pictures, 4 people>"


@pytest.mark.parametrize("form", ["mean", "pairs of people", "pairs of the mean"])
def test_other_forms_of_the_same(tmp_path, form):
    squares = people_rdms(X, 4)
    write_cichy118_judgements(tmp_path, squares, NAMES)
    kept = {"mean": squares.mean(axis=0), "pairs of people": upper(squares), "pairs of the mean": upper(squares[0])}
    savemat(tmp_path / "cichy118" / "judgments_general.mat", {"judgments": kept[form]})
    found = load_judgements("cichy118", tmp_path).rdm
    expected = {"mean": upper(squares.mean(axis=0)), "pairs of people": upper(squares)}.get(form, upper(squares[0]))
    np.testing.assert_allclose(found.values, expected)


def test_free_arrangements_of_two_sets(tmp_path):
    squares = {"set1": people_rdms(X, 3, seed=1), "set2": people_rdms(X[:10], 5, seed=2)}
    write_king(tmp_path, squares)
    for name, people in squares.items():
        found = load_judgements(f"king-{name}", tmp_path)
        np.testing.assert_allclose(found.rdm.values, upper(people))
        assert found.rdm.labels[:2] == ("0001.jpg", "0002.jpg")
        assert "is picture i of" in found.notes[0]
    (tmp_path / "king2019" / "set2.txt").write_text("\n".join(NAMES[:10]) + "\n")
    found = load_judgements("king-set2", tmp_path)
    assert found.rdm.labels == tuple(NAMES[:10])
    assert not found.notes


@pytest.mark.parametrize("ratings", [False, True])
def test_likert_ratings(tmp_path, ratings):
    similarity = np.clip(10 - 2 * squareform(pdist(X)), 1, 9) + 0.0
    np.fill_diagonal(similarity, 10.0)
    write_peterson(tmp_path, "fruits", similarity, ratings=ratings)
    found = load_judgements("peterson-fruits", tmp_path)
    np.testing.assert_allclose(found.rdm.values, 10 - upper(similarity))
    assert found.rdm.labels[0] == "images/fruits01.png"
    assert repr(found) == "<SimilarityJudgements Peterson fruits: Likert ratings of 12 pictures, a mean of people>"


def test_real_arrangements(shared_data):
    found = load_judgements("rsa92", shared_data("README.md").parent)
    assert found.rdm.shape == (16,)
    assert found.rdm.n_items == 92


def test_what_is_missing_says_how_to_get_it(tmp_path):
    for name in JUDGEMENTS:
        with pytest.raises(FileNotFoundError, match=r"alignkit data (import|fetch) \w+"):
            load_judgements(name, tmp_path)
    write_cichy118_judgements(tmp_path, people_rdms(X, 3), NAMES)
    (tmp_path / "cichy118" / "images.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"are of 12 pictures, but .*stimuli holds 0"):
        load_judgements("cichy118", tmp_path)


def test_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match="name must be one of 'rsa92', 'cichy118'"):
        load_judgements("king")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"judgments": np.ones((3, 7))}, "7 values"),
        ({"judgments": np.arange(16.0).reshape(4, 4)}, "not symmetric"),
        ({"judgments": np.array(["text"])}, "where dissimilarities are expected"),
        ({"other": np.ones((3, 3))}, "does not hold the variable 'judgments'"),
    ],
)
def test_other_arrangements_are_refused(tmp_path, content, text):
    write_cichy118_judgements(tmp_path, people_rdms(X, 3), NAMES)
    savemat(tmp_path / "cichy118" / "judgments_general.mat", content)
    with pytest.raises(ValueError, match=text):
        load_judgements("cichy118", tmp_path)


def test_other_structures_are_refused(tmp_path):
    write_king(tmp_path, {"set1": people_rdms(X, 3)})
    with pytest.raises(ValueError, match=r"lacks BEHAVIOR\.set2\.pairwisedistances"):
        load_judgements("king-set2", tmp_path)


@pytest.mark.parametrize(
    ("similarity", "text"),
    [(np.full((12, 12), 50.0), "values outside 0 to 10"), (np.arange(144.0).reshape(12, 12) / 20, "not symmetric")],
)
def test_other_ratings_are_refused(tmp_path, similarity, text):
    write_peterson(tmp_path, "animals", similarity)
    with pytest.raises(ValueError, match=text):
        load_judgements("peterson-animals", tmp_path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"1.png": [3]}, "names no pair"),
        ({"1.png,1.png": [3]}, "no pair of two pictures"),
        ({"1.png,2.png": ["a"]}, "are no numbers"),
        ({"1.png,99999.png": [3]}, "numbers pictures up to 99,999"),
        ([1], "must map pairs"),
    ],
)
def test_other_pickles_are_refused(tmp_path, content, text):
    write_peterson(tmp_path, "fruits", np.full((12, 12), 5.0), ratings=True)
    path = tmp_path / "peterson" / "fruits" / "sim_judgements" / "fruits_mturkRESULTS_all.pickle"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=text):
        load_judgements("peterson-fruits", tmp_path)
