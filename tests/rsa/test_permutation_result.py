"""What a permutation test gives back: files, tables, texts, pictures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from reference.permutation import distances

from alignkit.rsa import RDM, PermutationTest, permutation_test


def test_json_round_trip(rng, tmp_path):
    a, b = distances(rng, 8, 2), distances(rng, 8, 3)
    results = [
        permutation_test(a[0], b[0], n_permutations=30),
        permutation_test(RDM(a, dims=["model"], coords={"model": ["x", "y"]}), b, n_permutations=30),
    ]
    for result in results:
        result.save(tmp_path / "a.json")
        back = PermutationTest.load(tmp_path / "a.json")
        assert repr(back) == repr(result)
        assert back.to_dataframe().equals(result.to_dataframe())
        assert np.array_equal(back.null, result.null)
        assert type(back.p) is type(result.p)


def test_a_huge_null_distribution_is_not_written_to_json(rng, tmp_path):
    result = permutation_test(distances(rng, 8, 11), distances(rng, 8)[0], n_permutations=10_000, rng=0)
    assert result.null.shape == (10_000, 11)
    result.save(tmp_path / "a.json")
    assert (tmp_path / "a.json").stat().st_size < 100_000
    assert PermutationTest.load(tmp_path / "a.json").null is None


def test_to_dataframe_and_texts(rng, tmp_path):
    stack = RDM(distances(rng, 8, 2), dims=["model"], coords={"model": ["x", "y"]})
    result = permutation_test(stack, RDM(distances(rng, 8, 3), dims=["subject"]), n_permutations=30, rng=0)
    table = result.to_dataframe()
    assert table.columns.tolist()[:4] == ["model", "subject", "statistic", "p"]
    assert table[(table.model == "y") & (table.subject == 2)].p.item() == result.p[1, 2]
    result.save(tmp_path / "a.csv")
    assert "30 random permutations of the 8 item labels" in result.methods_text()
    assert "max-T" in result.methods_text()
    assert repr(result).startswith("<PermutationTest spearman, 6 comparisons, ")
    one = permutation_test(stack.isel(model=0), stack.isel(model=1), alternative="less", n_permutations=9, rng=0)
    assert repr(one).startswith(f"<PermutationTest spearman = {one.statistic:.4f}, p = ")
    assert "\n" not in repr(one)
    assert "one-sided (less)" in one.methods_text()
    assert "max-T" not in one.methods_text()
    assert one.to_dataframe().shape == (1, 8)


def test_pictures(rng):
    plt = pytest.importorskip("matplotlib.pyplot")
    stack = RDM(distances(rng, 8, 3), dims=["model"], coords={"model": ["$x", "y", "z"]})
    one = permutation_test(stack.isel(model=0), stack.isel(model=1), n_permutations=30, rng=0)
    ax = one.plot()
    assert ax.get_xlabel() == "spearman"
    assert f"p = {one.p:.3g}" in ax.get_legend().get_texts()[1].get_text()
    many = permutation_test(stack, distances(rng, 8)[0], n_permutations=30, rng=0).plot()
    assert [tick.get_text() for tick in many.get_xticklabels()] == ["$x", "y", "z"]
    crowd = permutation_test(distances(rng, 8, 60), distances(rng, 8)[0], n_permutations=9, rng=0)
    assert crowd.plot().get_xlabel() == "rdm"
    plt.close("all")


def test_a_picture_without_the_null_distribution(rng):
    result = dataclasses.replace(permutation_test([1.0, 2, 3], [1.0, 2, 3]), null=None)
    with pytest.raises(ValueError, match="run the test again to draw it"):
        result.plot()


def test_what_is_undefined_is_not_said_to_be_tested():
    with pytest.warns(RuntimeWarning, match="values are all equal"):
        found = permutation_test(np.ones(10), np.arange(10.0))
    assert repr(found) == "<PermutationTest spearman = nan, p = nan, z = nan; two-sided, no permutations of 5 items>"
    assert found.methods_text().endswith("is undefined here and was not tested.")


def test_a_partial_test_says_so():
    a, b, c = np.random.default_rng(0).random((3, 10))
    for partial, name in (("both", "partial spearman"), ("second", "semi-partial spearman")):
        result = permutation_test(a, b, controls=c, partial=partial, n_permutations=20, rng=0)
        assert f"<PermutationTest {name} = " in repr(result)
        assert result.to_dataframe().method.tolist() == [name]
        assert result.method == "spearman"


def test_undefined_comparisons_are_not_counted_as_tested():
    rows = np.random.default_rng(0).random((2, 10))
    missing = rows.copy()
    missing[:, 0] = np.nan
    with pytest.warns(RuntimeWarning, match="holds NaN"):
        result = permutation_test(rows[0], missing, n_permutations=20, rng=0)
    assert "2 comparisons, all undefined; two-sided, no permutations of 5 items" in repr(result)
