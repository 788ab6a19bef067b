from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from alignkit.models import Preprocess, extract, load
from alignkit.models import _hub as hub

from .conftest import picture

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TINY: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
TEXT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 50}
IMAGES = {f"{seed}": picture(seed, (40 + seed, 37)) for seed in range(3)}


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Return what saves a tiny network with random weights, and a processor, as the hub has them."""

    def save(network: Any, **options: Any) -> Path:
        folder = tmp_path / type(network).__name__
        with hub.quiet_transformers():
            network.save_pretrained(folder, **options)
            transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
        return folder

    return save


def build(name: str, **config: Any) -> Any:
    """Return one of transformers' networks with random weights, from a fixed seed."""
    with hub.quiet_transformers(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kind = getattr(transformers, name)
        network = kind(kind.config_class(**config)).eval()
        for parameter in network.parameters():  # some begin with zeros, under which everything is equal
            torch.nn.init.normal_(parameter, std=0.3)
    return network


def dual(name: str) -> Any:
    kind = getattr(transformers, name)
    vision = {**TINY, "projection_dim": 8} if name == "CLIPModel" else TINY
    config = {"vision_config": vision, "text_config": {**TEXT, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}}
    return build(name, **config, **({"projection_dim": 8} if kind is transformers.CLIPModel else {}))


def own_forward(network: Any, model: Any, **options: Any) -> Any:
    pixels = torch.from_numpy(np.stack([model.preprocess(image) for image in IMAGES.values()]))
    with torch.inference_mode():
        return network(pixels, **options)


# --- what each kind of network gives


@pytest.mark.parametrize("name", ["ViTModel", "Dinov2Model", "BeitModel", "SiglipVisionModel", "CLIPVisionModel"])
def test_the_output_is_what_the_library_pools(save: Callable[..., Path], name: str) -> None:
    network = build(name, **TINY)
    model = load(f"hf:{save(network)}", device="cpu")
    expected = own_forward(network, model)
    feats = extract(model, IMAGES, layers=["output", -1], batch_size=2, progress=False)
    np.testing.assert_allclose(feats.array("output"), expected.pooler_output, rtol=1e-5, atol=1e-5)
    assert (model.default_layer, model.settings["representation"]) == ("output", "pooler_output")
    assert model.settings["architecture"] == name
    assert len(model.probe().blocks) == 3
    assert model.class_token is (name != "SiglipVisionModel")


def test_blocks_are_the_librarys_hidden_states(save: Callable[..., Path]) -> None:
    network = build("Dinov2Model", **TINY)
    model = load(f"hf:{save(network)}", device="cpu")
    states = own_forward(network, model, output_hidden_states=True).hidden_states  # the embeddings, then each block
    for number in range(3):
        tokens = states[number + 1].numpy()
        layer = model.resolve(number)[0]
        cls = extract(model, IMAGES, layers=number, progress=False)
        np.testing.assert_allclose(cls.array(layer), tokens[:, 0], rtol=1e-5, atol=1e-5)
        mean = extract(model, IMAGES, layers=number, pool="mean", progress=False)
        np.testing.assert_allclose(mean.array(layer), tokens[:, 1:].mean(1), rtol=1e-4, atol=1e-5)


def test_registers_are_no_patches(save: Callable[..., Path]) -> None:
    for name, config, prefix in (
        ("Dinov2WithRegistersModel", {"num_register_tokens": 4}, 5),
        ("DINOv3ViTModel", {"num_register_tokens": 2}, 3),
        ("DeiTModel", {}, 2),
    ):
        network = build(name, **TINY, **config)
        model = load(f"hf:{save(network)}", device="cpu")
        assert (model.n_prefix_tokens, model.class_token, model.probe().n_tokens) == (prefix, True, prefix + 16), name
        tokens = own_forward(network, model, output_hidden_states=True).hidden_states[2].numpy()
        layer = model.resolve(1)[0]
        mean = extract(model, IMAGES, layers=layer, pool="mean", progress=False)
        np.testing.assert_allclose(mean.array(), tokens[:, prefix:].mean(1), rtol=1e-4, atol=1e-5)


def test_of_a_clip_the_image_tower_is_taken(save: Callable[..., Path]) -> None:
    network = dual("CLIPModel")
    model = load(f"hf:{save(network)}", device="cpu")
    pixels = torch.from_numpy(np.stack([model.preprocess(image) for image in IMAGES.values()]))
    with torch.inference_mode():
        pooled = network.vision_model(pixel_values=pixels).pooler_output
        expected = network.visual_projection(pooled)
    feats = extract(model, IMAGES, progress=False)
    np.testing.assert_allclose(feats.array(), expected, rtol=1e-5, atol=1e-5)
    assert model.settings["representation"] == "image_embeds"
    assert not any("text" in name for name in model.module.state_dict())
    assert model.resolve(0) == ("vision_model.encoder.layers.0",)
    # the same weights saved as a tower alone
    tower = build("CLIPVisionModelWithProjection", **TINY, projection_dim=8)
    tower.vision_model.load_state_dict(network.vision_model.state_dict())
    tower.visual_projection.load_state_dict(network.visual_projection.state_dict())
    alone = load(f"hf:{save(tower)}", device="cpu")
    np.testing.assert_allclose(extract(alone, IMAGES, progress=False).array(), expected, rtol=1e-5, atol=1e-5)
    assert alone.weights_sha256 == model.weights_sha256


def test_of_a_siglip_the_pooled_image_is_taken(save: Callable[..., Path]) -> None:
    network = dual("SiglipModel")
    model = load(f"hf:{save(network)}", device="cpu")
    pixels = torch.from_numpy(np.stack([model.preprocess(image) for image in IMAGES.values()]))
    with torch.inference_mode():
        expected = network.vision_model(pixel_values=pixels).pooler_output
    np.testing.assert_allclose(extract(model, IMAGES, progress=False).array(), expected, rtol=1e-5, atol=1e-5)
    assert (model.class_token, model.n_prefix_tokens) == (False, 0)


@pytest.mark.parametrize("name", ["ConvNextModel", "ResNetModel"])
def test_convolutional_networks(save: Callable[..., Path], name: str) -> None:
    network = build(name, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1])
    model = load(f"hf:{save(network)}", device="cpu", preprocess="imagenet", img_size=64)
    expected = own_forward(network, model).pooler_output
    np.testing.assert_allclose(
        extract(model, IMAGES, progress=False).array(), expected.flatten(1), rtol=1e-4, atol=1e-4
    )
    assert (model.class_token, model.probe().blocks) == (False, [])


