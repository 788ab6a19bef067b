from __future__ import annotations

import numpy as np
import pytest
from reference.fmri import regressor

from alignkit.data._events import Events
from alignkit.data._glm import GLM, design_matrix, fit_glm

pytest.importorskip("nilearn")
TR, N = 2.0, 90
PLAIN = GLM("glover", None, 0.01, 1, "ols", 0.0)
COSINE = GLM("glover", "cosine", 0.01, 1, "ols", 0.0)


@pytest.fixture
def events() -> Events:
    onsets = np.array([4.0, 30.0, 61.5, 90.0, 121.0, 140.0])
    return Events(("face", "house", "face", "shoe", "house", "shoe"), onsets, np.array([8.0, 8.0, 10.0, 8.0, 8.0, 6.0]))


def test_regressors_are_boxcars_convolved_with_the_response(events: Events) -> None:
    matrix, conditions = design_matrix(events, N, TR, PLAIN, None)
    assert conditions == ("face", "house", "shoe")  # in order of first appearance
    assert matrix.shape == (N, 4)
    np.testing.assert_array_equal(matrix[:, 3], 1.0)
    for i, name in enumerate(conditions):
        own = [k for k, label in enumerate(events.labels) if label == name]
        expected = regressor(events.onsets[own], events.durations[own], N, TR)
        np.testing.assert_allclose(matrix[:, i], expected, atol=0.02 * expected.max())


def test_volumes_are_taken_in_the_middle_of_their_tr_when_told(events: Events) -> None:
    half = GLM("glover", None, 0.01, 1, "ols", 0.5)
    matrix, _ = design_matrix(events, N, TR, half, None)
    expected = regressor(events.onsets[[0, 2]] - TR / 2, events.durations[[0, 2]], N, TR)
    np.testing.assert_allclose(matrix[:, 0], expected, atol=0.02 * expected.max())


@pytest.mark.parametrize("model", [PLAIN, COSINE, GLM("spm + derivative", "polynomial", 0.01, 2, "ols", 0.0)])
def test_betas_residuals_and_dof_are_those_of_least_squares(
    events: Events, model: GLM, rng: np.random.Generator
) -> None:
    values = rng.normal(size=(N, 7)) * 5 + 1400
    confounds = rng.normal(size=(N, 2))
    fitted = fit_glm(values, events, TR, model, run="1", confounds=confounds)
    matrix, conditions = design_matrix(events, N, TR, model, confounds)
    betas = np.linalg.lstsq(matrix, values, rcond=None)[0]
    assert fitted.labels == conditions
    np.testing.assert_allclose(fitted.values, betas[:3], atol=1e-9)
    np.testing.assert_allclose(fitted.residuals, values - matrix @ betas, atol=1e-9)
    assert fitted.dof == N - np.linalg.matrix_rank(matrix)


def test_planted_betas_come_back_through_drift_and_baseline(events: Events, rng: np.random.Generator) -> None:
    truth = rng.normal(size=(3, 5))
    matrix, _ = design_matrix(events, N, TR, COSINE, None)
    drift = rng.normal(size=(matrix.shape[1] - 3, 5)) * 100
    values = matrix[:, :3] @ truth + matrix[:, 3:] @ drift
    np.testing.assert_allclose(fit_glm(values, events, TR, COSINE, run="1").values, truth, atol=1e-10)


def test_autoregressive_noise_is_whitened(events: Events, rng: np.random.Generator) -> None:
    noise = rng.normal(size=(N, 200))
    for t in range(1, N):
        noise[t] += 0.6 * noise[t - 1]
    model = GLM("glover", "cosine", 0.01, 1, "ar1", 0.0)
    whitened, plain = (fit_glm(noise, events, TR, each, run="1").residuals for each in (model, COSINE))

    def successive(residuals: np.ndarray) -> float:
        return float((residuals[1:] * residuals[:-1]).sum() / (residuals**2).sum())

    assert successive(plain) > 0.4
    assert abs(successive(whitened)) < 0.1


