"""Models are named, stacked and given times alike, however they come."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg import RDMStore
from alignkit.meg._model_rows import as_models, rows_of
from alignkit.rsa import RDM

ONE, TWO = np.array([1.0, 2, 3]), np.array([4.0, 5, 7])
BOTH = np.stack([ONE, TWO])


def test_names(tmp_path):
    RDM(ONE).save(tmp_path / "m.npz")
    forms = {
        ("model",): [ONE, RDM(ONE), [RDM(ONE)], RDM(ONE[None], dims=["layer"]), [ONE], tmp_path / "m.npz"],
        ("model 0", "model 1"): [BOTH, RDM(BOTH, dims=["layer"]), [ONE, RDM(TWO)], [RDM(BOTH, dims=["x"])]],
        ("a", "b"): [{"a": ONE, "b": RDM(TWO)}, RDM(BOTH, dims=["layer"], coords={"layer": ["a", "b"]})],
        ("conv 0", "conv 1", "c"): [{"conv": RDM(BOTH, dims=["layer"]), "c": ONE}],
        ("conv in", "conv out"): [{"conv": RDM(BOTH, dims=["layer"], coords={"layer": ["in", "out"]})}],
        ("a",): [{"a": ONE}, {"a": tmp_path / "m.npz"}],
    }
    for names, given in forms.items():
        for models in given:
            found = as_models("model", models)
            assert found.names == names
            assert found.times is None
            assert found.n_times == 1
            rows = rows_of([one for _, one in found.named])
            assert np.array_equal(rows[0], ONE)
            assert rows.shape == (len(names), 3)


def test_controls_are_called_so():
    assert as_models("control", ONE).names == ("control",)
    assert as_models("control", BOTH).names == ("control 0", "control 1")


def test_times(tmp_path):
    timed = RDM(BOTH, dims=["time"], coords={"time": [0.0, 0.5]})
    assert as_models("model", timed).times.tolist() == [0, 0.5]
    assert as_models("model", timed).names == ("model",)
    stack = RDM(np.stack([BOTH, BOTH + 1, BOTH + 2]), dims=["layer", "time"])
    found = as_models("model", stack)
    assert found.names == ("model 0", "model 1", "model 2")
    assert found.times.tolist() == [0, 1]
    turned = as_models("model", RDM(stack.values.swapaxes(0, 1), dims=["time", "layer"]))
    assert np.array_equal(rows_of([turned.named[0][1]]), stack.values.reshape(6, 3))
    with RDMStore.create(tmp_path / "m.zarr", labels=list("abc"), times=[0.0, 0.5], dtype="float64") as store:
        store.write(0, BOTH)
    assert np.array_equal(rows_of([as_models("model", tmp_path / "m.zarr").named[0][1]]), BOTH)
    with pytest.raises(ValueError, match="one of these models has an axis of time and the other none"):
        as_models("model", {"a": timed, "b": ONE})
    with pytest.raises(ValueError, match="the model 'a' and the model 'b' have different times"):
        as_models("model", {"a": timed, "b": RDM(BOTH, dims=["time"], coords={"time": [0.0, 0.6]})})


def test_float32_stays_unless_it_meets_float64():
    single = RDM(ONE.astype(np.float32))
    assert rows_of([as_models("model", single).named[0][1]]).dtype == np.float32
    assert rows_of([one for _, one in as_models("model", [single, RDM(TWO)]).named]).dtype == np.float64


@pytest.mark.parametrize(
    ("models", "error", "message"),
    [
        ([], ValueError, "^models is empty"),
        ({}, ValueError, "^models is empty"),
        (RDM(np.ones((2, 2, 3)), dims=["layer", "seed"]), ValueError, "has the axes"),
        (RDM(BOTH, dims=["subject"]), ValueError, r"the models has the axes \('subject',\)"),
        (RDM(BOTH, dims=["x"], coords={"x": ["a", "a"]}), ValueError, "different names; repeated: 'a'"),
        ("abc.npz", FileNotFoundError, "abc.npz"),
        (["a", "b"], FileNotFoundError, "a"),
        (np.ones(4), ValueError, "the models has 4 values"),
        ({"a": np.ones(4)}, ValueError, "the model 'a' has 4 values"),
        (None, TypeError, "the models must"),
    ],
)
def test_what_are_no_models_is_refused(models, error, message):
    with pytest.raises(error, match=message):
        as_models("model", models)