def test_a_classifier_has_no_pooler_so_its_class_token_is_taken(save: Callable[..., Path]) -> None:
    # transformers would draw the pooler's weights at random
    network = build("ViTForImageClassification", **TINY, num_labels=5)
    folder = save(network.half())
    models = [load(f"hf:{folder}", device="cpu") for _ in range(2)]
    assert models[0].weights_sha256 == models[1].weights_sha256
    assert models[0].settings["representation"] == "last_hidden_state"
    assert not any(name.startswith("pooler") for name in models[0].module.state_dict())
    assert {parameter.dtype for parameter in models[0].module.parameters()} == {torch.float32}
    expected = own_forward(network.float().vit, models[0]).last_hidden_state
    feats = extract(models[0], IMAGES, progress=False)
    np.testing.assert_allclose(feats.array(), expected[:, 0], rtol=1e-4, atol=1e-4)


def test_mae_hides_nothing(save: Callable[..., Path]) -> None:
    network = build("ViTMAEModel", **TINY)
    model = load(f"hf:{save(network)}", device="cpu")
    feats = extract(model, IMAGES, progress=False)
    assert feats.array().tobytes() == extract(model, IMAGES, progress=False).array().tobytes()
    assert model.probe().n_tokens == 17
    network.config.mask_ratio = 0.0
    expected = own_forward(network, model).last_hidden_state  # patches in a random order, all of them
    np.testing.assert_allclose(feats.array(), expected[:, 0], rtol=1e-4, atol=1e-4)


def test_another_input_size(save: Callable[..., Path]) -> None:
    for name in ("ViTModel", "Dinov2Model"):
        network = build(name, **TINY)
        model = load(f"hf:{save(network)}", device="cpu", img_size=48)
        assert (model.preprocess.size, model.settings["img_size"]) == (48, 48)  # type: ignore[union-attr]
        options = {"interpolate_pos_encoding": True} if name == "ViTModel" else {}
        expected = own_forward(network, model, **options).pooler_output
        np.testing.assert_allclose(extract(model, IMAGES, progress=False).array(), expected, rtol=1e-5, atol=1e-5)


def test_the_identity_says_where_the_weights_come_from(save: Callable[..., Path]) -> None:
    from alignkit._io import sha256

    folder = save(build("ViTModel", **TINY))
    described = load(f"hf:{folder}", device="cpu").describe()
    assert described["name"] == f"hf:{folder}"
    assert described["settings"] == {
        "architecture": "ViTModel",
        "model_type": "vit",
        "weights_files": {"model.safetensors": sha256(folder / "model.safetensors")},
        "representation": "pooler_output",
    }
    json.dumps(described)


