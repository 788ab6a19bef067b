from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from alignkit.models import AdapterConfig, load_towers
from alignkit.models._prompt_model import PromptModel
from alignkit.train.config import LoopConfig
from alignkit.train.hba._personal_backbone import SharedBackbone, own_parameters
from alignkit.train.hba._personal_fit import People, fit_shared
from alignkit.train.hba._personal_study import Study
from alignkit.train.hba.config import HBAConfig
from tests.reference.hba_runs import train_on


@pytest.fixture(scope="module")
def shared(lab_data, tmp_path_factory):
    """The backbone of a group's run, and the answers of four people in three folds."""
    folder = tmp_path_factory.mktemp("backbone")
    config = HBAConfig(
        backbone="random:test_vit",
        text="minilm",
        img_size=32,
        out=folder / "group",
        adapter=AdapterConfig(kind="lora", rank=2, dropout=0.0, image_blocks=1, text_blocks=0),
        loop=LoopConfig(epochs=1, batch_size=9, device="cpu", progress=False, monitor="val_loss"),
    )
    train_on(lab_data, config)
    answers = lab_data.answers.take(np.arange(200))
    settings = dataclasses.replace(config, start=config.out, loss="triplets", answers="human", prior=7.0)
    study = Study.of(answers, n_folds=3, seed=0)
    return SharedBackbone(lab_data, study, settings, cache=folder / "cache")


def test_everybody_starts_at_the_group_weighted_to_suit_all_without_the_fold(shared):
    study = shared.study
    used = np.unique(study.answers.items)
    assert np.isnan(shared.group).any(axis=1).sum() == len(shared.group) - len(used)
    for fold in (None, 0, 2):
        # from scratch: only the answers outside the fold are there
        train = study.folds != (-1 if fold is None else fold)
        people = People.of(shared.group, study.answers.items[train], study.person[train])
        weights = fit_shared(people.only(np.ones(train.sum(), dtype=bool)))
        start = shared.starts[fold]
        assert start.log_scale == pytest.approx(weights[-1], abs=1e-4)
        assert start.embedding[used] == pytest.approx(shared.group[used] * np.exp(weights[:-1] / 2), rel=1e-3, abs=1e-3)


def test_a_task_begins_at_the_start_whoever_was_trained_before(shared):
    with torch.no_grad():
        for parameter in shared.model.parameters():
            parameter.requires_grad_(True)
        shared.model.slope.add_(1.0)
    task = shared.task("p002", 1, seed=3)
    assert shared.embedding() == pytest.approx(shared.starts[1].embedding, nan_ok=True)
    trained = [name for name, value in task.model.named_parameters() if value.requires_grad]
    assert {"slope", "offset"} < set(trained)
    assert not any(name.startswith("projection") for name in trained)
    assert all("lora" in name for name in trained if name not in ("slope", "offset"))
    assert shared.n_parameters == sum(value.numel() for value in task.model.parameters() if value.requires_grad)
    assert task.person.prior == 7.0
    assert set(task.person.train.participant) == {"p002"}


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_training_begins_with_what_the_start_gives(shared, lab_data, tmp_path, dropout):
    config = dataclasses.replace(shared.config, dropout=dropout)
    task = SharedBackbone(lab_data, shared.study, config, cache=tmp_path).task("p001", 0, seed=0)
    inputs = task.source(np.arange(6))
    with torch.no_grad():
        before = task.model.eval()(inputs)
        torch.testing.assert_close(task.model.train()(inputs), before)


def test_the_outcome_of_the_starts_is_that_of_every_fold_s(shared):
    study, outcome = shared.study, shared.outcome_of_starts()
    for row in range(0, len(study.folds), 17):
        start = shared.starts[int(study.folds[row])]
        i, j, k = start.embedding[study.answers.items[row]]
        logits = np.exp(start.log_scale) * np.array([i @ j, i @ k, j @ k])
        assert outcome.log_p[row] == pytest.approx(logits[0] - np.log(np.exp(logits).sum()))
        assert outcome.right[row] == (logits[0] > logits[1:].max())


@pytest.mark.parametrize("kind", ["none", "lora"])
def test_without_adapters_the_projection_is_the_person_s_own(kind):
    adapter = AdapterConfig(kind=kind, rank=2, image_blocks=1, text_blocks=0)
    towers = load_towers("random:test_vit", text="minilm", img_size=32)
    own = own_parameters(PromptModel.build(towers, ["red", "round"], adapter, affine=True))
    assert ("projection.weight" in own) == (kind == "none")
    assert {"slope", "offset"} <= own


def test_another_backbone_or_other_prompts_are_refused(shared, lab_data):
    prompts = tuple(f"{prompt}!" for prompt in lab_data.prompts)
    with pytest.raises(ValueError, match=r"the prompts are not those that the model in .* was trained with"):
        SharedBackbone(dataclasses.replace(lab_data, prompts=prompts), shared.study, shared.config, cache=None)
    other = dataclasses.replace(shared.config, img_size=None, backbone="random:vit_tiny_patch16_224")
    with pytest.raises(ValueError, match=r"the backbone has other weights than the one that .* was trained on"):
        SharedBackbone(lab_data, shared.study, other, cache=None)


@pytest.mark.parametrize(("name", "value"), [("layer", "3"), ("preprocess", "imagenet"), ("adapter.alpha", 3.0)])
def test_settings_under_which_the_group_s_weights_mean_something_else_are_refused(shared, lab_data, name, value):
    adapter = dataclasses.replace(shared.config.adapter, alpha=3.0)
    change = {"adapter": adapter} if name == "adapter.alpha" else {name: value}
    with pytest.raises(ValueError, match=rf"'{name}' must be as the model in .* was trained with"):
        SharedBackbone(lab_data, shared.study, dataclasses.replace(shared.config, **change), cache=None)
