"""What each run of each arm is told: the same but for the vision tower that it starts with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from alignkit.train import LoopConfig, PIConfig
from alignkit.train.pi import _presets
from alignkit.train.pi._arms_config import PRESETS


@pytest.fixture
def config():
    return PIConfig(
        pairs="shards",
        judgements="j.csv",
        images="images",
        label_images="classes",
        min_votes=3,
        margin=0.1,
        seeds=(3, 4),
        arms=("web-only", "pi", "post-hoc", "shuffled-triplets", "imagenet-triplets"),
        loop=LoopConfig(device="cpu", progress=False, monitor="zero_shot"),
        out="o",
    )


def changed(one, other):
    return {field.name for field in dataclasses.fields(one) if getattr(one, field.name) != getattr(other, field.name)}


def test_second_stages_differ_in_their_start_alone(config):
    plain = config.second("web-only", 3)
    assert plain.start is None
    assert (plain.out, plain.index, plain.loop.seed) == (Path("o/seed-3/web-only"), Path("o/index"), 3)
    for arm in ("pi", "shuffled-triplets", "imagenet-triplets"):
        second = config.second(arm, 3)
        assert changed(second, plain) == {"start", "out"}
        assert second.start == config.first(arm, 3).out == Path(f"o/seed-3/stage-1/{arm}")
        assert changed(second, config.second(arm, 4)) == {"start", "out", "loop"}


def test_first_stages_differ_in_their_judgements_alone(config):
    own = config.first("pi", 4)
    assert (own.choices, own.trained, own.start, own.min_votes, own.margin) == ("people", "tower", None, 3, 0.1)
    assert changed(config.first("shuffled-triplets", 4), own) == {"choices", "out"}
    assert changed(config.first("imagenet-triplets", 4), own) == {"judgements", "images", "label_images", "out"}
    after = config.post_hoc(4)
    assert (after.trained, after.start) == ("attention", config.second("web-only", 4).out)
    assert changed(after, own) == {"trained", "start", "optim", "loop", "out"}
    for one in (own, after):
        assert (one.loop.seed, one.loop.device, one.loop.progress) == (4, "cpu", False)


def test_a_loops_own_device_counts(config):
    first = dataclasses.replace(config.first_loop, device="cuda:1")
    assert dataclasses.replace(config, first_loop=first).first("pi", 3).loop.device == "cuda:1"


@pytest.mark.parametrize("name", list(_presets.PRESETS))
def test_presets_are_those_of_the_stages(name):
    assert PRESETS.keys() == _presets.PRESETS.keys() - {"default"}
    if name == "default":
        return
    found, pairs = PRESETS[name](), _presets.PRESETS[name]()
    (seed,) = found.seeds
    assert seed == pairs.loop.seed == 42
    second, first = found.second("web-only", seed), found.first("pi", seed)
    assert changed(second, pairs) == {"out", "index"}
    published = _presets.stage_1(pairs.architecture)
    assert (first.optim, first.loop, first.architecture) == (published.optim, published.loop, pairs.architecture)
    after = _presets.post_hoc(pairs.architecture)
    assert (found.post_hoc(seed).optim, found.post_hoc(seed).loop) == (after.optim, after.loop)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"arms": ()}, "arms must be different ones, at least one"),
        ({"arms": ("pi", "pi")}, "arms must be different ones"),
        ({"arms": ("mixed",)}, "arms must be one of"),
        ({"seeds": ()}, "seeds must be different ones"),
        ({"seeds": (-1,)}, "seeds must be at least 0"),
        ({"loop": LoopConfig(seed=3)}, "leave loop.seed at 0"),
        ({"first_loop": LoopConfig(seed=3)}, "leave first_loop.seed at 0"),
        ({"arms": ("imagenet-triplets",)}, "imagenet-triplets needs label_images"),
        ({"margin": -1.0}, "margin"),
        ({"objective": "mice"}, "objective must be one of"),
        ({"human": ("mice",)}, "human must be one of"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PIConfig(**settings)


def test_arms_without_a_stage_are_refused(config):
    with pytest.raises(ValueError, match="arm must be one of"):
        config.first("web-only", 3)
    with pytest.raises(ValueError, match="arm must be one of"):
        config.second("post-hoc", 3)