# --- preprocessing


@pytest.mark.parametrize("resample", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"height": 32, "width": 32}},
        {"size": {"shortest_edge": 37}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True},
        {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True},
        {"size": {"height": 40, "width": 40}, "crop_size": {"height": 33, "width": 33}, "do_center_crop": True},
        {"size": {"height": 32, "width": 32}, "do_normalize": False},
    ],
)
def test_preprocessing_equals_the_librarys_own(settings: dict[str, Any], resample: int) -> None:
    kind = getattr(transformers, "CLIPImageProcessorPil", None)
    if kind is None:
        pytest.skip("this transformers has no PIL backend of that name")
    options: dict[str, Any] = {"do_center_crop": False, "resample": resample, **settings}
    processor = kind(**options)
    ours = Preprocess.from_transformers(processor.to_dict())
    assert ours.offset == "floor"
    for size in ((40, 30), (41, 30), (30, 45), (33, 64), (32, 32), (101, 97)):
        image = picture(1, size)
        expected = processor(images=image, return_tensors="np")["pixel_values"][0]
        np.testing.assert_allclose(ours(image), expected, atol=1e-5)


def test_every_edge_and_crop_keeps_its_size() -> None:
    settings = transformers.CLIPImageProcessor().to_dict()
    for edge in range(200, 300):
        for size in range(190, edge + 1, 7):
            found = Preprocess.from_transformers(
                {**settings, "size": {"shortest_edge": edge}, "crop_size": {"height": size, "width": size}}
            )
            assert found.size == size
            assert int(found.size / found.crop) == edge


def test_what_ours_has_no_words_for_stays_the_librarys(save: Callable[..., Path]) -> None:
    folder = save(build("ViTModel", **TINY))
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    for change, reason in (
        ({"do_pad": True}, "does more than resize, crop and scale"),
        ({"rescale_factor": 1 / 127.5}, "scales pixels by 0.0078"),
        ({"size": {"height": 32, "width": 48}}, "is not square"),
        ({"size": {"shortest_edge": 32}}, "other shapes than square"),
        ({"do_resize": False}, "no resizing"),
    ):
        with pytest.raises(ValueError, match=reason):
            Preprocess.from_transformers({**settings, **change})
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "rescale_factor": 1 / 127.5}))
    model = load(f"hf:{folder}", device="cpu")
    feats = extract(model, {"a": Image.new("RGB", (50, 40), (255, 0, 51))}, progress=False)
    assert feats.array().shape == (1, 16)
    pixels = model.preprocess(Image.new("RGB", (50, 40), (255, 0, 51)))  # type: ignore[operator]
    np.testing.assert_allclose(pixels[:, 0, 0], (np.array([2.0, 0.0, 0.4]) - 0.5) / 0.5, atol=1e-5)
    assert "0.00784" in feats.manifest["model"]["preprocess"]["repr"]
    assert "0x" not in feats.manifest["model"]["preprocess"]["repr"]
    with pytest.raises(ValueError, match="does not take 'img_size'"):
        load(f"hf:{folder}", device="cpu", img_size=48)


def test_a_folder_without_preprocessing(save: Callable[..., Path]) -> None:
    folder = save(build("ViTModel", **TINY))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(
        ValueError, match=r"has no preprocessor_config\.json that transformers can read; pass preprocess="
    ):
        load(f"hf:{folder}", device="cpu")
    assert load(f"hf:{folder}", device="cpu", preprocess="clip").preprocess == Preprocess.clip(32)


# --- files


def test_weights_in_several_files(save: Callable[..., Path]) -> None:
    network = build("ViTModel", **TINY)
    whole = load(f"hf:{save(network)}", device="cpu").weights_sha256
    folder = save(network, max_shard_size="8KB")
    (folder / "model.safetensors").unlink()
    model = load(f"hf:{folder}", device="cpu")
    assert model.weights_sha256 == whole
    assert len(model.settings["weights_files"]) > 1
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    next(folder.glob("model-*")).unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks 'model-0000\d-of-0000\d\.safetensors' of its weights"):
        load(f"hf:{folder}", device="cpu")
    for evil in ({"a": "../../secret.safetensors"}, {"a": "weights.bin"}, {}, None):
        index.write_text(json.dumps({**content, "weight_map": evil}))
        with pytest.raises(ValueError, match="does not name the safetensors files beside it"):
            load(f"hf:{folder}", device="cpu")


