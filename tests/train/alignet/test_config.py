from __future__ import annotations

import dataclasses
import re

import pytest

from alignkit._config import read_config, to_toml
from alignkit.models import AdapterConfig
from alignkit.train import LoopConfig, OptimConfig
from alignkit.train.alignet._presets import PRESETS
from alignkit.train.alignet.config import AligNetConfig


@pytest.mark.parametrize("name", [None, *PRESETS])
def test_settings_survive_their_file(tmp_path, name):
    config = AligNetConfig() if name is None else PRESETS[name]()
    config = dataclasses.replace(config, triplets=tmp_path / "t.npz", arm="shuffled")
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config))
    assert read_config(path, AligNetConfig) == config


def test_the_released_preset_is_the_released_students():
    config = PRESETS["alignet-released"]()
    assert (config.objective, config.head, config.teacher_temperature, config.student_temperature) == (
        "jsd", 1024, 1.0, 100.0,
    )  # fmt: skip
    assert (config.preprocess, config.img_size, config.adapter.kind) == ("alignet", 224, "full")
    optim, loop = config.optim, config.loop
    assert (optim.lr, optim.weight_decay, optim.decay_to_init, optim.warmup, optim.schedule) == (
        3e-5, 0.0, 1.0, 5000, "cosine",
    )  # fmt: skip
    assert (loop.max_steps, loop.batch_size, loop.validate_every, loop.checkpoint_every, loop.keep_last) == (
        100_000, 512, 5000, 10_000, 3,
    )  # fmt: skip


@pytest.mark.parametrize(("change", "sentence"), [
    ({"head": 0, "adapter": AdapterConfig(kind="none")}, "nothing would train"),
    ({"head": 0, "adapter": AdapterConfig(kind="lora", image_blocks=0)}, "nothing would train"),
    ({"head": 0, "centre": True}, "centre is about where the head begins"),
    ({"objective": "mse"}, "objective must be one of"),
    ({"arm": "unaligned"}, "arm must be one of"),
    ({"val_share": 1.0}, "val_share must"),
    ({"student_temperature": -1.0}, "student_temperature must"),
    ({"teacher_temperature": 0.0}, "teacher_temperature must"),
    ({"n_triplets": 0}, "n_triplets must"),
    ({"loop": LoopConfig(monitor="test_accuracy")}, "no weights are chosen by held-out items"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(change, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        AligNetConfig(**change)


def test_paths_may_be_text():
    assert AligNetConfig(images="a", triplets="b.npz") == dataclasses.replace(
        AligNetConfig(), images=AligNetConfig(images="a").images, triplets=AligNetConfig(triplets="b.npz").triplets
    )
    assert AligNetConfig(optim=OptimConfig(decay_to_init=0.5)).optim.decay_to_init == 0.5
