from __future__ import annotations

import numpy as np
import pytest
from reference import compare as reference
from scipy.optimize import minimize_scalar, nnls
from scipy.stats import rankdata

from alignkit.rsa import RDM, FixedModel, InterpolatedModel, SelectedModel, WeightedModel, compare, evaluate
from alignkit.rsa._model_fits import Training
from alignkit.rsa._training import training_of

LABELS = tuple(f"i{k:02}" for k in range(12))
LINEAR = ["pearson", "cosine", "whitened-pearson", "whitened-cosine"]
each_linear = pytest.mark.parametrize("method", LINEAR)


@pytest.fixture
def planted(rng) -> tuple[np.ndarray, np.ndarray]:
    """Four subjects of 12 items made of three components, one of them with a negative weight."""
    components = rng.random((3, 66)) + np.array([[0.1], [0.5], [1.0]])
    weights = np.array([[1.0, 0.6, -0.3]]) + 0.2 * rng.random((4, 3))
    return weights @ components + 0.2 * rng.normal(size=(4, 66)) + 1, components


def root_of(method: str, n_items: int) -> np.ndarray:
    """Return a matrix after which, on centred rows where the method centres, the method is a cosine."""
    if not method.startswith("whitened"):
        return np.eye(n_items * (n_items - 1) // 2)
    return np.linalg.inv(np.linalg.cholesky(reference.covariance_of_pairs(n_items)))


def spaces(data: np.ndarray, components: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the data at unit length, and the components, where the method is a cosine."""
    if method.endswith("pearson"):
        data, components = (v - v.mean(axis=1, keepdims=True) for v in (data, components))
    root = root_of(method, 12)
    y, x = data @ root.T, components @ root.T
    return (y / np.linalg.norm(y, axis=1, keepdims=True)).mean(axis=0), x


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


@each_linear
def test_weights_are_least_squares_where_the_method_is_a_cosine(method, planted):
    data, components = planted
    y, x = spaces(data, components, method)
    for penalty in (0.0, 0.3):
        padding = np.sqrt(penalty * np.square(x).sum(axis=1).mean()) * np.eye(3)
        design, goal = np.vstack([x.T, padding]), np.concatenate([y, np.zeros(3)])
        ridge = WeightedModel(components, nonnegative=False, penalty=penalty).fit(data, method=method)
        assert np.allclose(ridge, unit(np.linalg.lstsq(design, goal, rcond=None)[0]), rtol=0, atol=1e-10)
        positive = WeightedModel(components, penalty=penalty).fit(data, method=method)
        assert np.allclose(positive, unit(nnls(design, goal)[0]), rtol=0, atol=1e-10)
        assert (positive == 0).any() == method.endswith("pearson")


@each_linear
def test_no_other_weights_are_more_like_the_data(method, planted, rng):
    data, components = planted
    model = WeightedModel(components, nonnegative=False)
    theta = model.fit(data, method=method)
    best = compare(model.predict(theta), data, method=method).values.mean()
    for _ in range(50):
        other = model.predict(theta + 0.1 * rng.normal(size=3))
        assert compare(other, data, method=method).values.mean() <= best + 1e-12


@each_linear
@pytest.mark.parametrize("seed", range(6))
def test_the_mixture_is_the_best_of_a_search_on_every_segment(method, seed):
    rng = np.random.default_rng(seed)
    components = rng.random((4, 66))
    t = rng.random()
    data = np.stack([(1 - t) * components[1] + t * components[2] + 0.3 * rng.normal(size=66) for _ in range(3)])
    model = InterpolatedModel(components)
    theta = model.fit(data, method=method)
    best = []
    for k in range(3):

        def loss(t: float, k: int = k) -> float:
            mixed = (1 - t) * components[k] + t * components[k + 1]
            return -float(compare(mixed, data, method=method).values.mean())

        found = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-12})
        best.append((found.fun, k, found.x))
        best += [(loss(end), k, end) for end in (0.0, 1.0)]
    value, k, t = min(best)
    expected = np.zeros(4)
    expected[[k, k + 1]] = 1 - t, t
    assert np.allclose(theta, expected, rtol=0, atol=1e-6)
    assert -compare(model.predict(theta), data, method=method).values.mean() <= value + 1e-12


def test_an_end_of_a_series_may_be_the_best_mixture_by_ranks(rng):
    truth = rng.random(66)
    people = truth + rng.normal(0, 0.1, (6, 66))
    series = [truth, 1 - truth, rng.random(66)]
    model = InterpolatedModel(series)
    # scores of single components by ranks are not known where only mixtures are weighed
    own = training_of(np.array(series), people, "spearman", np.ones(66, bool))
    unknown = Training(own.gram, own.target, np.full(3, np.nan))
    np.testing.assert_array_equal(model.weights(own), [1, 0, 0])
    np.testing.assert_array_equal(model.weights(unknown), [1, 0, 0])
    options = {"n_bootstrap": 4, "n_repeats": 1, "rng": 0}
    mixed, single = (evaluate({"it": one}, people, **options).score for one in (model, SelectedModel(series)))
    np.testing.assert_allclose(mixed, single)


@pytest.mark.parametrize("method", [*LINEAR, "spearman", "rho-a", "kendall-tau-a", "kendall-tau-b"])
def test_the_selected_component_has_the_highest_mean(method, planted):
    data, components = planted
    scores = compare(components, data, method=method).values.mean(axis=1)
    theta = SelectedModel(components).fit(data, method=method)
    assert theta.tolist() == (np.arange(3) == scores.argmax()).tolist()


def test_rank_methods_weigh_by_the_correlation_with_ranks(planted):
    data, components = planted
    ranks = np.stack([rankdata(row) for row in data])
    expected = WeightedModel(components).fit(ranks, method="pearson")
    for method in ("spearman", "rho-a", "kendall-tau-a"):
        assert np.allclose(WeightedModel(components).fit(np.exp(data), method=method), expected, rtol=0, atol=1e-12)


def test_units_of_components_scale_their_weights_alone(planted):
    data, components = planted
    units = np.array([1e-8, 1.0, 1e8])
    for method in LINEAR:
        plain = WeightedModel(components, nonnegative=False).fit(data, method=method)
        scaled = WeightedModel(components * units[:, None], nonnegative=False).fit(data * 1e30, method=method)
        assert np.allclose(unit(scaled * units), plain, rtol=0, atol=1e-9)


def test_collinear_components_share_the_smallest_weights(planted):
    data, components = planted
    doubled = WeightedModel(np.vstack([components, components[0]]), nonnegative=False)
    theta = doubled.fit(data)
    assert theta[0] == pytest.approx(theta[3], abs=1e-9)
    plain = WeightedModel(components, nonnegative=False)
    rows = [model.predict(model.fit(data)).values for model in (doubled, plain)]
    assert np.allclose(unit(rows[0]), unit(rows[1]), rtol=0, atol=1e-9)


def test_components_that_do_not_help_weigh_nothing(planted):
    data, components = planted
    model = WeightedModel(-components[:2] - components[2])
    assert model.fit(components, method="cosine").tolist() == [0.0, 0.0]
    flat = SelectedModel(np.vstack([np.full(66, 0.1), components]))
    assert flat.fit(data).tolist()[0] == 0.0


def test_items_are_matched_by_label(planted, rng):
    data, components = planted
    order = rng.permutation(12)
    labelled = WeightedModel(RDM(components, LABELS))
    expected = labelled.fit(RDM(data, LABELS))
    assert np.allclose(labelled.fit(RDM(data, LABELS).take(order)), expected, rtol=0, atol=1e-12)
    assert labelled.predict(expected).labels == LABELS
    mixed = WeightedModel({"a": RDM(components[0], LABELS), "b": RDM(components[1], LABELS).take(order)})
    assert np.allclose(mixed.rdms.values, components[:2])
    assert mixed.names == ("a", "b")


def test_missing_pairs(planted):
    data, components = (v.copy() for v in planted)
    data[1, 3] = components[2, 5] = np.nan
    model = WeightedModel(components)
    with pytest.warns(RuntimeWarning, match="the data or the model hold NaN"):
        assert np.isnan(model.fit(data)).all()
    with pytest.raises(ValueError, match="the data or the model hold NaN"):
        model.fit(data, nan_policy="raise")
    kept = np.delete(np.arange(66), [3, 5])
    y, x = (v[:, kept] - v[:, kept].mean(axis=1, keepdims=True) for v in (data, components))
    goal = (y / np.linalg.norm(y, axis=1, keepdims=True)).mean(axis=0)
    assert np.allclose(model.fit(data, nan_policy="omit"), unit(nnls(x.T, goal)[0]), rtol=0, atol=1e-10)


def test_constant_data_fit_nothing(planted):
    assert np.isnan(WeightedModel(planted[1]).fit(np.ones((2, 66)))).all()


def test_fixed_models_have_nothing_to_fit(planted):
    data, components = planted
    model = FixedModel(components[0])
    assert model.fit(data).tolist() == [1.0]
    assert not model.flexible
    assert WeightedModel(components).flexible
    assert repr(model) == "<FixedModel: one fixed RDM; 12 items>"
    assert "non-negative least-squares weights and a ridge penalty of 0.5" in repr(
        WeightedModel(components, penalty=0.5)
    )


def test_refusals(planted):
    data, components = planted
    with pytest.raises(ValueError, match="FixedModel is made of one RDM; got 3"):
        FixedModel(components)
    with pytest.raises(ValueError, match="InterpolatedModel is made of at least 2 RDMs; got 1"):
        InterpolatedModel(components[0])
    with pytest.raises(ValueError, match="penalty must be a finite number of at least 0"):
        WeightedModel(components, penalty=-1)
    with pytest.raises(ValueError, match="theta must hold one weight per component: expected 3, got 2"):
        WeightedModel(components).predict([1.0, 2.0])
    with pytest.raises(ValueError, match="method 'bures' has no mean RDM"):
        WeightedModel(components).fit(data, method="bures")
    with pytest.raises(ValueError, match="sigma_k is for the methods"):
        WeightedModel(components).fit(data, sigma_k=np.ones(12))


@pytest.mark.parametrize(("method", "theirs"), [("pearson", "corr"), ("cosine", "cosine")])
def test_equals_rsatoolbox(method, theirs, planted):
    pytest.importorskip("rsatoolbox")
    from rsatoolbox.model import (
        ModelInterpolate,
        ModelSelect,
        ModelWeighted,
        fit_interpolate,
        fit_regress,
        fit_regress_nn,
        fit_select,
    )
    from rsatoolbox.rdm import RDMs

    data, components = planted
    rdms, their = RDMs(data), ModelWeighted("w", components)
    x = components - components.mean(axis=1, keepdims=True) * (method == "pearson")
    for penalty in (0.0, 0.2):
        weight = penalty * np.square(x).sum(axis=1).mean()
        for fitter, nonnegative in ((fit_regress, False), (fit_regress_nn, True)):
            expected = fitter(their, rdms, method=theirs, ridge_weight=weight)
            found = WeightedModel(components, nonnegative=nonnegative, penalty=penalty).fit(data, method=method)
            assert np.allclose(found, expected, rtol=0, atol=1e-10)
    chosen = fit_select(ModelSelect("s", components), rdms, method=theirs)
    assert SelectedModel(components).fit(data, method=method).argmax() == chosen
    expected = fit_interpolate(ModelInterpolate("i", components), rdms, method=theirs)
    found = InterpolatedModel(components).fit(data, method=method)
    assert np.allclose(found, expected, rtol=0, atol=1e-4)  # their search stops at 1e-5