def test_pickled_damaged_and_missing_weights(save: Callable[..., Path]) -> None:
    from safetensors.torch import load_file, save_file

    network = build("ViTModel", **TINY)
    folder = save(network)
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-100])
    with pytest.raises(ValueError, match=r"ViTModel cannot be loaded by transformers \("):
        load(f"hf:{folder}", device="cpu")
    weights.write_bytes(content)
    state = load_file(weights)
    del state["layernorm.weight"]
    save_file(state, weights, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"ViTModel lacks 1 weights of its network: 'layernorm\.weight'"):
        load(f"hf:{folder}", device="cpu")
    weights.unlink()
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"has no model\.safetensors \(pickled weights are never loaded\)"):
        load(f"hf:{folder}", device="cpu")
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no config\.json, so it is no model of transformers"):
        load(f"hf:{folder}", device="cpu")


def test_code_that_comes_with_a_model_is_not_run(save: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = save(build("ViTModel", **TINY))
    config = json.loads((folder / "config.json").read_text())
    (folder / "evil.py").write_text("print('ran')\nclass C: ...\nclass M: ...\n")
    for model_type in ("evil", None):
        evil = {**config, "model_type": model_type, "auto_map": {"AutoConfig": "evil.C", "AutoModel": "evil.M"}}
        (folder / "config.json").write_text(json.dumps(evil))
        with pytest.raises(ValueError, match=r"is no configuration that transformers itself knows .* is never run"):
            load(f"hf:{folder}", device="cpu")
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.M"}}))
    assert load(f"hf:{folder}", device="cpu").settings["architecture"] == "ViTModel"
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    evil = {**settings, "auto_map": {"AutoImageProcessor": "evil.M"}, "image_processor_type": "M"}
    (folder / "preprocessor_config.json").write_text(json.dumps(evil))
    with pytest.raises(ValueError, match=r"no preprocessor_config\.json that transformers can read"):
        load(f"hf:{folder}", device="cpu")
    assert "ran" not in capsys.readouterr().out


def test_models_that_do_not_read_images(save: Callable[..., Path]) -> None:
    folder = save(build("BertModel", **TEXT))
    with pytest.raises(ValueError, match="holds a BertModel, which does not read images; hf: is for vision models"):
        load(f"hf:{folder}", device="cpu")


def test_names_that_are_neither_folder_nor_repository() -> None:
    for name in ("hf:/no/such/folder", "hf:./no", "hf:a/b/c", "hf:a b"):
        with pytest.raises(FileNotFoundError, match="does not exist; hf: takes a folder, or a model of the hub as"):
            load(name, device="cpu")
    with pytest.raises(ValueError, match="does not take 'weights', 'architecture'; leave it out"):
        load("hf:a/b", weights="x", architecture="y", device="cpu")


def test_the_cache_serves_without_a_network(
    save: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    folder = save(build("Dinov2Model", **TINY))
    cache = tmp_path / "cache"
    snapshot = cache / "models--facebook--tiny" / "snapshots" / ("0" * 40)
    snapshot.parent.mkdir(parents=True)
    (cache / "models--facebook--tiny" / "refs").mkdir()
    (cache / "models--facebook--tiny" / "refs" / "main").write_text("0" * 40)
    expected = load(f"hf:{folder}", device="cpu")
    folder.rename(snapshot)
    monkeypatch.setattr(hub, "reachable", lambda url: False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    assert load("hf:facebook/tiny", device="cpu").weights_sha256 == expected.weights_sha256
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"hf:facebook/tiny is not in the local cache .*'model\.safetensors'"):
        load("hf:facebook/tiny", device="cpu")
    sentence = (
        r"hf:facebook/dinov2-base is not in the local cache and cannot be downloaded .*fetch config\.json, "
        r"preprocessor_config\.json and model\.safetensors of https://huggingface\.co/facebook/dinov2-base"
    )
    with pytest.raises(FileNotFoundError, match=sentence):
        load("hf:facebook/dinov2-base", device="cpu")
    assert constants.HF_HUB_OFFLINE is False


def test_loading_draws_from_no_generator_and_leaves_the_loudness(save: Callable[..., Path]) -> None:
    folder = save(build("ViTForImageClassification", **TINY, num_labels=5))
    verbosity, before = transformers.logging.get_verbosity(), torch.get_rng_state()
    load(f"hf:{folder}", device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert transformers.logging.get_verbosity() == verbosity
