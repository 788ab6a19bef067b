"""Dimensions as cosines with prompts: against a plain loop, with towers frozen or trained, cached or not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from reference.prompt_cosines import prompt_cosines

from alignkit.models import Tokenizer, Towers, load_towers
from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._prompt_model import OfImages, PromptModel

PROMPTS = ["metallic; artificial", "food-related", "a long and thin thing", "red"]
FROZEN = AdapterConfig(kind="none")
LORA = AdapterConfig(kind="lora", rank=2, dropout=0.25, image_blocks=1, text_blocks=1)
Maker = Callable[..., Any]


def images(n: int = 3) -> dict[str, torch.Tensor]:
    return {"image": torch.rand((n, 3, 32, 32), generator=torch.Generator().manual_seed(1))}


def trainable(model: PromptModel) -> dict[str, torch.nn.Parameter]:
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def shaken(model: PromptModel, seed: int = 0) -> PromptModel:
    """Return the model with every trained parameter moved."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def embeddings(clip: Any, towers: Towers) -> tuple[Any, Any]:
    with torch.no_grad():
        x = clip.encode_image(images()["image"])
        t = clip.encode_text(towers.tokenizer(PROMPTS))  # type: ignore[misc]
    return x.double().tolist(), t.double().tolist()


def test_a_clip_s_dimensions_are_its_scaled_cosines(make_clip: Maker, make_towers: Maker) -> None:
    towers = make_towers(log_scale=np.log(100.0))
    model = PromptModel.build(towers, PROMPTS, FROZEN)
    x, t = embeddings(make_clip(), towers)
    np.testing.assert_allclose(model(images()).detach(), prompt_cosines(x, t, np.log(100.0)), rtol=1e-4, atol=1e-3)
    assert not trainable(model)
    assert model.dimensions == 4
    torch.testing.assert_close(model.embed(images()), torch.tensor(x).float())


def test_a_slope_and_an_offset_of_every_dimension(make_clip: Maker, make_towers: Maker) -> None:
    towers = make_towers()
    model = PromptModel.build(towers, PROMPTS, FROZEN, affine=True)
    assert set(trainable(model)) == {"slope", "offset"}
    assert torch.equal(model(images()), PromptModel.build(make_towers(), PROMPTS, FROZEN)(images()))  # at first
    shaken(model)
    x, t = embeddings(make_clip(), towers)
    expected = prompt_cosines(x, t, towers.log_scale, model.slope.tolist(), model.offset.tolist())  # type: ignore[union-attr]
    np.testing.assert_allclose(model(images()).detach(), expected, rtol=1e-4, atol=1e-4)


def test_a_pair_has_a_projection_and_a_scale_of_its_own(make_towers: Maker, make_clip: Maker) -> None:
    towers = make_towers(paired=True)
    model = PromptModel.build(towers, PROMPTS, FROZEN, head="ridge")
    assert set(trainable(model)) == {"log_scale", "projection.weight", "projection.bias"}
    generator = torch.Generator().manual_seed(5)
    weight, bias = torch.randn((24, 24), generator=generator), torch.randn(24, generator=generator)
    model.set_projection(weight, bias, 3.5)
    x, t = embeddings(make_clip(), towers)
    projected = (np.array(x) @ weight.double().numpy().T + bias.double().numpy()).tolist()
    np.testing.assert_allclose(model(images()).detach(), prompt_cosines(projected, t, 3.5), rtol=1e-4, atol=1e-3)
    with pytest.raises(ValueError, match=r"the projection does not fit: 1 of another shape: weight is \(24, 3\)"):
        model.set_projection(torch.zeros(24, 3), bias)


def test_the_start_is_a_function_of_the_seed(make_towers: Maker) -> None:
    def start(seed: int) -> dict[str, torch.Tensor]:
        return PromptModel.build(make_towers(paired=True), PROMPTS, LORA, seed=seed).trained()

    before = torch.get_rng_state()
    first, again, other = start(1), start(1), start(2)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["projection.weight"], other["projection.weight"])


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_adapters_start_as_the_frozen_model(make_towers: Maker, kind: Any) -> None:
    adapter = AdapterConfig(kind=kind, rank=2, image_blocks=2, text_blocks=1)
    model = PromptModel.build(make_towers(), PROMPTS, adapter)
    frozen = PromptModel.build(make_towers(), PROMPTS, FROZEN)
    torch.testing.assert_close(model(images()), frozen(images()), rtol=1e-5, atol=1e-5)
    assert {name.split(".")[0] for name in trainable(model)} == {"image", "texts"}
    blocks = {name.partition("resblocks.")[2][0] for name in trainable(model) if name.startswith("image")}
    assert blocks == {"0", "1"}


