"""The small network, and networks that are trained as a whole: the same numbers before, trained weights after."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from alignkit.models import Preprocess, list_models, load, load_towers
from alignkit.models._adapter_config import AdapterConfig
from alignkit.models._prompt_model import PromptModel
from alignkit.models._run_model import save_run_model
from alignkit.models._small_cnn import SmallCNN

PROMPTS = ["red", "a tool", "round"]
WHOLE = AdapterConfig(kind="full", image_blocks=1, text_blocks=0)


def pictures(n: int = 3, size: int = 64) -> torch.Tensor:
    return torch.rand((n, 3, size, size), generator=torch.Generator().manual_seed(1))


def build(adapter: AdapterConfig = WHOLE, backbone: str = "random:small_cnn", size: int = 64) -> PromptModel:
    return PromptModel.build(load_towers(backbone, text="minilm", img_size=size), PROMPTS, adapter)


def test_it_comes_from_its_seed_with_its_own_preprocessing() -> None:
    state = torch.random.get_rng_state()
    one, same, other = (load("random:small_cnn", device="cpu", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert one.weights_sha256 == same.weights_sha256 != other.weights_sha256
    assert one.preprocess == Preprocess(size=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert one.resolve(None) == ("output",)
    assert "random:small_cnn" in list_models("random:small_*").names


def test_training_mode_changes_nothing_and_every_weight_gets_a_gradient() -> None:
    network = SmallCNN()
    with torch.no_grad():
        assert torch.equal(network.train()(pictures()), network.eval()(pictures()))
    network(pictures()).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())


def test_a_network_without_blocks_is_trained_as_a_whole() -> None:
    frozen, model = build(AdapterConfig(kind="none")), build()
    with torch.no_grad():
        assert torch.equal(model({"image": pictures()}), frozen({"image": pictures()}))
        hidden = model.image.prefix(pictures())  # nothing lies before what is trained
        assert torch.equal(hidden, pictures())
        assert torch.equal(model({"hidden": hidden}), frozen({"image": pictures()}))
    assert model.image.takes_inputs
    assert not frozen.image.takes_inputs
    model({"image": pictures()}).square().sum().backward()
    inner = dict(model.image.network.named_parameters())
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in inner.values())
    assert {f"image.network.{name}" for name in inner} < set(model.trained())


def test_blocks_of_a_transformer_are_trained_with_all_their_weights() -> None:
    model = build(AdapterConfig(kind="full", image_blocks=2, text_blocks=0), "random:test_vit", 32)
    trained = {name for name, weight in model.image.network.named_parameters() if weight.requires_grad}
    blocks = ("blocks.4.", "blocks.5.")
    assert trained == {name for name, _ in model.image.network.named_parameters() if name.startswith(blocks)}
    assert model.image.start == 4
    assert not model.image.takes_inputs
    model({"hidden": model.image.prefix(pictures(size=32))}).square().sum().backward()
    weight = model.image.network.get_parameter("blocks.4.mlp.fc1.weight")
    assert weight.grad is not None


def test_what_was_trained_is_saved_and_loaded(tmp_path: Path) -> None:
    model = build()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)))
        expected = model({"image": pictures()})
    save_run_model(tmp_path, model, manifest={"method": "hba"})
    with torch.no_grad():
        assert torch.equal(load(f"run:{tmp_path}", device="cpu").module(pictures()), expected)


def test_a_network_without_blocks_says_how_it_is_trained() -> None:
    with pytest.raises(ValueError, match=r"no blocks that can be adapted; set adapter\.kind to 'none', which trains"):
        build(AdapterConfig(kind="lora", image_blocks=2, text_blocks=0))


def test_more_blocks_than_there_are_mean_the_whole_network_where_all_weights_are_trained() -> None:
    assert build(AdapterConfig(kind="full", image_blocks=2, text_blocks=0)).image.takes_inputs
    assert build(AdapterConfig(kind="full", image_blocks=7, text_blocks=0), "random:test_vit", 32).image.takes_inputs
    with pytest.raises(ValueError, match="image_blocks is 7, and the image network has 6 blocks"):
        build(AdapterConfig(kind="lora", image_blocks=7, text_blocks=0), "random:test_vit", 32)
