from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.preprocessing import StandardScaler

from alignkit.train.hba._ridge import PENALTIES, fit_ridge, ridge_projection


@pytest.mark.parametrize("shape", [(40, 6), (10, 25)])
@pytest.mark.parametrize("penalty", [0.1, 100.0])
def test_ridge_is_that_of_sklearn_on_scaled_features(rng, readonly, shape, penalty):
    x, y = readonly(rng.normal(size=shape) * 5 + 3), readonly(rng.normal(size=(shape[0], 4)))
    other = rng.normal(size=(7, shape[1]))
    scaler = StandardScaler().fit(x)
    sklearn = SklearnRidge(alpha=penalty).fit(scaler.transform(x), y)
    assert fit_ridge(x, y, penalty=penalty).predict(other) == pytest.approx(sklearn.predict(scaler.transform(other)))


def test_the_penalty_is_the_best_on_other_objects(rng):
    x, weight = rng.normal(size=(60, 20)), rng.normal(size=(20, 3))
    y = x @ weight + 5 * rng.normal(size=(60, 3))
    val = x[40:], y[40:]
    chosen = fit_ridge(x[:40], y[:40], val=val)
    errors = [((fit_ridge(x[:40], y[:40], penalty=p).predict(val[0]) - val[1]) ** 2).mean() for p in PENALTIES]
    assert chosen.penalty == PENALTIES[int(np.argmin(errors))]


def test_a_channel_that_does_not_vary_has_no_weight(rng):
    x = np.column_stack([rng.normal(size=20), np.full(20, 7.0)])
    fit = fit_ridge(x, x[:, :1], penalty=1.0)
    assert fit.weight[0, 1] == 0
    assert np.isfinite(fit.bias).all()


def test_a_projection_predicts_what_the_ridge_does(rng):
    x, y = rng.normal(size=(50, 12)), 100 * rng.random((50, 5))
    prompts = rng.normal(size=(5, 30))
    prompts /= np.linalg.norm(prompts, axis=1, keepdims=True)
    ridge = fit_ridge(x, y, penalty=1.0)
    weight, bias, log_scale = ridge_projection(ridge, x, prompts)
    projected = x @ weight.T + bias
    cosines = projected @ prompts.T / np.linalg.norm(projected, axis=1, keepdims=True)
    # to half a per cent: the length of the projected image is constant but for that
    assert np.exp(log_scale) * cosines == pytest.approx(ridge.predict(x), rel=0.02, abs=0.1)


@pytest.mark.parametrize("constant", [0.5, 1.0, 10.0])
def test_a_projection_is_damped_by_its_length_alone(rng, constant):
    x, y = rng.normal(size=(50, 12)), 100 * rng.random((50, 5))
    prompts = np.linalg.qr(rng.normal(size=(30, 5)))[0].T
    ridge = fit_ridge(x, y, penalty=1.0)
    weight, bias, log_scale = ridge_projection(ridge, x, prompts, constant=constant)
    projected = x @ weight.T + bias
    # orthogonal prompts: what is embedded is as long as what is predicted
    squared = (ridge.predict(x) ** 2).sum(axis=1)
    length = squared.mean() ** 0.5
    assert (projected**2).sum(axis=1).mean() == pytest.approx(1.0)
    cosines = projected @ prompts.T / np.linalg.norm(projected, axis=1, keepdims=True)
    damped = ridge.predict(x) * length * np.hypot(constant, 1) / np.sqrt(squared + (constant * length) ** 2)[:, None]
    assert np.exp(log_scale) * cosines == pytest.approx(damped)


def test_prompts_that_say_the_same_are_refused(rng):
    ridge = fit_ridge(rng.normal(size=(10, 4)), rng.random((10, 3)), penalty=1.0)
    with pytest.raises(ValueError, match="linearly independent"):
        ridge_projection(ridge, rng.normal(size=(10, 4)), np.eye(8)[[0, 1, 0]])
    with pytest.raises(ValueError, match="fewer than their 3 channels"):
        ridge_projection(ridge, rng.normal(size=(10, 4)), np.eye(3))


def test_bad_input_is_refused(rng):
    x = rng.normal(size=(6, 2))
    with pytest.raises(ValueError, match="give a penalty, or objects"):
        fit_ridge(x, x)
    with pytest.raises(ValueError, match="one row per object; got 6 and 5"):
        fit_ridge(x, x[:5], penalty=1.0)
    with pytest.raises(ValueError, match="penalty must be a finite number above 0"):
        fit_ridge(x, x, penalty=0.0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        fit_ridge(x * np.nan, x, penalty=1.0)
