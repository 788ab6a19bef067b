from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference import compare as reference
from scipy import stats

from alignkit.rsa import RDM, compare

each = pytest.mark.parametrize("method", ["pearson", "spearman"])
sides = pytest.mark.parametrize("side", ["both", "first", "second"])


@pytest.fixture
def related(rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    controls = rng.random((3, 66))
    mixed = rng.random((5, 66)) + rng.random((5, 3)) @ controls
    return mixed[:2], mixed[2:], controls


# ---- numbers ---------------------------------------------------------------------------------------------------------


@each
@sides
@pytest.mark.parametrize("n_controls", [1, 2, 3])
@pytest.mark.parametrize("levels", [None, 5])
def test_equals_the_inverse_correlation_matrix(method, side, n_controls, levels, related, readonly):
    a, b, controls = (readonly(x if levels is None else np.round(x * levels)) for x in related)
    controls = controls[:n_controls]
    result = compare(a, b, method=method, controls=controls, partial=side)
    expected = [[reference.partial(x, y, controls, method, side) for y in b] for x in a]
    assert np.allclose(result.values, expected, rtol=0, atol=1e-10)
    assert (result.n_controls, result.partial) == (n_controls, side)


@sides
def test_equals_correlations_of_residuals(side, related):
    a, b, controls = related
    left = [reference.residual(x, controls) if side != "second" else x for x in a]
    right = [reference.residual(y, controls) if side != "first" else y for y in b]
    expected = [[stats.pearsonr(x, y).statistic for y in right] for x in left]
    result = compare(a, b, method="pearson", controls=controls, partial=side)
    assert np.allclose(result.values, expected, rtol=0, atol=1e-12)


@each
def test_collinear_and_constant_controls_change_nothing(method, related):
    a, b, controls = related
    controls = controls[:2]
    expected = compare(a, b, method=method, controls=controls).values
    twins = np.vstack([controls, 3 * controls[0] + 1, np.full(66, 0.1), 1e-9 * controls[1]])
    assert np.allclose(compare(a, b, method=method, controls=twins).values, expected, rtol=0, atol=1e-10)
    if method == "pearson":
        sums = np.vstack([controls, controls.sum(axis=0), controls[0] - 4 * controls[1]])
        assert np.allclose(compare(a, b, method=method, controls=sums).values, expected, rtol=0, atol=1e-10)
    nothing = compare(a, b, method=method, controls=np.ones(66)).values
    assert np.allclose(nothing, compare(a, b, method=method).values, rtol=0, atol=1e-13)


def test_offsets_and_units_of_controls_do_not_matter(related):
    a, b, controls = related
    expected = compare(a, b, method="pearson", controls=controls).values
    scaled = controls * np.array([[1e-12], [1.0], [1e12]]) + np.array([[0], [1e3], [0]])
    assert np.allclose(compare(a, b, method="pearson", controls=scaled).values, expected, rtol=0, atol=1e-9)


# ---- what is controlled for ------------------------------------------------------------------------------------------


def test_controls_come_as_one_or_several_rdms_in_any_order(rng):
    labels = list("abcdef")
    a, b, c, d = (RDM(x, labels) for x in rng.random((4, 15)))
    expected = float(compare(a, b, method="pearson", controls=np.stack([c.values, d.values])))
    stack = RDM(np.stack([c.values, d.values]), labels)
    shuffled = [c.select(list("fedcba")), d.select(list("badcfe"))]
    for controls in (stack, shuffled, tuple(shuffled), [c.squareform(), d], stack.select(list("cdefab"))):
        assert float(compare(a, b, method="pearson", controls=controls)) == pytest.approx(expected, abs=1e-14)


def test_the_order_of_nameless_rdms_is_not_guessed(rng):
    labels = list("abcdef")
    bare, b, c = rng.random((3, 15))
    with pytest.raises(ValueError, match="the second RDM and the controls hold their items in different orders"):
        compare(bare, RDM(b, labels), method="pearson", controls=RDM(c, labels[::-1]))
    expected = compare(bare, b, method="pearson", controls=c)
    found = compare(bare, RDM(b, labels), method="pearson", controls=RDM(c, labels))
    assert float(found) == float(expected)
    assert found.aligned_by == "position"
    assert compare(RDM(bare, labels), RDM(b, labels), method="pearson", controls=c).aligned_by == "position"
    assert compare(RDM(bare, labels), RDM(b, labels), method="pearson", controls=RDM(c, labels)).aligned_by == "label"


def test_other_items(rng):
    a, b = (RDM(x, list("abcdef")) for x in rng.random((2, 15)))
    control = RDM(rng.random(15), list("abcdeg"))
    with pytest.raises(ValueError, match="only in the first RDM: 'f'; only in the controls: 'g'"):
        compare(a, b, method="pearson", controls=control)
    result = compare(a, b, method="pearson", controls=control, on_mismatch="intersect")
    left = list("abcde")
    expected = compare(a.select(left), b.select(left), method="pearson", controls=control.select(left))
    assert result.n_items == 5
    assert float(result) == pytest.approx(float(expected), abs=1e-15)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "rho-a", "controls": np.ones(3)}, "controls are for the methods 'pearson' and 'spearman'"),
        ({"method": "pearson", "partial": "first"}, "says which side the controls leave; give controls"),
        ({"method": "pearson", "controls": np.ones(3), "partial": "none"}, "partial must be one of 'both'"),
        ({"method": "pearson", "controls": np.ones(6)}, "the first RDM and the controls have 3 and 4 items"),
    ],
)
def test_bad_options(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        compare([1, 2, 3], [3, 2, 1], **options)


def test_tensors_are_refused(rng):
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="a comparison with controls takes no tensors"):
        compare(torch.rand(6), np.arange(6.0), method="pearson", controls=rng.random(6))


