from __future__ import annotations

import numpy as np
import pytest

from alignkit.models import Features, Transform
from alignkit.score._moving import Moving, as_moving, open_over_time, time_layers
from alignkit.score._row import Settings

LABELS = ("a", "b", "c", "d")


def features(layers, name="m", seed=0):
    rng = np.random.default_rng(seed)
    return Features.from_arrays({layer: rng.normal(size=(4, 3)) for layer in layers}, LABELS, name=name)


def runs(own, times):
    moving = Moving(None, LABELS, "correlation", np.array(own), tuple(map(str, own)))  # type: ignore[arg-type]
    return [(k, where.start, where.stop) for k, where in moving.runs(np.array(times))]


def test_layers_that_are_times():
    assert time_layers(["output", "10ms", "-100ms", "7812us"]) == {"-100ms": -0.1, "7812us": 0.007812, "10ms": 0.01}
    assert time_layers(["blocks.1", "10ms"]) == {}
    assert time_layers(["blocks.1", "blocks.2"]) == {}


def test_every_time_has_the_nearest_own_one():
    assert runs([0.0, 0.1, 0.2], [-0.3, 0.0, 0.04, 0.06, 0.1, 0.3]) == [(0, 0, 3), (1, 3, 5), (2, 5, 6)]
    assert runs([0.0, 0.1], [0.0]) == [(0, 0, 1)]


def test_half_way_between_two_nothing_is_ahead_of_its_time():
    grid = np.linspace(-0.1, 0.6, 71)
    fine = np.linspace(-0.1, 0.6, 141)
    assert [stop - start for _, start, stop in runs(grid, fine)] == [2] * 70 + [1]


def test_times_beyond_its_own():
    moving = Moving(None, LABELS, "correlation", np.array([0.0, 0.1]), ("0ms", "100ms"))  # type: ignore[arg-type]
    assert moving.beyond(np.array([-0.06, -0.05, 0.0, 0.15, 0.16, 0.2])).tolist() == [-0.06, 0.16, 0.2]


def test_where_time_plays_no_part_it_is_the_output():
    given = features(["-100ms", "0ms", "100ms", "output"])
    (candidate,) = open_over_time(given, None, None)
    np.testing.assert_array_equal(candidate.x, given.array("output"))
    assert (candidate.name, list(candidate.layers)) == ("m", ["-100ms", "0ms", "100ms"])
    given = features(["-100ms", "100ms", "0ms"])
    (candidate,) = open_over_time(given, None, None)
    np.testing.assert_allclose(candidate.x, (given.array("0ms") + given.array("100ms")) / 2)
    moving = as_moving(candidate, LABELS, Settings())
    assert moving is not None
    np.testing.assert_allclose(moving.rdm(2).values[0], 1 - np.corrcoef(given.array("100ms")[:2])[0, 1])


def test_one_layer_of_a_model_over_time_is_a_static_model():
    (candidate,) = open_over_time(features(["0ms", "100ms"]), "0ms", None)
    assert candidate.name == "m [0ms]"
    assert as_moving(candidate, LABELS, Settings()) is None


def test_names_differ():
    both = open_over_time([features(["0ms", "100ms"]), features(["x"])], None, None)
    assert [one.name for one in both] == ["m (1)", "m (2)"]


def test_refusals():
    with pytest.raises(ValueError, match="features is empty"):
        open_over_time([], None, None)
    with pytest.raises(TypeError, match="must be a path or a Features object"):
        open_over_time(3, None, None)  # type: ignore[arg-type]
    transform = Transform(np.eye(3), name="glocal")
    with pytest.raises(ValueError, match=r"'glocal' takes one layer, and 'm' has times; choose with layer="):
        open_over_time(features(["0ms", "100ms"]), None, transform)
