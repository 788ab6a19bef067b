"""Dimensions over time: against a loop over times and layers, and against the model that they start at."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from reference.hba_meg_loop import mix
from reference.toy_clip import sizes

from alignkit.models import AdapterConfig, Model, Preprocess, Towers
from alignkit.models._build_dynamic_model import assemble, put_adapters
from alignkit.models._dynamic_model import DynamicModel, DynamicSettings
from alignkit.models._final_step import FinalStep
from alignkit.models._prompt_model import PromptModel
from alignkit.models._split_tower import SplitTower
from alignkit.train._time_losses import each_time_loss, rdms_over_time

PROMPTS = ["metallic; artificial", "food-related", "a long and thin thing", "red", "round"]
FROZEN = AdapterConfig(kind="none", text_blocks=0)
DORA = AdapterConfig(kind="dora", rank=2, image_blocks=24, text_blocks=0, dropout=0.0, train_magnitude=False)
TIMES = (-0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2)
Maker = Callable[..., Any]


def images(n: int = 3) -> dict[str, torch.Tensor]:
    return {"image": torch.rand((n, 3, 32, 32), generator=torch.Generator().manual_seed(1))}


def directions(n: int, width: int) -> torch.Tensor:
    """Return vectors of length 1 in all directions: prompts of an untrained network all lie in one."""
    drawn = torch.randn((n, width), generator=torch.Generator().manual_seed(5))
    return torch.nn.functional.normalize(drawn, dim=1)


def built(towers: Towers, adapter: AdapterConfig = FROZEN, *, text: torch.Tensor | None = None, **settings: Any) -> Any:
    """Return the model of a CLIP's towers, by default with directions in place of prompts."""
    text = directions(12, towers.width_image) if text is None else text
    settings_ = DynamicSettings(times=TIMES, **settings)
    model = assemble(towers.image, towers.model, text, settings_, name="toy", log_scale=towers.log_scale)
    model.identity = dict(towers.identity)
    put_adapters(model, adapter)
    return model


