from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.preprocessing import StandardScaler

from alignkit.align._ridge import PENALTIES, fit_ridge


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
