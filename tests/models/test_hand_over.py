from __future__ import annotations

import pytest
import torch
from reference import toy_clip
from torch import nn

from alignkit.models._hand_over import HandOver, hand_over
from alignkit.models._state_sha256 import state_sha256


@pytest.fixture
def pair(make_clip):
    """Return a trained CLIP's state dict and a fresh CLIP."""
    pytest.importorskip("open_clip")
    return make_clip(seed=1).state_dict(), make_clip(seed=2)


def text_of(state):
    return {k: v.clone() for k, v in state.items() if not k.startswith(("visual.", "logit_"))}


def vision_of(state):
    return {k.removeprefix("visual."): v.clone() for k, v in state.items() if k.startswith("visual.")}


def test_the_vision_tower_is_the_sources_and_all_else_is_fresh(pair):
    source, model = pair
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    report = hand_over(source, model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, source[name] if name.startswith("visual.") else fresh[name]), name
    assert not torch.equal(fresh["visual.proj"], source["visual.proj"])
    assert not torch.equal(fresh["text_projection"], source["text_projection"])
    assert report.vision_sha256 == state_sha256(model.visual) == state_sha256(vision_of(source))
    assert report.text_sha256 == state_sha256(text_of(fresh)) == state_sha256(text_of(model.state_dict()))
    assert report.text_sha256 != state_sha256(text_of(source))
    assert {*report.copied} == {name for name in fresh if name.startswith("visual.")}
    assert {*report.copied, *report.fresh} == set(fresh)
    assert "logit_scale" in report.fresh
    assert {*report.left} == {name for name in source if not name.startswith("visual.")}


def test_the_source_keeps_its_own_weights(pair):
    source, model = pair
    before = state_sha256(source)
    hand_over(source, model)
    with torch.no_grad():
        model.visual.proj.zero_()
    assert state_sha256(source) == before


def test_parameters_stay_the_same_objects_and_train(pair):
    source, model = pair
    parameters = dict(model.named_parameters())
    hand_over(source, model)
    assert all(value is parameters[name] for name, value in model.named_parameters())
    assert model.visual.proj.requires_grad
    assert model.visual.proj.is_leaf


@pytest.mark.parametrize("prefix", ["", "stage1.visual."])
def test_a_tower_alone_and_other_prefixes(pair, prefix):
    source, model = pair
    given = {prefix + name: value for name, value in vision_of(source).items()} | (
        {"head.weight": torch.ones(2), "visual.proj": torch.zeros(3)} if prefix else {}
    )
    report = hand_over(given, model, prefix=prefix)
    assert state_sha256(model.visual) == state_sha256(vision_of(source))
    assert report.left == (("head.weight", "visual.proj") if prefix else ())
    assert dict(report.to_dataframe()[["key", "fate"]].to_numpy())["visual.proj"] == "copied"


@pytest.mark.parametrize("there", [(), (1,)])
@pytest.mark.parametrize("here", [(), (1,)])
def test_scales_of_either_shape_go_together(pair, there, here):
    source, model = pair
    model.logit_scale = nn.Parameter(torch.full(here, 2.5))
    model.visual.gain = nn.Parameter(torch.full(here, 0.5))
    given = source | {"logit_scale": torch.full(there, 4.6), "visual.gain": torch.full(there, 0.7)}
    report = hand_over(given, model)
    assert model.logit_scale.shape == model.visual.gain.shape == here
    assert model.logit_scale.item() == 2.5
    assert model.visual.gain.item() == pytest.approx(0.7)
    assert report.vision_sha256 == state_sha256(vision_of(given))


def changed(source, **changes):
    """Return the source with these entries instead; None takes one away."""
    given = dict(source) | {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value for name, value in given.items() if value is not None}


BAD = {
    "missing": ({"visual__proj": None}, "1 missing: 'proj'"),
    "unexpected": ({"visual__head": torch.ones(2)}, "1 unexpected: 'head'"),
    "shape": ({"visual__proj": torch.ones(24, 32)}, r"1 of another shape: proj is \(24, 32\) instead of \(32, 24\)"),
    "size": ({"visual__class_embedding": torch.ones(1)}, r"class_embedding is \(1,\) instead of \(32,\)"),
    "dtype": ({"visual__proj": torch.ones(32, 24).double()}, r"visual\.proj is torch.float64, which the model's torch"),
    "whole numbers": ({"visual__proj": torch.ones(32, 24).int()}, r"visual\.proj is torch.int32, which the model's"),
    "not finite": ({"visual__proj": torch.full((32, 24), float("nan"))}, r"not finite numbers in 'visual\.proj'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_refused_and_changes_nothing(pair, case):
    source, model = pair
    changes, message = BAD[case]
    before = state_sha256(model)
    with pytest.raises(ValueError, match=message):
        hand_over(changed(source, **changes), model)
    assert state_sha256(model) == before


def test_other_towers_are_refused(pair, make_clip):
    source, model = pair
    deeper = make_clip(config=toy_clip.sizes(3))
    with pytest.raises(ValueError, match=r"does not fit the model's \(12 unexpected: 'transformer.resblocks.2"):
        hand_over(deeper.state_dict(), model)
    with pytest.raises(ValueError, match=r"12 missing: 'transformer.resblocks.2.*; nothing was handed over"):
        hand_over(source, deeper)
    with pytest.raises(ValueError, match=r"no weights that begin with 'visual.'; its names are 'proj'"):
        hand_over({"proj": source["visual.proj"]}, model)
    with pytest.raises(ValueError, match=r"missing: .* unexpected: "):
        hand_over(source, model, prefix="")
    with pytest.raises(TypeError, match=r"model must be a CLIP .*; Linear has none"):
        hand_over(source, nn.Linear(2, 2))


def test_half_precision_comes_in_exactly_where_it_fits(pair):
    source, model = pair
    half = {name: value.bfloat16() for name, value in source.items()}
    hand_over(half, model)
    assert torch.equal(model.visual.proj, half["visual.proj"].float())
    assert model.visual.proj.dtype == torch.float32
    with pytest.raises(ValueError, match=r"is torch.float32, which the model's torch.bfloat16 cannot hold exactly"):
        hand_over(source, model.bfloat16())


def test_towers_that_share_weights_are_refused(pair):
    source, model = pair
    model.visual.ln_post = model.ln_final
    before = state_sha256(model)
    with pytest.raises(ValueError, match="towers share weights"):
        hand_over(changed(source, visual__ln_post__weight=torch.full((32,), 3.0)), model)
    assert state_sha256(model) == before


def test_the_log_names_every_key(pair, tmp_path):
    source, model = pair
    report = hand_over(source | {"epoch": torch.tensor(3)}, model)
    lines = report.lines()
    assert lines[0] == f"vision tower: {len(report.copied)} tensors copied, sha256 {report.vision_sha256}"
    assert lines[1] == f"text tower: unchanged, sha256 {report.text_sha256}"
    table = report.to_dataframe()
    assert len(lines) == 2 + len(table) == 2 + len(model.state_dict()) + 1
    assert [line.split()[:2] for line in lines[2:]] == table[["fate", "key"]].to_numpy().tolist()
    assert next(line for line in lines if " visual.proj " in line).endswith("(32, 24)")
    assert lines[-1] == "left    epoch"
    assert table.set_index("key").loc["visual.proj", "shape"] == "32x24"
    assert "repr" not in repr(report)
    assert len(repr(report)) < 120
    assert report.vision_sha256[:12] in report.methods_text()
    report.save(tmp_path / "hand_over.json")
    assert HandOver.load(tmp_path / "hand_over.json") == report