def test_impulses_are_no_reason_to_warn(rng: np.random.Generator) -> None:
    events = Events(("a", "b"), np.array([10.0, 50.0]), np.zeros(2))
    matrix, _ = design_matrix(events, N, TR, PLAIN, None)
    assert matrix[:, 0].argmax() * TR == pytest.approx(10 + 5, abs=TR)  # Glover's response peaks after 5 s


def test_conditions_may_be_called_as_nilearn_calls_its_drifts(rng: np.random.Generator) -> None:
    events = Events(("constant", "drift_1", "a b"), np.array([10.0, 50.0, 90.0]), np.full(3, 8.0))
    fitted = fit_glm(rng.normal(size=(N, 3)), events, TR, COSINE, run="1")
    assert fitted.labels == ("constant", "drift_1", "a b")


def test_designs_without_unique_betas(events: Events, rng: np.random.Generator) -> None:
    values = rng.normal(size=(N, 3))
    together = Events(("a", "b"), np.array([10.0, 10.0]), np.array([8.0, 8.0]))
    with pytest.raises(ValueError, match="run '3': its 3 regressors depend on each other"):
        fit_glm(values, together, TR, PLAIN, run="3")
    with pytest.raises(ValueError, match="regressors depend on each other"):
        fit_glm(values, events, TR, PLAIN, run="3", confounds=np.ones((N, 1)))
    late = Events(("a", "b"), np.array([10.0, TR * (N - 1)]), np.array([8.0, 1.0]))
    with pytest.raises(ValueError, match="run '3': 'b' have no effect on any volume"):
        fit_glm(values, late, TR, PLAIN, run="3")
    with pytest.raises(ValueError, match="run '3' has 4 volumes and 4 regressors"):
        fit_glm(values[:4], Events(("a", "b", "c"), np.array([0.0, 2.0, 4.0]), np.ones(3)), TR, PLAIN, run="3")


def test_the_responses_differ(events: Events) -> None:
    """SPM's canonical response: gamma densities of shapes 6 and 16, the second a sixth as large."""
    t = np.arange(0, 32, 0.05)
    response = t**5 * np.exp(-t) / 120 - t**15 * np.exp(-t) / 1307674368000 / 6
    impulse = Events(("face",), np.array([10.0]), np.zeros(1))
    for name, n_columns in (("spm", 2), ("spm + derivative", 3)):
        matrix, _ = design_matrix(impulse, N, TR, GLM(name, None, 0.01, 1, "ols", 0.0), None)
        assert matrix.shape[1] == n_columns
        expected = np.interp(np.arange(N) * TR - 10, t, response, left=0, right=0)
        assert np.corrcoef(matrix[:, 0], expected)[0, 1] > 0.999
    glover, _ = design_matrix(impulse, N, TR, PLAIN, None)
    assert np.corrcoef(glover[:, 0], expected)[0, 1] < 0.99


@pytest.mark.parametrize("order", [0, 1, 3])
def test_polynomial_drifts_up_to_their_order(events: Events, order: int) -> None:
    matrix, _ = design_matrix(events, N, TR, GLM("glover", "polynomial", 0.01, order, "ols", 0.0), None)
    t = np.linspace(-1, 1, N)
    for power in range(5):
        left = t**power - matrix[:, 3:] @ np.linalg.lstsq(matrix[:, 3:], t**power, rcond=None)[0]
        assert (np.abs(left).max() < 1e-9) == (power <= order)


def test_an_event_from_long_before_the_run(events: Events) -> None:
    """nilearn drops events that start more than 24 s before the first volume unless it is told."""
    long = Events(("face",), np.array([-60.0]), np.array([70.0]))
    matrix, _ = design_matrix(long, N, TR, PLAIN, None)
    expected = regressor(long.onsets, long.durations, N, TR)
    assert expected[0] > 0.9
    np.testing.assert_allclose(matrix[:, 0], expected, atol=0.03)
    ages = Events(("face",), np.array([-1e12]), np.array([1e12 + 10]))  # a table may hold any number
    np.testing.assert_allclose(design_matrix(ages, N, TR, PLAIN, None)[0][:, 0], expected, atol=0.03)
