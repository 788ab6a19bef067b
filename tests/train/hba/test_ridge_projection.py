from __future__ import annotations

import numpy as np
import pytest

from alignkit.align._ridge import fit_ridge
from alignkit.train.hba._ridge_projection import ridge_projection


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
