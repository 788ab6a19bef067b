from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_array_equal

from alignkit.rsa import Evaluation, evaluate
from alignkit.rsa._draw_evaluation import p_values_of


@pytest.fixture
def make(rng):
    """Return a function that evaluates a good, a middling and a bad model."""
    truth = rng.random(45)
    models = {"good": truth, "middling": truth + rng.random(45), "bad": rng.random(45)}
    people = truth + 0.3 * rng.random((8, 45))

    def made(n_models: int = 3, n_subjects: int = 8, **options: object) -> Evaluation:
        some = dict(list(models.items())[:n_models])
        return evaluate(some, people[:n_subjects], **{"n_bootstrap": 50, "n_permutations": 99, "rng": 4, **options})

    return made


@pytest.mark.parametrize("way", ["subjects", "items", "both"])
def test_it_comes_back_from_a_file(make, tmp_path, way):
    result = make(generalize=way)
    result.save(tmp_path / "r.json")
    back = Evaluation.load(tmp_path / "r.json")
    for field in dataclasses.fields(result):
        assert_array_equal(getattr(back, field.name), getattr(result, field.name), err_msg=field.name)
    assert back.methods_text() == result.methods_text()
    result.save(tmp_path / "r.csv")
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 4


def test_tables(make):
    result = make()
    table = result.to_dataframe()
    assert table.model.tolist() == ["good", "middling", "bad"]
    assert_array_equal(table.score, result.score)
    assert_array_equal(table[["lower", "upper"]].to_numpy().T, result.interval)
    assert_array_equal(table.p_zero_max, result.p_zero_max)
    pairs = result.pairs()
    named = list(zip(pairs.model, pairs.other, strict=True))
    assert named == [("good", "middling"), ("good", "bad"), ("middling", "bad")]
    assert_array_equal(pairs.p_pairwise, [result.p_pairwise[0, 1], result.p_pairwise[0, 2], result.p_pairwise[1, 2]])
    assert pairs.difference[0] == result.score[0] - result.score[1]
    assert len(make(1).pairs()) == 0


def test_it_shows_what_matters(make):
    text = repr(make(generalize="both"))
    assert text.startswith("<Evaluation spearman: good 0.")
    assert "ceiling 0." in text
    assert "to new subjects and items, 8 subjects, 10 items" in text
    assert "and 1 more" not in text
    assert "a test at 0.05 is impossible" in repr(make(n_subjects=4))


def test_methods_say_what_was_done(make):
    text = make(generalize="both", interval="bca", method="pearson").methods_text()
    for part in (
        "3 models",
        "8 subjects over 10 items by Pearson's correlation",
        "averaged on the scale of the comparison (z-scores)",
        "bootstrap over both, corrected by those over subjects and over items alone (50 resamples, seed 4; Schuett",
        "95% bias-corrected and accelerated (BCa) bootstrap intervals, from resamples drawn in",
        "one-sided (greater) t tests (7 degrees of freedom)",
        "whose uncertainty, and covariance with the score, came from the same kind of resamples",
        "at a level of 0.05",
        "false discovery rate (Benjamini and Hochberg, 1995)",
    ):
        assert part in text
    text = make(fdr_method="by", fixed_ceiling=True).methods_text()
    for part in (
        "computed from the subjects' scores",
        "95% t intervals (7 degrees of freedom)",
        "randomisation tests (all sign flips of the subjects)",
        "which was taken as known",
        "Benjamini and Yekutieli, 2001",
    ):
        assert part in text
    text = make(generalize="items").methods_text()
    assert "Mantel tests (99 random permutations of the items)" in text
    assert "bootstrap over items (50 resamples, seed 4)" in text
    assert "corrected for the number" not in make(1).methods_text()
    assert "seed" not in make(rng=np.random.default_rng(0)).methods_text()


@pytest.mark.parametrize("correction", ["max", "fdr", "none"])
def test_the_picture_holds_what_the_result_does(make, correction):
    result = make()
    ax = result.plot(correction=correction)
    heights = [bar.get_height() for bar in ax.patches if bar.get_width() == pytest.approx(0.62)]
    assert heights == result.score.tolist()
    stars = sum(text.get_text() == "*" for text in ax.texts)
    assert stars == int((p_values_of(result, "zero", correction) <= 0.05).sum())
    triangles = sum(line.get_marker() == "v" for line in ax.lines)
    below = (p_values_of(result, "ceiling", correction) <= 0.05) & (result.ceiling_difference < 0)
    assert triangles == int(below.sum())
    dots = sum(line.get_marker() == "o" for line in ax.lines)
    better = (p_values_of(result, "pairwise", correction) <= 0.05) & (result.difference > 0)
    assert dots == int(better.any(axis=1).sum())
    assert [label.get_text() for label in ax.get_xticklabels()] == ["good", "middling", "bad"]
    assert "* above 0, ● better than ticks, ▼ below the ceiling" in ax.get_title()
    assert "no tests" not in ax.get_title()
    plt.close("all")


def test_pictures_of_little_and_of_much(make, rng):
    for result in (
        make(1),
        make(n_subjects=1),
        make(n_subjects=4),
        evaluate(rng.random((20, 45)), rng.random((22, 45)), n_bootstrap=20, n_permutations=50, rng=0),
        evaluate([np.arange(45.0)], np.arange(45.0)[None], n_bootstrap=0),
    ):
        figure, ax = plt.subplots()
        assert result.plot(ax) is ax
        figure.canvas.draw()
        plt.close(figure)
    with pytest.raises(ValueError, match="correction must be one of"):
        make().plot(correction="bonferroni")


def test_a_picture_says_which_tests_there_are_none_of(make):
    title = make(n_subjects=4, alternative="two-sided").plot().get_title()
    assert title.endswith("▼ below the ceiling\nmarks: family-wise p ≤ 0.05\nno tests against 0, between models")
    title = make(1, n_subjects=1).plot().get_title()
    assert title == "95% intervals for new subjects\nno tests against 0, against the ceiling"
    plt.close("all")


def test_names_are_not_formulas(rng):
    ax = evaluate({"a_$x$": rng.random(6)}, rng.random((5, 6)), n_bootstrap=0).plot()
    ax.figure.canvas.draw()
    assert ax.get_xticklabels()[0].get_text() == "a_$x$"
    plt.close("all")


def test_long_names_leave_room_for_the_bars(rng):
    models = {f"a network with a long name/layers.{k}.mlp.fc2": rng.random(10) for k in range(5)}
    ax = evaluate(models, rng.random((6, 10)), n_bootstrap=0).plot()
    ax.figure.canvas.draw()
    picture, title = ax.get_window_extent(), ax.title.get_window_extent()
    assert picture.width > 300
    assert picture.height > 200
    assert title.x1 <= ax.figure.bbox.x1
    plt.close("all")
