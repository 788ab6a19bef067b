from __future__ import annotations

import numpy as np
import pytest
from reference.fmri import block_means

from alignkit.data._block_averages import average_blocks
from alignkit.data._events import Events

TR, N = 2.5, 40
EVENTS = Events(("face", "house", "face"), np.array([10.0, 40.0, 70.0]), np.array([15.0, 10.0, 15.0]))
ROWS = list(zip(EVENTS.labels, EVENTS.onsets, EVENTS.durations, strict=True))


@pytest.mark.parametrize("lag", [0.0, 5.0, 4.0, 6.25])
def test_blocks_are_means_of_detrended_volumes(rng: np.random.Generator, lag: float) -> None:
    values = rng.normal(size=(N, 6)) + 1000 + np.arange(N)[:, None] * rng.normal(size=6)
    found = average_blocks(values, EVENTS, TR, lag=lag, drift_order=1, rows="blocks", run="1")
    np.testing.assert_allclose(found.values, block_means(values, ROWS, TR, lag), atol=1e-9)
    assert found.labels == EVENTS.labels


def test_volumes_average_to_blocks(rng: np.random.Generator) -> None:
    values = rng.normal(size=(N, 6))
    blocks = average_blocks(values, EVENTS, TR, lag=5.0, drift_order=1, rows="blocks", run="1")
    volumes = average_blocks(values, EVENTS, TR, lag=5.0, drift_order=1, rows="volumes", run="1")
    assert volumes.labels == ("face",) * 6 + ("house",) * 4 + ("face",) * 6
    means = [volumes.values[start:stop].mean(axis=0) for start, stop in ((0, 6), (6, 10), (10, 16))]
    np.testing.assert_allclose(blocks.values, means, atol=1e-12)
    # residuals: beyond the mean of the block, or of the condition
    own = [volumes.values[i] - means[b] for i, b in enumerate([0] * 6 + [1] * 4 + [2] * 6)]
    np.testing.assert_allclose(blocks.residuals, own, atol=1e-12)
    faces = [*range(6), *range(10, 16)]
    condition = volumes.values[faces].mean(axis=0)
    np.testing.assert_allclose(volumes.residuals[faces], volumes.values[faces] - condition, atol=1e-12)


@pytest.mark.parametrize("rows", ["blocks", "volumes"])
def test_degrees_of_freedom_are_the_expected_sum_of_squares(rng: np.random.Generator, rows: str) -> None:
    noise = rng.normal(size=(N, 40_000))
    found = average_blocks(noise, EVENTS, TR, lag=5.0, drift_order=2, rows=rows, run="1")  # type: ignore[arg-type]
    mean = float((found.residuals**2).sum(axis=0).mean())
    assert found.dof == pytest.approx(mean, abs=0.6)  # rounded to a whole number
    assert 10 <= found.dof <= 14


def test_a_drift_leaves_nothing_behind(rng: np.random.Generator) -> None:
    t = np.linspace(-1, 1, N)[:, None]
    values = 1e4 + rng.normal(size=5) * t + rng.normal(size=5) * t**2
    found = average_blocks(values, EVENTS, TR, lag=5.0, drift_order=2, rows="blocks", run="1")
    np.testing.assert_allclose(found.values, 0.0, atol=1e-10)


def test_events_without_volumes(rng: np.random.Generator) -> None:
    values = rng.normal(size=(N, 3))
    short = Events(("face", "house"), np.array([10.0, 41.0]), np.array([10.0, 0.5]))
    with pytest.raises(ValueError, match=r"run '2': no volume lies 5 s \(lag=\) into 'house at 41 s'"):
        average_blocks(values, short, TR, lag=5.0, drift_order=1, rows="blocks", run="2")
    with pytest.raises(ValueError, match="no volume lies 50 s"):
        average_blocks(values, EVENTS, TR, lag=50.0, drift_order=1, rows="blocks", run="2")
    with pytest.raises(ValueError, match="run '2' has 40 volumes, too few for a drift of order 39"):
        average_blocks(values, EVENTS, TR, lag=5.0, drift_order=39, rows="blocks", run="2")


@pytest.mark.parametrize("rows", ["blocks", "volumes"])
@pytest.mark.parametrize("order", [0, 4, 9])
def test_degrees_of_freedom_of_any_drift(rows: str, order: int) -> None:
    """The expected sum of squares is that of what becomes of an impulse at every volume."""
    found = average_blocks(np.eye(N), EVENTS, TR, lag=5.0, drift_order=order, rows=rows, run="1")  # type: ignore[arg-type]
    assert found.dof == round(float((found.residuals**2).sum()))
    assert order < 9 or found.dof < 16 - (3 if rows == "blocks" else 2)


def test_a_block_that_began_before_the_run(rng: np.random.Generator) -> None:
    values = rng.normal(size=(N, 3))
    events = Events(("face", "house"), np.array([-10.0, 40.0]), np.array([15.0, 10.0]))
    found = average_blocks(values, events, TR, lag=2.5, drift_order=1, rows="blocks", run="1")
    expected = block_means(values, zip(events.labels, events.onsets, events.durations, strict=True), TR, 2.5)
    np.testing.assert_allclose(found.values, expected, atol=1e-12)


def test_an_event_past_the_end_has_the_volumes_that_there_are(rng: np.random.Generator) -> None:
    values = rng.normal(size=(N, 3))
    events = Events(("face", "house"), np.array([10.0, 90.0]), np.array([15.0, 1e300]))
    found = average_blocks(values, events, TR, lag=0.0, drift_order=1, rows="volumes", run="1")
    assert found.labels == ("face",) * 6 + ("house",) * 4
