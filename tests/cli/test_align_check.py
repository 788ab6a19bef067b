"""``alignkit align check``: what the function returns, and one sentence for each wrong input."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.align import TeacherScores, cross_validate
from alignkit.models import Features
from alignkit.rsa import Triplets

NAMES = [f"item{i}" for i in range(40)]
FAST = ("--repeats", 1, "--n-bootstrap", 20, "--no-progress")


@pytest.fixture
def saved(here):
    """Features with labels, answers, and the embedding behind them."""
    rng = np.random.default_rng(0)
    y = rng.random((40, 3))
    items = np.array([rng.permutation(40)[:3] for _ in range(3000)])
    pairs = np.stack([(y[items[:, a]] * y[items[:, b]]).sum(axis=1) for a, b in ((1, 2), (0, 2), (0, 1))], axis=1)
    items = np.take_along_axis(items, (pairs.argmax(axis=1)[:, None] + [1, 2, 0]) % 3, axis=1)
    x = np.hstack([y, rng.normal(size=(40, 4))])
    Features.from_array(x, NAMES).save("f.npz")
    Features.from_array(y[::-1], NAMES[::-1]).save("y.npz")
    Triplets(items, NAMES).save("t.npz")
    return x, Triplets(items, NAMES), y


def test_the_scores_are_the_function_s(run, saved):
    x, answers, y = saved
    how = ("--fit", "ridge", "--embedding", "y.npz", "--seed", 3, "--out", "s.json")
    code, out, err = run("align", "check", "f.npz", "--triplets", "t.npz", *how, *FAST)
    assert (code, err) == (0, "")
    expected = cross_validate(x, answers.items, fit=["ridge"], embedding=y, repeats=1, n_bootstrap=20, seed=3)
    assert repr(TeacherScores.load("s.json")) == repr(expected)
    assert "differences below 0.02 are not claimed" in out
    assert "one method minus another" in out
    assert "saved to s.json" in out


def test_centred_teachers_are_those_of_the_function(run, saved):
    x, answers, y = saved
    how = ("--fit", "diagonal", "ridge", "--center", "--embedding", "y.npz", "--seed", 3, "--out", "s.json")
    code, _, err = run("align", "check", "f.npz", "--triplets", "t.npz", *how, *FAST)
    assert (code, err) == (0, "")
    fit = {"diagonal": {"kind": "diagonal", "center": True}, "ridge": {"method": "ridge"}}
    expected = cross_validate(x, answers.items, fit=fit, embedding=y, repeats=1, n_bootstrap=20, seed=3)
    assert repr(TeacherScores.load("s.json")) == repr(expected)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--fit", "ridge"), "'ridge' learns from a human embedding"),
        (("--fit", "full", "full"), "twice"),
        (("--fit", "full", "full", "--center"), "twice"),
        (("--fit", "ridge", "--embedding", "y.npz", "--center"), "leave --center out"),
        (("--pooled",), "needs folds of items"),
        (("--by", "participants"), "do not say who gave them"),
        (("--test-share", 0.01), "a division leaves"),
        (("--out", "s.txt"), ".json"),
    ],
)
def test_wrong_input_is_one_sentence(run, saved, words, sentence):
    code, _, err = run("align", "check", "f.npz", "--triplets", "t.npz", *words, *FAST)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err


def test_photos_are_not_taken_for_items_of_things(run, saved, shared_data):
    x, *_ = saved
    Features.from_array(x, [f"{name}.jpg" for name in NAMES]).save("photos.npz")
    root = shared_data("things", "triplets_test10.txt").parents[1]
    code, out, err = run("align", "check", "photos.npz", "--triplets", "things", "--root", root, *FAST)
    assert (code, out) == (2, "")
    assert err == (
        "error: photos.npz and the answers of things name no item in common: 'item0.jpg', 'item1.jpg' and 38 more "
        "against 'aardvark', 'abacus' and 1852 more; name rows as the answers do, with --labels FILE.\n"
    )