def test_prompts_are_encoded_without_dropout(make_towers: Maker) -> None:
    adapter = AdapterConfig(kind="dora", init="kaiming-both", rank=2, dropout=0.5)
    model = PromptModel.build(make_towers(), PROMPTS, adapter)
    torch.testing.assert_close(model.text_features, model.features())


def test_every_adapter_gets_a_gradient(make_towers: Maker) -> None:
    model = shaken(PromptModel.build(make_towers(paired=True), PROMPTS, LORA, affine=True)).train()
    model(images()).square().sum().backward()
    missing = [name for name, value in trainable(model).items() if value.grad is None or not value.grad.abs().any()]
    assert missing == []
    assert all(value.grad is None for value in model.parameters() if not value.requires_grad)


def test_kept_tokens_give_what_images_give(make_towers: Maker) -> None:
    model = shaken(PromptModel.build(make_towers(), PROMPTS, LORA))
    hidden = model.image.prefix(images()["image"])
    for mode in (False, True):
        model.train(mode)
        outputs = []
        for inputs in (images(), {"hidden": hidden}):
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(7)  # of dropout
                outputs.append(model(inputs))
        assert torch.equal(*outputs)


def test_dropout_acts_in_training_alone(make_towers: Maker) -> None:
    model = shaken(PromptModel.build(make_towers(), PROMPTS, LORA))
    assert torch.equal(model(images()), model(images()))
    model.train()
    assert not torch.equal(model(images()), model(images()))


