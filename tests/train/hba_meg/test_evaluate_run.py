"""A finished run's scores, beside what it started at and the backbone's own features."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from alignkit.meg import RDMStore
from alignkit.models import extract, load
from alignkit.rsa import RDM, rdm
from alignkit.train import HBAMEGScores, LoopConfig, PersonalDynamics, evaluate_run, run
from alignkit.train.hba_meg._data import read_data
from tests.reference.hba_meg_runs import lab_config, people_config
from tests.reference.toy_clip import add_tiny_clip, sizes


@pytest.fixture(scope="module")
def config(meg_lab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    with pytest.MonkeyPatch.context() as patch:
        weights = add_tiny_clip(folder, patch, sizes(4))
        config = dataclasses.replace(
            lab_config(meg_lab, folder, weights), held_out_people=("p004",), n_bootstrap=50, n_permutations=100
        )
        run(config)
        yield config


@pytest.fixture(scope="module")
def scores(config):
    return evaluate_run(config.out, device="cpu", progress=False)


def test_every_cell_is_named_and_baselines_stand_beside(scores):
    assert isinstance(scores, HBAMEGScores)
    cells = {(cell.items, cell.people): cell for cell in scores.cells}
    # the lab holds out 8 of 24 objects; 4 of the others are chosen on
    assert {("held_out", "train"), ("held_out", "held_out"), ("train", "train"), ("train", "held_out")} <= set(cells)
    assert all(cell.other_sessions for cell in scores.cells)
    assert cells["train", "train"].in_sample
    assert not cells["held_out", "held_out"].in_sample
    assert [one.model for one in scores.cells[0].models] == [
        "group", "zero-shot dimensions (before training)", "CLIP image features",
    ]  # fmt: skip
    assert scores.weights.shape == (12, len(scores.layers))
    np.testing.assert_allclose(scores.weights.sum(axis=1), 1, atol=1e-5)


def test_the_course_is_that_of_the_model_s_own_outputs(scores, config):
    data = read_data(config)
    labels = data.splits.held_out
    model = load(f"run:{config.out}", device="cpu")
    photos = {label: data.images[data.labels.index(label)][0] for label in labels}
    features = extract(model, photos, layers="all", progress=False)
    person = RDMStore.open(config.test_rdms[0])
    cell = scores.cell("held_out", "train")
    number = cell.course.subjects.index("p001")
    for t, layer in enumerate(features.layers):
        mine = rdm(features.array(layer), metric="correlation", labels=features.labels).select(labels)
        theirs = RDM.load(person.path).isel(time=t).select(labels)
        expected = spearmanr(mine.values, theirs.values).statistic
        assert cell.course.similarity[0, number, t] == pytest.approx(expected, abs=2e-3)


def test_splits_of_the_folder_count(config, tmp_path):
    path = config.out / "splits.json"
    kept = path.read_text()
    splits = json.loads(kept)
    splits["train"], splits["val"] = splits["train"][1:], [*splits["val"], splits["train"][0]]
    path.write_text(json.dumps(splits))
    scores = evaluate_run(config.out, device="cpu", progress=False, n_bootstrap=0)
    path.write_text(kept)
    assert scores.cell("train").n_items == len(read_data(config).splits.train) - 1


def test_a_person_s_model_stands_beside_the_group_s(config, tmp_path):
    from alignkit.train import personal_dynamics

    loop = LoopConfig(epochs=1, batch_size=6, device="cpu", progress=False, monitor="val_spearman", mode="max")
    own = dataclasses.replace(people_config(config, tmp_path / "people"), subject="p002", loop=loop, weights_epochs=0)
    personal_dynamics(own)
    scores = evaluate_run(tmp_path / "people" / "subject-p002", device="cpu", progress=False)
    assert [one.model for one in scores.cells[0].models][:2] == ["subject-p002", "the group's model"]
    # the group's model was trained on three of four
    mark = "the group's model was trained on such people"
    assert scores.cells[0].name == "held-out items x trained people (other sessions)"
    assert scores.cells[0].course.subjects == ("p002",)
    assert scores.cells[1].name == f"held-out items x held-out people (other sessions, {mark})"
    assert scores.cells[1].course.subjects == ("p001", "p003", "p004")
    n = {part: len(names) for part, names in json.loads((config.out / "splits.json").read_text()).items() if part in
         ("train", "val")}  # fmt: skip
    sentence = (
        f"The group's model in {config.out}, at which training started, was trained on 'p001', 'p002', 'p003', with "
        f"{n['train']} items and chosen on {n['val']}."
    )
    assert sentence in scores.notes
    assert sentence in PersonalDynamics.load(tmp_path / "people" / "subject-p002" / "personal.json").notes


def test_scores_of_a_model_that_draws_noise_are_the_same_whatever_was_drawn_before(meg_lab, tmp_path, monkeypatch):
    weights = add_tiny_clip(tmp_path, monkeypatch, sizes(4))
    settings = {"noise": "published", "weights_epochs": 0, "n_bootstrap": 0, "n_permutations": 20}
    config = lab_config(meg_lab, tmp_path, weights, **settings)
    run(config)
    curves = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        curves.append(evaluate_run(config.out, device="cpu", progress=False).cells[0].course.similarity)
    np.testing.assert_array_equal(*curves)
