from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignkit.rsa import RDM, SubjectTest, compare, t_test


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
@pytest.mark.parametrize("n", [2, 4, 15])
def test_equals_scipy(alternative, n, rng):
    scores = rng.normal(0.1, 0.3, (3, n))
    result = t_test(scores, alternative=alternative)
    theirs = stats.ttest_1samp(scores, 0.0, axis=1, alternative=alternative)
    assert np.allclose(result.t, theirs.statistic, rtol=1e-14, atol=0)
    assert np.allclose(result.p, theirs.pvalue, rtol=1e-14, atol=0)
    assert np.allclose(result.sem, stats.sem(scores, axis=1), rtol=1e-14, atol=0)
    for i in range(3):
        for j in range(3):
            if i != j:
                pair = stats.ttest_rel(scores[i], scores[j])
                assert result.t_difference[i, j] == pytest.approx(pair.statistic, rel=1e-14)
                assert result.p_difference[i, j] == pytest.approx(pair.pvalue, rel=1e-14)
    assert np.isnan(np.diag(result.t_difference)).all()


def test_equals_rsatoolbox(rng):
    inference = pytest.importorskip("rsatoolbox.inference")
    model = pytest.importorskip("rsatoolbox.model")
    rdms = pytest.importorskip("rsatoolbox.rdm")
    models, people = rng.random((2, 45)), rng.random((6, 45))
    fixed = [model.ModelFixed(f"m{i}", row) for i, row in enumerate(models)]
    theirs = inference.eval_fixed(fixed, rdms.RDMs(people), method="corr")
    result = t_test(compare(models, RDM(people, dims=["subject"]), method="pearson"))
    assert np.allclose(result.mean, theirs.get_means(), rtol=1e-12)
    assert np.allclose(result.sem, theirs.get_sem(), rtol=1e-12)
    assert np.allclose(result.p, theirs.test_zero(), rtol=1e-10)
    assert np.allclose(result.p_difference[0, 1], theirs.test_pairwise()[0, 1], rtol=1e-10)


def test_subjects_are_found_on_any_axis(rng):
    people = RDM(rng.random((5, 15)), dims=["subject"])
    models = RDM(rng.random((2, 15)), dims=["model"], coords={"model": ["a", "b"]})
    one, other = t_test(compare(models, people)), t_test(compare(people, models))
    assert np.array_equal(one.t, other.t)
    assert one.names == ("model a", "model b")
    single = t_test(compare(models.isel(model=0), people))
    assert single.names == ("spearman",)
    assert single.t[0] == one.t[0]


def test_scores_without_variance_or_value_have_no_test():
    with pytest.warns(RuntimeWarning, match="equal for: 'score 0'"):
        result = t_test([[0.3, 0.3, 0.3], [0.1, 0.2, 0.3]])
    assert np.isnan(result.t[0])
    assert np.isfinite(result.t[1])
    with pytest.warns(RuntimeWarning, match="NaN for: 'score 0'"):
        assert np.isnan(t_test([np.nan, 0.2, 0.3]).p[0])


def test_result(tmp_path, rng):
    result = t_test(rng.normal(size=(2, 8)))
    result.save(tmp_path / "a.json")
    back = SubjectTest.load(tmp_path / "a.json")
    assert repr(back) == repr(result)
    assert np.array_equal(back.t_difference, result.t_difference, equal_nan=True)
    assert result.to_dataframe().columns.tolist()[:5] == ["score", "mean", "sem", "t", "p"]
    assert "7 degrees of freedom" in result.methods_text()
    assert "2 scores" in repr(result)


def test_refusals(rng):
    with pytest.raises(ValueError, match="at least two subjects; got 1"):
        t_test([0.3])
    with pytest.raises(ValueError, match="dim must be one of 'rdm'; got 'subject'"):
        t_test(compare(rng.random(15), rng.random((3, 15))))
    with pytest.raises(ValueError, match="alternative must be one of"):
        t_test([0.1, 0.2], alternative="more")