def test_trained_prompts_are_encoded_once_per_pass(make_towers: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    model = shaken(PromptModel.build(make_towers(), PROMPTS, LORA))
    assert model.texts is not None
    calls: list[int] = []
    suffix = model.texts.tower.suffix
    monkeypatch.setattr(model.texts.tower, "suffix", lambda *args: calls.append(len(args[0])) or suffix(*args))
    model(images())
    assert calls == [4]
    expected = torch.cat([_encoded(model, make_towers(), prompt) for prompt in PROMPTS])
    torch.testing.assert_close(model.features(), expected)


def _encoded(model: PromptModel, towers: Towers, prompt: str) -> torch.Tensor:
    assert model.texts is not None
    row = model.texts.tower(towers.tokenizer([prompt]))  # type: ignore[misc]
    return row / row.norm(dim=1, keepdim=True)


def test_frozen_prompts_need_no_text_network(make_towers: Maker) -> None:
    adapter = AdapterConfig(kind="lora", rank=2, image_blocks=1, text_blocks=0)
    model = PromptModel.build(make_towers(), PROMPTS, adapter)
    assert model.texts is None
    assert not any("token_embedding" in name for name in model.state_dict())
    torch.testing.assert_close(model.text_features.norm(dim=1), torch.ones(4))


def test_a_real_text_encoder_is_trained_in_part() -> None:
    towers = load_towers("random:test_vit", text="minilm", layer=4, img_size=32)
    model = shaken(PromptModel.build(towers, PROMPTS, LORA)).train()
    model(images()).square().sum().backward()
    texts = {name: value for name, value in trainable(model).items() if name.startswith("texts.")}
    assert len(texts) == 2
    assert all("layer.5." in name and value.grad is not None for name, value in texts.items())
    assert model.image.start == 4
    expected = towers.text(towers.tokenizer(PROMPTS))  # type: ignore[misc]
    model.eval()
    torch.testing.assert_close(model.features(), towers.text(towers.tokenizer(PROMPTS)))  # type: ignore[misc]
    assert expected.shape == (4, 384)


def test_what_was_trained_is_put_back(make_towers: Maker) -> None:
    model = shaken(PromptModel.build(make_towers(paired=True), PROMPTS, LORA, affine=True))
    state = model.trained()
    other = PromptModel.build(make_towers(paired=True), PROMPTS, LORA, affine=True, seed=9)
    assert not torch.equal(other(images()), model(images()))
    other.load_trained(state)
    assert torch.equal(other(images()), model(images()))
    assert torch.equal(copy.deepcopy(other)(images()), model(images()))
    left_out = {name: value for name, value in state.items() if name != "offset"}
    with pytest.raises(ValueError, match="the trained parameters do not fit this model: 1 missing: 'offset'"):
        other.load_trained(left_out)


def test_images_alone(make_towers: Maker) -> None:
    model = PromptModel.build(make_towers(), PROMPTS, FROZEN)
    assert torch.equal(OfImages(model)(images()["image"]), model(images()))


def test_an_image_without_a_direction_has_no_cosines(make_towers: Maker) -> None:
    model = PromptModel.build(make_towers(paired=True), PROMPTS, FROZEN)
    model.set_projection(torch.zeros(24, 24), torch.zeros(24))
    assert model(images()).isnan().all()


def test_prompts_that_are_cut_are_named(make_towers: Maker) -> None:
    towers = make_towers()
    tokenizer = Tokenizer("words", 3, towers.tokenizer.tokenize, lambda texts: [len(text.split()) for text in texts])
    object.__setattr__(towers, "tokenizer", tokenizer)
    with pytest.warns(UserWarning, match=r"1 of 4 prompts are longer than the 3 tokens .* are cut: 'a long and thin"):
        PromptModel.build(towers, PROMPTS, FROZEN)


@pytest.mark.parametrize(
    ("prompts", "adapter", "options", "message"),
    [
        ([], FROZEN, {}, "there are no prompts"),
        (["red", ""], FROZEN, {}, "prompts holds an empty label at position 1"),
        (PROMPTS, FROZEN, {"head": "ridge"}, "the towers of toy share one space"),
        (PROMPTS, FROZEN, {"head": "zero"}, "head must be one of"),
        (PROMPTS, AdapterConfig(image_blocks=3), {}, "image_blocks is 3, and the image network has 2 blocks"),
        (PROMPTS, AdapterConfig(text_blocks=5), {}, "text_blocks is 5, and the text network has 2 blocks"),
    ],
)
def test_what_cannot_be_built(
    make_towers: Maker, prompts: list[str], adapter: AdapterConfig, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        PromptModel.build(make_towers(), prompts, adapter, **options)


def test_a_clip_has_no_projection_to_set(make_towers: Maker) -> None:
    model = PromptModel.build(make_towers(), PROMPTS, FROZEN)
    with pytest.raises(ValueError, match="the two towers share one space and have no projection"):
        model.set_projection(torch.zeros(24, 24), torch.zeros(24))


def test_a_standardised_embedding_changes_no_output_and_is_saved_plain(make_towers: Maker) -> None:
    model = PromptModel.build(make_towers(paired=True), PROMPTS, FROZEN)
    weight, bias = (value.detach().clone() for value in model.projection.parameters())  # type: ignore[union-attr]
    with torch.no_grad():
        before, embedding = model(images()), model.embed(images())
        spread = embedding.std(dim=0).index_fill(0, torch.tensor([1]), 0.0)
        model.standardise(embedding.mean(dim=0), spread)
        torch.testing.assert_close(model(images()), before, rtol=1e-5, atol=1e-4)
    assert not torch.allclose(model.projection.weight, weight)  # type: ignore[union-attr]
    torch.testing.assert_close(model.plain_projection()["projection.weight"], weight)
    torch.testing.assert_close(model.plain_projection()["projection.bias"], bias, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        model.load_saved({"log_scale": model.log_scale, "projection.weight": weight, "projection.bias": bias})
        torch.testing.assert_close(model(images()), before, rtol=1e-5, atol=1e-4)


def test_dropout_acts_in_training_alone_and_needs_a_pair(make_towers: Maker) -> None:
    model = PromptModel.build(make_towers(paired=True), PROMPTS, FROZEN, dropout=0.5)
    assert torch.equal(model(images()), model(images()))
    model.train()
    assert not torch.equal(model(images()), model(images()))
    with pytest.raises(ValueError, match="dropout is of a pair's projection"):
        PromptModel.build(make_towers(), PROMPTS, FROZEN, dropout=0.5)
