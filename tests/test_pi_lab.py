"""What the study of perceptual initialisation in labs asks of models, and how it sums up what they answer."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from alignkit.data import simulate
from alignkit.rsa import two_afc_accuracy

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def study():
    if not (ROOT / "studies").exists():
        pytest.skip("the studies are not beside the tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        yield importlib.import_module("studies.pi_lab")


@pytest.fixture(scope="module")
def data(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab") / "data"
    return study.write_pi_lab_data(folder, seed=5, sizes=(8, 16), n_people=240, n_zero_shot=64, n_trials=100)


def test_trials_are_about_the_pictures_that_models_see(study, data):
    asked = study.Questions(data, 5, 64)
    few = {"n_triplets": 1, "n_held_out": 1, "n_repeats": 1, "n_two_afc": 1, "n_scanned": 1}
    lab = simulate(64, rng=5, image_size=32, noise=0.2, **few)
    rows = [lab.labels.index(Path(asked.set.image_name(i)).stem) for i in range(len(asked.set))]
    assert sorted(rows) == list(range(64))
    latents = lab.embedding[rows]
    # who knows the latents but weighs them like nobody in particular comes close to the ideal observer
    truth = two_afc_accuracy(latents, asked.trials, kernel="dot", n_bootstrap=0).accuracy
    assert truth == pytest.approx(asked.ideal, abs=0.03)
    moved = two_afc_accuracy(np.roll(latents, 36, axis=0), asked.trials, kernel="dot", n_bootstrap=0).accuracy
    assert moved < 0.6
    assert [lab.dimension_names[d] for d in latents.argmax(axis=1)] == [asked.traits[k] for k in asked.trait_of]
    assert Counter(asked.prompts["category"].classes_of_rows.tolist()) == dict.fromkeys(range(8), 4)


def arm(study, values, stage_1=None):
    sizes = ("250", "4000")
    after = {size: dict.fromkeys(study.MEASURES, value) for size, value in zip(sizes, values, strict=True)}
    return {
        "before": dict.fromkeys(study.MEASURES, 0.1),
        "after": after,
        "text_sha256": ["a", "a"],
        "stage 1": stage_1,
    }


def test_differences_are_those_of_the_same_lab(study):
    base = np.array([[0.2, 0.5], [0.3, 0.5], [0.1, 0.4]])
    people = np.array([[0.35, 0.56], [0.42, 0.55], [0.28, 0.43]])
    first = {"before": 0.5, "after": 0.6, "ideal": 0.9}
    labs = {}
    for k in range(3):
        arms = {name: arm(study, people[k], first) for name in study.STAGE_1}
        labs[k + 1] = {"arms": {"web-only": arm(study, base[k]), **arms}, "ideal": 0.9}
    rows = study.summary(labs)
    for found, values in (
        (rows["people"]["difference"]["trait"]["4000"], people[:, 1] - base[:, 1]),
        (rows["people"]["shrinking"]["trait"]["250"], (people - base)[:, 0] - (people - base)[:, 1]),
        (rows["web-only"]["after"]["category"]["250"], base[:, 0]),
    ):
        bounds = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert found["mean"] == pytest.approx(values.mean())
        assert found["interval"] == pytest.approx([bounds.low, bounds.high])
        assert found["seeds"] == pytest.approx(values.tolist())
    assert set(rows["people"]["shrinking"]["trait"]) == {"250"}
    assert "difference" not in rows["web-only"]
    assert rows["ideal"]["people"]["mean"] == pytest.approx(0.9)


def test_another_text_tower_is_refused(study):
    arms = {"web-only": arm(study, (0, 0)), "people": {**arm(study, (0, 0)), "text_sha256": ["a", "b"]}}
    with pytest.raises(AssertionError, match=r"lab 2 began with 2 different text towers\."):
        study.check_same_text(2, arms)
    study.check_same_text(2, {"web-only": arm(study, (0, 0))})
