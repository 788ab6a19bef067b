from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import RDM
from alignkit.rsa._inference._model_rows import model_rows, named_models


def test_models_by_name_as_a_stack_and_as_a_sequence():
    rows = np.arange(18.0).reshape(3, 6)
    named, names = named_models({"a": rows[0], "b": RDM(rows[1])})
    assert names == ("a", "b")
    assert [what for what, _ in named] == ["the model 'a'", "the model 'b'"]
    assert np.array_equal(model_rows([one for _, one in named]), rows[:2])
    assert named_models(rows)[1] == ("model 0", "model 1", "model 2")
    assert named_models(RDM(rows, dims=["layer"], coords={"layer": ["x", "y", "z"]}))[1] == ("x", "y", "z")
    named, names = named_models([RDM(rows), RDM(rows[0])])
    assert (len(names), [what for what, _ in named]) == (4, ["the models[0]", "the models[1]"])
    assert model_rows([one for _, one in named]).shape == (4, 6)


def test_refusals():
    with pytest.raises(ValueError, match="models is empty"):
        named_models({})
    with pytest.raises(ValueError, match="give one RDM per name"):
        named_models({"a": np.ones((2, 6))})