# ---- undefined -------------------------------------------------------------------------------------------------------


@each
@sides
def test_controls_that_explain_everything_leave_nan_not_noise(method, side, rng):
    a, b = rng.random((2, 435)), rng.random((3, 435)) + 1000
    controls = np.vstack([rng.random((2, 435)), 2 * a[1] - 1, b[0]])
    with pytest.warns(RuntimeWarning, match="the controls leave nothing of") as caught:
        result = compare(a, b, method=method, controls=controls, partial=side)
    assert len(caught) == 1
    expected = np.zeros((2, 3), dtype=bool)
    expected[1] |= side != "second"
    expected[:, 0] |= side != "first"
    assert np.array_equal(np.isnan(result.values), expected)
    with pytest.raises(ValueError, match="the controls leave nothing of"):
        compare(a, b, method=method, controls=controls, partial=side, nan_policy="raise")


@each
def test_nan_in_controls_counts_as_missing(method, related):
    a, b, controls = related
    a, controls = a.copy(), controls.copy()
    a[0, 3] = controls[1, 7] = controls[2, 9] = np.nan
    with pytest.warns(RuntimeWarning, match="the controls hold NaN"):
        assert np.isnan(compare(a, b, method=method, controls=controls).values).all()
    result = compare(a, b, method=method, controls=controls, nan_policy="omit")
    for i, missing in enumerate(([3, 7, 9], [7, 9])):
        x, rest, others = (np.delete(v, missing, axis=-1) for v in (a[i], b, controls))
        expected = [reference.partial(x, y, others, method, "both") for y in rest]
        assert np.allclose(result.values[i], expected, rtol=0, atol=1e-10)
        assert (result.n_pairs[i] == 66 - len(missing)).all()


def test_as_many_controls_as_pairs(rng):
    with pytest.warns(RuntimeWarning, match="the controls leave nothing"):
        assert np.isnan(float(compare(rng.random(3), rng.random(3), method="pearson", controls=[*rng.random((2, 3))])))


# ---- the result ------------------------------------------------------------------------------------------------------


def test_words(related):
    a, b, controls = related
    one = compare(a[0], b[0], method="pearson", controls=controls)
    assert repr(one).startswith("<Comparison partial pearson = ")
    assert "(partial: 3 control RDM(s) regressed out of both RDMs)" in one.methods_text()
    half = compare(a[0], b[0], method="spearman", controls=controls, partial="second")
    assert repr(half).startswith("<Comparison semi-partial spearman = ")
    assert "regressed out of the second RDM alone" in half.methods_text()


@given(
    hnp.arrays(np.float64, (4, 15), elements=st.sampled_from([0.0, 0.25, 1.0, 3.0, 7.0])),
    st.permutations(range(6)),
    st.sampled_from(["pearson", "spearman"]),
    st.sampled_from(["both", "first", "second"]),
)
def test_order_of_items_and_bounds(rows, order, method, side):
    a, b, c = RDM(rows[0]), RDM(rows[1]), RDM(rows[2:], dims=["control"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        value = compare(a, b, method=method, controls=c, partial=side).values
        moved = compare(a.take(order), b.take(order), method=method, controls=c.take(order), partial=side).values
    assert np.allclose(value, moved, rtol=0, atol=1e-10, equal_nan=True)
    assert np.isnan(value) or abs(value) <= 1
