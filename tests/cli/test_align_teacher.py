"""``alignkit align fit | apply``: what the functions return, and one sentence for each wrong input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit.align import fit_transform, load_teacher
from alignkit.models import Features, open_features
from alignkit.rsa import Triplets

NAMES = [f"item{i}" for i in range(30)]
FAST = ("--penalty", 0.01, "--n-splits", 2, "--no-progress")


@pytest.fixture
def saved(here):
    """Features with labels, and answers in every form that is read."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4))
    items = np.array([rng.permutation(30)[:3] for _ in range(4000)])
    gaps = np.abs(x[items][:, [1, 0, 0], 0] - x[items][:, [2, 2, 1], 0])
    items = np.take_along_axis(items, (gaps.argmin(axis=1)[:, None] + [1, 2, 0]) % 3, axis=1)
    Features.from_array(x, NAMES).save("f.npz")
    np.save("bare.npy", x)
    (here / "names.txt").write_text("\n".join(NAMES) + "\n")
    Triplets(items, NAMES).save("t.npz")
    pd.DataFrame(np.array(NAMES)[items], columns=["first", "second", "odd"]).to_csv("t.csv", index=False)
    return x, Triplets(items, NAMES)


@pytest.mark.parametrize("answers", ["t.npz", "t.csv"])
@pytest.mark.parametrize("features", [("f.npz",), ("bare.npy", "--labels", "names.txt")])
def test_the_teacher_is_the_function_s(run, saved, features, answers):
    code, out, err = run("align", "fit", *features, "--triplets", answers, "--out", "t", *FAST)
    assert (code, err) == (0, "")
    teacher = load_teacher("t")
    expected = fit_transform(Features.from_array(saved[0], NAMES), saved[1], penalty=0.01, n_splits=2)
    np.testing.assert_array_equal(teacher.transform.weights, expected.transform.weights)
    assert teacher.temperature == expected.temperature
    assert "<TeacherTransform" in out
    assert "saved to t" in out


def test_soft_targets_and_local_features_are_files(run, saved):
    Features.from_array(saved[0][:, :2], NAMES).save("targets.npz")
    words = ("--loss", "soft", "--targets", "targets.npz", "--n-soft", 500, "--regulariser", "glocal")
    code, _, err = run(
        "align", "fit", "f.npz", "--triplets", "t.npz", "--out", "t", *words, "--local-features", "bare.npy", *FAST
    )
    assert (code, err) == (0, "")
    teacher = load_teacher("t")
    assert (teacher.n_answers, teacher.settings["regulariser"]) == (500, "glocal")


def test_answers_about_other_items_are_left_out_and_counted(run, saved):
    Features.from_array(saved[0][:20], NAMES[:20]).save("few.npz")
    code, out, _ = run("align", "fit", "few.npz", "--triplets", "t.npz", "--out", "t", *FAST)
    assert code == 0
    n = len(saved[1].restrict(NAMES[:20]))
    assert f"{n:,} of 4,000 answers are about items that have features" in out
    assert load_teacher("t").n_answers == n


@pytest.mark.parametrize("out", ["aligned", "aligned.npz"])
def test_applying_gives_what_the_teacher_gives(run, saved, out):
    run("align", "fit", "f.npz", "--triplets", "t.npz", "--out", "t", *FAST)
    code, text, err = run("align", "apply", "f.npz", "--with", "t", "--out", out, "--no-progress")
    assert (code, err) == (0, "")
    assert f"saved to {out}" in text
    found = open_features(out)
    assert found.labels == tuple(NAMES)
    np.testing.assert_allclose(found.array(), load_teacher("t").apply(saved[0]), rtol=1e-5, atol=1e-6)


def test_a_published_transform_is_applied_too(run, saved):
    np.savez("g.npz", weights=np.eye(4), mean=0.5, std=2.0)
    code, _, err = run("align", "apply", "f.npz", "--with", "g.npz", "--out", "a.npz", "--no-progress")
    assert (code, err) == (0, "")
    np.testing.assert_allclose(open_features("a.npz").array(), (saved[0] - 0.5) / 2.0)


def test_refusals(fails, saved, here):
    fit = ("align", "fit", "f.npz", "--triplets", "t.npz", "--no-progress")
    assert "needs a rank" in fails(*fit, "--out", "t", "--kind", "lowrank")
    assert "is a file" in fails(*fit, "--out", "t.npz")
    assert "create it first" in fails(*fit, "--out", "no/t")
    assert "--labels" in fails("align", "fit", "bare.npy", "--triplets", "t.npz", "--out", "t")
    assert "does not exist" in fails("align", "fit", "f.npz", "--triplets", "no.csv", "--out", "t")
    assert "jsPsych" in fails("align", "fit", "f.npz", "--triplets", "t.txt", "--out", "t")
    apply = ("align", "apply", "f.npz", "--no-progress")
    assert "does not exist" in fails(*apply, "--with", "nowhere", "--out", "a")
    assert "suffix" in fails(*apply, "--with", "g.npz", "--out", "a.csv")
    assert "also an input" in fails(*apply, "--with", "g.npz", "--out", "f.npz")
    np.savez("g.npz", weights=np.eye(3))
    assert "takes features of 4 channels" not in fails(*apply, "--with", "g.npz", "--out", "a")
    assert sorted(path.name for path in here.iterdir()).count("a") == 0
