from __future__ import annotations

import numpy as np
import pytest

from alignkit.align import ModelRecovery, model_recovery
from alignkit.models import Features
from alignkit.rsa import Triplets, choice_probabilities


@pytest.fixture
def lab():
    rng = np.random.default_rng(2)
    models = {name: 1.5 * rng.normal(size=(50, 5)) for name in ("a", "b", "c")}
    items = np.array([rng.permutation(50)[:3] for _ in range(3000)])
    p = choice_probabilities(models["a"], items, temperature=2.0)
    odd = (rng.random(3000)[:, None] > np.cumsum(p, axis=1)[:, :2]).sum(axis=1)
    return models, Triplets.from_columns(items, odd=odd + 1, base=0)


def test_models_that_differ_are_told_apart(lab, tmp_path):
    models, answers = lab
    # only the first is like people; a temperature alone leaves the others nothing but noise to be known by
    found = model_recovery({name: models[name] for name in "ab"}, answers, fit="zero-shot", n_simulations=3)
    assert found.identified.sum(axis=1).tolist() == [3, 3]
    assert found.identified[0].tolist() == [3, 0]
    assert found.human_cross_entropy.argmin() == 0
    assert found.n_parameters.tolist() == [0, 0]
    found.save(tmp_path / "found.json")
    assert repr(ModelRecovery.load(tmp_path / "found.json")) == repr(found)
    assert "3 times" in found.methods_text()
    assert found.to_dataframe()["identified"].sum() == 6
    found.plot()


def test_a_model_predicts_its_own_answers_about_as_well_as_it_can(lab):
    models, answers = lab
    found = model_recovery(models, answers, fit="diagonal", penalty=0.01, n_simulations=2, seed=3)
    assert found.identified[0, 0] == 2
    assert found.n_parameters.tolist() == [5, 5, 5]
    assert found.chance == pytest.approx(1 / 3)
    assert found.recovery == pytest.approx(np.trace(found.identified) / 6)
    # answers drawn from the model of people are as uncertain as people's
    assert found.cross_entropy[0, 0] == pytest.approx(found.human_cross_entropy[0], abs=0.15)


def test_items_that_all_models_know_are_used(lab):
    models, answers = lab
    names = [f"item {i}" for i in range(50)]
    named = {name: Features.from_array(x, names) for name, x in models.items()}
    named["b"] = named["b"].select(names[45:4:-1])
    found = model_recovery(named, Triplets(answers.items, names), fit="zero-shot", n_simulations=1)
    assert found.n_items == 41


def test_bad_input_is_refused(lab):
    models, answers = lab
    with pytest.raises(ValueError, match="two models or more"):
        model_recovery({"a": models["a"]}, answers)
    with pytest.raises(TypeError, match="mapping of names"):
        model_recovery(models["a"], answers)
    with pytest.raises(ValueError, match="fit must be one of"):
        model_recovery(models, answers, fit="ridge")
    with pytest.raises(ValueError, match="same items"):
        model_recovery({"a": models["a"], "b": np.vstack([models["b"]] * 2)}, answers)
    with pytest.raises(ValueError, match="label all of them"):
        model_recovery({"a": Features.from_array(models["a"], range(50)), "b": models["b"]}, answers)