def shaken(model: DynamicModel, seed: int = 0, *, by: float = 0.5) -> DynamicModel:
    """Return the model with all that is trained moved."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in (model.mixing.table, *model.adapter_parameters().values()):
            value.add_(by * torch.randn(value.shape, generator=generator))
    return model


def test_all_times_start_as_the_clip_s_rectified_cosines(make_towers: Maker) -> None:
    start = PromptModel.build(make_towers(layers=3), PROMPTS, FROZEN)
    model = built(make_towers(layers=3), DORA, text=start.text_features)
    found = model(images())
    assert found.shape == (3, len(TIMES), len(PROMPTS))
    expected = torch.relu(start(images()))
    torch.testing.assert_close(found, expected[:, None].expand_as(found), rtol=1e-5, atol=1e-5)
    assert model.final_step == FinalStep("ln_post", "proj")


@pytest.mark.parametrize("readout", ["cosine", "linear"])
@pytest.mark.parametrize(("window", "reach"), [("causal", 0), ("causal", 2), ("centred", 3)])
def test_mixed_logits_equal_the_loop_over_times_and_layers(
    make_towers: Maker, readout: Any, window: Any, reach: int
) -> None:
    towers = make_towers(layers=4, log_scale=math.log(100.0))
    model = shaken(built(towers, readout=readout, window=window, reach=reach))
    network: Any = towers.image.network
    with torch.no_grad():
        tokens = model.image(images()["image"]).unbind(dim=1)  # of every block
        if readout == "cosine":
            features = torch.stack([network.ln_post(c) @ network.proj for c in tokens])
            features = features / features.norm(dim=2, keepdim=True)
        else:
            features = torch.stack([c @ network.proj for c in tokens])
        expected = mix(model.mixing.table, features, model.text_features, reach, causal=window == "causal")
        found = model(images()).transpose(0, 1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.max()))


@pytest.mark.parametrize("noise", ["off", "mean"])
def test_a_batch_of_one_gives_what_a_batch_of_128_does(make_towers: Maker, noise: Any) -> None:
    model = shaken(built(make_towers(), DORA, noise=noise)).eval()
    model.set_curves(noise_level=torch.linspace(0, 1, len(TIMES)), richness=torch.linspace(0.5, 1, len(TIMES)))
    with torch.no_grad():
        model.store_spread(model.logits(images(20)))
        together = model(images(128))
        alone = torch.cat([model({"image": image[None]}) for image in images(128)["image"][:16]])
    torch.testing.assert_close(together[:16], alone, rtol=1e-5, atol=1e-5)


def test_gain_changes_dimensions_and_no_rdm(make_towers: Maker) -> None:
    model = shaken(built(make_towers(), noise="mean"))
    model.set_curves(noise_level=torch.full((len(TIMES),), 0.5))
    with torch.no_grad():
        model.store_spread(model.logits(images(8)))
        before = model(images(8))
        model.set_curves(generalization=torch.linspace(0.1, 1, len(TIMES)), richness=torch.linspace(2, 1, len(TIMES)))
        after = model(images(8))
    assert not torch.allclose(before, after)
    torch.testing.assert_close(rdms_over_time(before), rdms_over_time(after), rtol=1e-4, atol=1e-5)


def test_curves_are_averaged_over_the_window_and_noise_is_not(make_towers: Maker) -> None:
    model = built(make_towers(), window="centred", reach=1)
    one = torch.tensor([0.0, 0, 3, 0, 0, 0, 0])
    model.set_curves(generalization=one, richness=torch.full((7,), 2.0), noise_level=one)
    torch.testing.assert_close(model.gain, torch.tensor([0.0, 2, 2, 2, 0, 0, 0]))
    assert torch.equal(model.noise_level, one)
    with pytest.raises(ValueError, match="richness must have a value of at least 0 for each of 7 times"):
        model.set_curves(richness=-one)
    with pytest.raises(ValueError, match=r"noise_level must have .* got shape \(2,\)"):
        model.set_curves(noise_level=one[:2])
    with pytest.raises(ValueError, match="with NaN"):
        model.set_curves(noise_level=one * torch.nan)
    with pytest.raises(ValueError, match="a spread is of at least 2 images; got 1"):
        model.store_spread(model.logits(images(1)))


@pytest.mark.parametrize("times", [slice(0, 3), slice(3, 7)])
def test_a_causal_window_gives_no_gradient_to_weights_of_later_times(make_towers: Maker, times: slice) -> None:
    model = shaken(built(make_towers(layers=3), reach=2), by=1.0)
    rdms = rdms_over_time(model(images(6)))
    target = torch.rand(rdms.shape, generator=torch.Generator().manual_seed(3))
    each_time_loss(rdms[times], target[times]).backward()
    reached = model.mixing.table.grad.abs().sum(dim=1) > 0
    first, last = times.start, times.stop - 1
    assert bool(reached[max(0, first - 2) : last + 1].all())
    assert not bool(reached[last + 1 :].any())
    assert not bool(reached[: max(0, first - 2)].any())


def test_without_a_window_every_time_has_weights_of_its_own(make_towers: Maker) -> None:
    model = shaken(built(make_towers(layers=3)), by=1.0)
    model(images())[:, 4].square().sum().backward()
    reached = model.mixing.table.grad.abs().sum(dim=1) > 0
    assert reached.tolist() == [False] * 4 + [True] + [False] * 2


def test_every_adapter_gets_a_gradient_and_nothing_frozen_does(make_towers: Maker) -> None:
    model = shaken(built(make_towers(layers=3), DORA), by=0.1)
    model.stage("all")
    model.train()(images(5)).square().sum().backward()
    trained = model.adapter_parameters()
    assert len(trained) == 3 * 2  # A and B of every block; magnitudes stay
    assert [name for name, value in trained.items() if value.grad is None or not value.grad.abs().any()] == []
    others = [value for name, value in model.named_parameters() if name not in trained and name != "mixing.table"]
    assert all(value.grad is None and not value.requires_grad for value in others)


def test_more_blocks_than_there_are_mean_all_and_magnitudes_train_when_asked(make_towers: Maker) -> None:
    model = built(make_towers(layers=3), DORA)
    assert (model.adapter.image_blocks, model.cut) == (3, 0)
    magnitudes = AdapterConfig(kind="dora", rank=2, image_blocks=1, text_blocks=0)
    model = built(make_towers(layers=3), magnitudes)
    assert (model.adapter.image_blocks, model.cut, len(model.adapter_parameters())) == (1, 2, 3)


def test_the_published_start_scrambles_and_comes_on_request_alone(make_towers: Maker) -> None:
    published = AdapterConfig(kind="dora", rank=2, image_blocks=24, text_blocks=0, init="kaiming-both")
    plain, same, other = (built(make_towers(), adapter)(images()).detach() for adapter in (FROZEN, DORA, published))
    torch.testing.assert_close(same, plain, rtol=1e-5, atol=1e-5)
    assert float((other - plain).abs().max()) > 0.1


def test_stages_train_weights_alone_and_then_adapters(make_towers: Maker) -> None:
    model = shaken(built(make_towers(layers=3), AdapterConfig(rank=2, image_blocks=2, text_blocks=0, dropout=0.5)))
    expected = model(images()).detach()
    model.stage("weights")
    model.train()
    assert {name for name, value in model.named_parameters() if value.requires_grad} == {"mixing.table"}
    hidden = model.image.prefix(images()["image"])
    assert hidden.shape == (3, 3, 32)
    assert torch.equal(model({"hidden": hidden}), model({"logits": model.logits(images())}))
    torch.testing.assert_close(model({"hidden": hidden}), expected)  # adapters' dropout does not act
    model.stage("all")
    assert model.image.prefix(images()["image"]).shape == (3, 1 + 17, 32)
    assert {name for name, value in model.named_parameters() if value.requires_grad} == set(model.trained())
    assert not torch.allclose(model(images()), expected)  # and now it does
    torch.testing.assert_close(model.eval()(images()), expected)
    with pytest.raises(ValueError, match="stage must be one of"):
        model.stage("later")


def test_caches_are_known_by_what_is_frozen(make_towers: Maker) -> None:
    first, second = built(make_towers(layers=3), DORA), shaken(built(make_towers(layers=3), DORA))
    first.towers()  # leaves it as it is
    assert first.towers().identity == second.towers().identity
    for model in (first, second):
        model.stage("weights")
    assert first.towers().identity != second.towers().identity
    assert first.towers().preprocess == Preprocess.clip(32)


def test_what_was_trained_comes_back(make_towers: Maker) -> None:
    model, other = shaken(built(make_towers(), DORA)), built(make_towers(), DORA)
    other.load_trained(model.trained())
    assert torch.equal(other(images()), model(images()))
    with pytest.raises(ValueError, match=r"do not fit this model: 1 missing: 'mixing\.table'"):
        other.load_trained({name: value for name, value in model.trained().items() if name != "mixing.table"})


def test_published_noise_is_drawn_and_follows_the_seed(make_towers: Maker) -> None:
    model = built(make_towers(), noise="published")
    level = torch.tensor([1.0, 1, 1, 1, 0.5, 0, 1])
    model.set_curves(noise_level=level, generalization=torch.tensor([0.0, 0, 0, 1, 1, 1, 1]))

    def draw(seed: int, n: int = 6) -> torch.Tensor:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.default_generator.manual_seed(seed)
            return model(images(n))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert float(draw(1)[:, :3].max()) <= 1.1e-5  # no gain: what is left is the jitter
    silent = built(make_towers())(images(6))
    torch.testing.assert_close(draw(1)[:, 5], silent[:, 5], rtol=1e-5, atol=2e-5)
    assert bool(torch.isfinite(draw(1, 1)).all())


def test_the_readout_stays_in_full_precision_under_autocast(make_towers: Maker) -> None:
    model = shaken(built(make_towers()))
    model.stage("weights")
    hidden = model.image.prefix(images()["image"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model({"hidden": hidden})
    assert torch.equal(found, model({"hidden": hidden}))
    torch.testing.assert_close(model({"hidden": hidden.half()}), model({"hidden": hidden}), rtol=0.02, atol=0.05)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"times": ()}, "times must ascend"),
        ({"times": (0.1, 0.0)}, "times must ascend"),
        ({"times": (0.1, 0.1)}, "at least a microsecond apart"),
        ({"times": tuple(range(10_001))}, "there may be 10,000 times at most; got 10,001"),
        ({"readout": "dot"}, "readout must be one of 'cosine', 'linear'"),
        ({"window": "late"}, "window must be one of"),
        ({"noise": "loud"}, "noise must be one of"),
        ({"reach": -1}, "reach must be at least 0"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        DynamicSettings(**{"times": TIMES, **options})


@pytest.mark.parametrize(("rank", "n_times", "expected"), [(32, 281, 1_579_608), (6, 221, 300_216)])
def test_a_vit_l_trains_as_many_numbers_as_published(rank: int, n_times: int, expected: int) -> None:
    import open_clip

    vision = {"image_size": 28, "layers": 24, "width": 1024, "head_width": 64, "patch_size": 14}
    with torch.device("meta"):  # ViT-L/14 without its numbers, and a picture of 2 x 2 patches
        clip = open_clip.CLIP(**{**sizes(), "embed_dim": 768, "vision_cfg": vision}).eval()
    source = Model.from_module(clip.visual, Preprocess.clip(28), name="L", n_prefix_tokens=1, class_token=True)
    settings = DynamicSettings(times=tuple(k / 200 - 0.1 for k in range(n_times)))
    model = assemble(
        SplitTower.from_model(source),
        source,
        torch.zeros(66, 768, device="meta"),
        settings,
        name="L",
        step=FinalStep("ln_post", "proj"),
        log_scale=0.0,
    )
    put_adapters(model, AdapterConfig(rank=rank, image_blocks=24, text_blocks=0, train_magnitude=False))
    assert sum(value.numel() for value in (model.mixing.table, *model.adapter_parameters().values())) == expected


def test_clip_hba_s_prompts_differ_once_they_are_tokens(shared_data: Callable[[str], Path]) -> None:
    import json

    import open_clip

    prompts = json.loads(shared_data("things/prompts.json").read_text())["prompts66_used"]
    tokens = open_clip.get_tokenizer("ViT-L-14")(prompts)
    assert len({tuple(row) for row in tokens.tolist()}) == len(prompts) == 66
