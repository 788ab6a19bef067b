from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from reference.toy_clip import make_towers

from alignkit.models import AdapterConfig
from alignkit.models._prompt_model import PromptModel
from alignkit.score._steps import Steps
from alignkit.train import LoopConfig
from alignkit.train._source import ImageSource
from alignkit.train.hba._baselines import ZeroShot, predictors_of, without_adapters
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba.task import HBATask

#: Does not start at the frozen network, in both towers.
ADAPTER = AdapterConfig(kind="dora", rank=2, dropout=0.0, init="kaiming-both", train_magnitude=False)


@pytest.fixture
def task(lab_data):
    towers = make_towers()
    model = PromptModel.build(towers, lab_data.prompts, ADAPTER, affine=True)
    with torch.no_grad():
        model.slope.fill_(3.0)
        model.offset.copy_(torch.arange(12.0))
    config = HBAConfig(adapter=ADAPTER, loop=LoopConfig(batch_size=16, progress=False))
    return HBATask(lab_data, model, config, source=ImageSource(lab_data.photos, towers.preprocess))


@pytest.fixture(scope="module")
def frozen(lab_data):
    """Embeddings of photos and prompts by a network that never had adapters."""
    towers = make_towers()
    pixels = torch.stack([torch.from_numpy(towers.preprocess(Image.open(path))) for path in lab_data.photos])
    with torch.no_grad():
        return towers.image(pixels), towers.text(towers.tokenizer(list(lab_data.prompts))), towers.log_scale


def test_without_adapters_the_frozen_network_is_left(task, lab_data, frozen):
    images, texts, log_scale = frozen
    cosines = np.exp(log_scale) * torch.nn.functional.cosine_similarity(images[:, None], texts[None], dim=-1).numpy()
    per_object = [cosines[photos].mean(axis=0) for photos in lab_data.photos_of]
    own = task.predictions(module=ZeroShot(task.model))
    assert np.abs(own - per_object).max() > 0.1
    trained = {name for name, parameter in task.model.named_parameters() if parameter.requires_grad}
    with without_adapters(task.model):
        logits = task.predictions(module=ZeroShot(task.model))
        features = task.features()
    assert logits == pytest.approx(np.array(per_object), abs=1e-3)
    assert features == pytest.approx(np.array([images[p].mean(0).numpy() for p in lab_data.photos_of]), abs=1e-4)
    assert trained == {name for name, parameter in task.model.named_parameters() if parameter.requires_grad}
    assert task.predictions(module=ZeroShot(task.model)) == pytest.approx(own, abs=1e-4)


def test_a_clip_has_zero_shot_logits_beside_the_rest(task, lab_data):
    before = task.predictions()
    trained = {name: value + 0.1 for name, value in task.model.trained().items()}
    after, others = predictors_of(task, trained, "mine", Steps())
    assert [one.name for one in others] == [
        "before training",
        "image features",
        "zero-shot dimension logits",
        "ridge on frozen features",
        "the targets themselves",
    ]
    some = lab_data.held_out
    assert others[0].take(some) == pytest.approx(before[some], abs=1e-4)
    assert np.abs(after.take(some) - before[some]).max() > 0.05
    assert after.take(some) == pytest.approx(task.predictions(some), abs=1e-4)
    assert others[4].take(some) == pytest.approx(lab_data.targets[some])
    assert [one.kernel for one in others] == ["dot", "cosine", "cosine", "dot", "dot"]
    assert [one.learned for one in (after, *others)] == [True, False, False, False, True, True]


@pytest.mark.parametrize(
    ("changes", "says", "learned"),
    [
        ({"answers": "human", "loss": "triplets"}, "trained on people's answers about 25 other objects", False),
        ({}, "trained on the simulated lab's latents of 25 other objects, epoch chosen on 7 more", True),
    ],
)
def test_rows_say_what_was_fitted(task, changes, says, learned):
    task.config = dataclasses.replace(task.config, **changes)
    after, _ = predictors_of(task, task.model.trained(), "mine", Steps())
    assert says in after.fitted
    assert after.learned is learned
