from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib import pyplot as plt
from reference import groups as plain
from reference import rsa as reference
from scipy import stats

from alignkit.rsa import RDM, SelectedModel, compare, compare_groups

METHODS = ("spearman", "pearson", "cosine", "kendall-tau-a", "rho-a")


def two_groups(rng, n_first: int, n_second: int, n_pairs: int = 21, apart: float = 1.0):
    common, own = rng.normal(size=(2, n_pairs))
    first = common + rng.normal(size=(n_first, n_pairs))
    return first + 5, common + apart * own + rng.normal(size=(n_second, n_pairs)) + 5


def own_divisions(seed: int, n: int, n_first: int, number: int) -> list[list[int]]:
    """Return the random divisions that a seed gives."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(n)[:n_first].tolist() for _ in range(number)]


# ---- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_pairs_equal_the_plain_loop_over_all_divisions(method, rng):
    a, b = two_groups(rng, 3, 5)
    result = compare_groups(a, b, method=method)
    people = np.concatenate([a, b])
    similarity = reference.METHODS[method]
    every = plain.every_division(8, 3)
    expected = [plain.pairs(people, first, similarity) for first in every]
    assert np.allclose(result.null, expected, rtol=0, atol=1e-12)
    assert result.difference == pytest.approx(expected[0], abs=1e-12)
    assert (result.exact, result.n_divisions, result.smallest_p[0]) == (True, 56, 1 / 56)
    assert result.p == plain.share(expected, expected[0], exact=True)
    assert np.mean(result.within) - result.between == pytest.approx(result.difference)
    assert result.shared == pytest.approx(result.between / np.sqrt(result.within.prod()))


def test_means_equal_the_plain_loop(rng):
    a, b = two_groups(rng, 4, 4)
    result = compare_groups(a, b, statistic="means")
    expected = [plain.mean_ranks(np.concatenate([a, b]), first) for first in plain.every_division(8, 4)]
    assert np.allclose(result.null, expected, rtol=0, atol=1e-12)
    assert result.p == plain.share(expected, expected[0], exact=True)


def test_random_divisions_are_those_of_the_seed(rng):
    a, b = two_groups(rng, 4, 5, apart=0.3)
    result = compare_groups(a, b, method="pearson", n_permutations=60, rng=7)
    people = np.concatenate([a, b])
    similarity = reference.METHODS["pearson"]
    expected = [plain.pairs(people, first, similarity) for first in own_divisions(7, 9, 4, 60)]
    assert np.allclose(result.null, expected, rtol=0, atol=1e-12)
    assert (result.exact, result.smallest_p) == (False, (1 / 61, 1 / 61))
    assert result.p == plain.share(expected, result.difference, exact=False)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_models_equal_scipy_and_the_plain_loop(alternative, rng):
    a, b = two_groups(rng, 4, 5)
    models = {"one": a.mean(axis=0), "two": b.mean(axis=0), "none": rng.random(21)}
    result = compare_groups(a, b, models=models, alternative=alternative)
    scores = [compare(model, np.concatenate([a, b])).values for model in models.values()]
    assert result.models == tuple(models)
    assert np.array_equal(result.scores, scores)
    every = plain.every_division(9, 4)
    sided = {"two-sided": abs, "greater": lambda x: x, "less": lambda x: -x}[alternative]
    null = np.array([[sided(plain.welch(row, first)[1]) for row in scores] for first in every])
    for j, row in enumerate(scores):
        found = stats.ttest_ind(row[:4], row[4:], equal_var=False, alternative=alternative)
        interval = stats.ttest_ind(row[:4], row[4:], equal_var=False).confidence_interval()
        assert (result.t[j], result.p_welch[j]) == pytest.approx((found.statistic, found.pvalue), rel=1e-9)
        assert result.df[j] == pytest.approx(found.df, rel=1e-9)
        assert result.interval[:, j] == pytest.approx(tuple(interval), rel=1e-9)
        own = sided(found.statistic)
        assert result.p_model[j] == plain.share(null[:, j], own, exact=True)
        assert result.p_model_corrected[j] == plain.share(null.max(axis=1), own, exact=True)


def test_a_case_by_hand():
    # similarities: 1 within each group and -1 between; the other divisions mix both
    up, down = [1.0, 2, 3], [3.0, 2, 1]
    result = compare_groups([up, up], [down, down], alpha=0.5)
    assert (result.within.tolist(), result.between, result.difference) == ([1.0, 1.0], -1.0, 2.0)
    # of 6 divisions, the observed one and its mirror image; in the others, -1 within and 0 between
    assert sorted(result.null.round(12)) == [-1, -1, -1, -1, 2, 2]
    assert result.p == 2 / 6
    assert result.shared == -1


def test_a_distance_is_larger_between_groups(rng):
    points = rng.normal(size=(8, 7, 3))
    points[4:] += 2 * rng.normal(size=(7, 3))
    square = np.square(points[:, :, None] - points[:, None]).sum(axis=-1)
    rows = square[:, *np.triu_indices(7, k=1)]
    result = compare_groups(rows[:4], rows[4:], method="bures-metric")
    assert result.difference == pytest.approx(result.between - result.within.mean())
    assert np.isnan(result.shared)


# ---- properties ------------------------------------------------------------------------------------------------------


def test_noise_alone_is_not_a_difference(rng):
    common = rng.normal(size=190)
    a, b = common + 0.2 * rng.normal(size=(40, 190)), common + 1.5 * rng.normal(size=(40, 190))
    result = compare_groups(a, b, method="pearson", n_permutations=99, rng=0)
    assert result.within[0] > 2 * result.within[1]
    assert result.shared == pytest.approx(1, abs=0.03)


def test_the_level_is_kept_and_an_effect_is_found(rng):
    null = [compare_groups(*two_groups(rng, 4, 5, apart=0.0)).p for _ in range(120)]
    assert np.mean(np.array(null) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 120)
    found = [compare_groups(*two_groups(rng, 4, 5, 105, apart=1.5)).p for _ in range(20)]
    assert np.mean(np.array(found) <= 0.05) > 0.9


def test_groups_that_change_places_change_signs(rng):
    a, b = two_groups(rng, 4, 4)
    one, other = (compare_groups(x, y, models=a[:2]) for x, y in ((a, b), (b, a)))
    assert one.p == other.p
    assert np.allclose(one.model_difference, -other.model_difference, rtol=0, atol=1e-14)
    assert np.allclose(one.interval, -other.interval[::-1])
    assert np.array_equal(one.p_model_corrected, other.p_model_corrected)


def test_labels_decide_what_belongs_together(rng):
    a, b = two_groups(rng, 3, 4)
    labels = list("abcdefg")
    expected = compare_groups(a, b, models=a[0])
    order = [3, 1, 0, 2, 6, 5, 4]
    shuffled = RDM(b, labels).take(order)
    result = compare_groups(RDM(a, labels), shuffled, models={"m": RDM(a[0], labels).take(order[::-1])})
    assert np.allclose(result.null, expected.null, atol=1e-12)
    assert np.allclose(result.scores, expected.scores, atol=1e-12)
    with pytest.raises(ValueError, match="the first group"):
        compare_groups(RDM(a, labels), RDM(b, list("bcdefgh")))


# ---- what cannot be said ---------------------------------------------------------------------------------------------


def test_too_few_subjects_have_no_p_value(rng):
    a, b = two_groups(rng, 3, 3)
    result = compare_groups(a, b, models=a[:1])
    assert np.isnan([result.p, *result.p_model, *result.p_model_corrected]).all()
    assert np.isfinite([result.difference, *result.p_welch]).all()
    text = "No p-value of the RDMs and models: 3 + 3 subjects have 20 divisions, which allow none below 0.1"
    assert result.note.startswith(text)
    assert text in result.methods_text()
    # one-sided, mirror images differ
    one_sided = compare_groups(a, b, models=a[:1], alternative="greater", groups=["x", "y"])
    assert np.isfinite(one_sided.p_model).all()
    assert one_sided.note.startswith("No p-value of the RDMs: 3 + 3")
    few = compare_groups(*two_groups(rng, 9, 9), n_permutations=10)
    assert np.isnan(few.p)
    assert "raise n_permutations" in few.note


def test_subjects_without_a_similarity_are_named(rng):
    a, b = two_groups(rng, 3, 4)
    a[1] = 2.0
    with pytest.warns(RuntimeWarning, match="subject 1") as caught:
        result = compare_groups(a, b, models=b[0])
    assert caught[0].filename == __file__
    assert np.isnan(result.p)
    with pytest.raises(ValueError, match="subject 1"):
        compare_groups(a, b, nan_policy="raise")


def test_scores_without_variance_have_no_t(rng):
    a = np.tile(rng.random(21), (4, 1))
    result = compare_groups(a, a[:3], models=a[0])
    assert (result.model_difference[0], result.p) == (0, 1)
    assert np.isnan([result.t[0], result.p_model[0], result.p_welch[0]]).all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"statistic": "sum"}, "statistic must be one of"),
        ({"statistic": "means", "method": "bures"}, "no mean RDM in closed form"),
        ({"groups": "ab"}, "groups must hold two names"),
        ({"models": {}}, "models is empty"),
        ({"models": {"m": np.ones((2, 21))}}, "give one RDM per name"),
        ({"alpha": 0.0}, "alpha must"),
    ],
)
def test_refusals(options, text, rng):
    with pytest.raises(ValueError, match=text):
        compare_groups(*two_groups(rng, 3, 4), **options)


def test_groups_that_cannot_be_compared(rng):
    a, b = two_groups(rng, 3, 4)
    with pytest.raises(ValueError, match=re.escape("the first group has 1 subject(s)")):
        compare_groups(a[:1], b)
    with pytest.raises(ValueError, match="give one RDM per subject"):
        compare_groups(RDM(a[:, None], dims=["subject", "time"]), b)
    with pytest.raises(ValueError, match="the first group holds a single RDM"):
        compare_groups(a[0], b)
    with pytest.raises(ValueError, match="the second group has 100 values"):
        compare_groups(a, np.ones((3, 100)))
    with pytest.raises(ValueError, match="items"):
        compare_groups(a, np.ones((3, 15)))


# ---- the result ------------------------------------------------------------------------------------------------------


def test_the_result_goes_through_json_and_a_table(tmp_path, rng):
    a, b = two_groups(rng, 4, 4)
    result = compare_groups(a, b, models={"one": a[0], "two": b[0]}, groups=("young", "old"))
    result.save(tmp_path / "r.json")
    back = type(result).load(tmp_path / "r.json")
    assert back.to_dataframe().equals(result.to_dataframe())
    assert (back.n_subjects, back.groups) == ((4, 4), ("young", "old"))
    table = result.to_dataframe()
    assert table.what.tolist() == ["RDMs", "one", "two"]
    assert table.p.tolist() == [result.p, *result.p_model]
    assert "young" in repr(result)
    assert "Welch's t" in result.methods_text()
    axes = result.plot()
    assert [text.get_text() for text in axes.get_xticklabels()] == ["one", "two"]
    bare = compare_groups(a, b)
    assert bare.plot().get_ylabel() == "divisions"
    assert "Welch" not in bare.methods_text()


def test_long_names_leave_room_for_the_picture(rng):
    models = {f"a network with a long name/layers.{k}.mlp": rng.random(10) for k in range(5)}
    groups = ("a group of people with a long name", "controls of the same age")
    people = [rng.random((4, 10)), rng.random((4, 10))]
    axes = compare_groups(*people, models=models, groups=groups, rng=0).plot()
    axes.figure.canvas.draw()
    picture, whole = axes.get_window_extent(), axes.get_tightbbox()
    assert picture.height > 150
    assert whole.x0 >= 0
    assert whole.x1 <= axes.figure.bbox.x1
    plt.close("all")


def test_two_groups_have_two_names_and_fixed_rdms_as_models(rng):
    rows = rng.random((5, 45))
    with pytest.raises(ValueError, match="groups must hold two different names; got 'x' twice"):
        compare_groups(rows, rows, groups=("x", "x"))
    with pytest.raises(TypeError, match="models holds a SelectedModel, which only evaluate"):
        compare_groups(rows, rows, models={"a": SelectedModel(rows)})
