from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alignkit.models import Preprocess

from .conftest import picture

torchvision = pytest.importorskip("torchvision.transforms")
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def reference(image: Image.Image, steps: list[object], mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    tail = [torchvision.ToTensor(), torchvision.Normalize(mean, std)]
    return torchvision.Compose([*steps, *tail])(image).numpy()


@given(width=st.integers(1, 300), height=st.integers(1, 300), size=st.sampled_from([32, 65]), seed=st.integers(0, 99))
def test_clip_is_torchvisions_bit_for_bit(width: int, height: int, size: int, seed: int) -> None:
    image = picture(seed, (width, height))
    bicubic = torchvision.InterpolationMode.BICUBIC
    steps = [torchvision.Resize(size, interpolation=bicubic), torchvision.CenterCrop(size)]
    np.testing.assert_array_equal(Preprocess.clip(size)(image), reference(image, steps, CLIP_MEAN, CLIP_STD))


@given(width=st.integers(1, 300), height=st.integers(1, 300), seed=st.integers(0, 99))
def test_hba_squashes_with_its_own_constants(width: int, height: int, seed: int) -> None:
    image = picture(seed, (width, height))
    steps = [torchvision.Resize((64, 64), interpolation=torchvision.InterpolationMode.BILINEAR)]
    mean, std = (0.52997664, 0.48070561, 0.41943838), (0.27608301, 0.26593025, 0.28238822)
    np.testing.assert_array_equal(Preprocess.hba(64)(image), reference(image, steps, mean, std))


@pytest.mark.parametrize(("width", "height"), [(200, 100), (64, 333), (91, 91)])
def test_imagenet_keeps_seven_eighths(width: int, height: int) -> None:
    image = picture(3, (width, height))
    steps = [torchvision.Resize(256), torchvision.CenterCrop(224)]
    expected = reference(image, steps, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    np.testing.assert_array_equal(Preprocess.imagenet()(image), expected)


@pytest.mark.parametrize("name", ["test_vit", "vit_base_patch14_dinov2", "convnext_tiny", "tf_efficientnet_lite0"])
@pytest.mark.parametrize("crop_mode", ["center", "squash"])
def test_timm_configs_give_timms_own_transform(name: str, crop_mode: str) -> None:
    timm = pytest.importorskip("timm")
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    config |= {"crop_mode": crop_mode, "input_size": (3, 70, 70)}
    image = picture(1, (150, 97))
    expected = timm.data.create_transform(**config)(image).numpy()
    np.testing.assert_array_equal(Preprocess.from_timm(config)(image), expected)


@pytest.mark.parametrize("resize_mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "random"])
def test_open_clip_configs_give_open_clips_own_transform(resize_mode: str, interpolation: str) -> None:
    open_clip = pytest.importorskip("open_clip")
    config = {"size": (48, 48), "mean": CLIP_MEAN, "std": CLIP_STD}
    config |= {"resize_mode": resize_mode, "interpolation": interpolation}
    image = picture(2, (150, 97))
    expected = open_clip.image_transform(48, False, CLIP_MEAN, CLIP_STD, resize_mode, interpolation)(image).numpy()
    np.testing.assert_array_equal(Preprocess.from_open_clip(config)(image), expected)


def test_transparent_pixels_show_the_background_and_grey_becomes_rgb() -> None:
    plain = Preprocess(size=4, mean=(0, 0, 0), std=(1, 1, 1))
    clear = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    assert (plain(clear) == 1.0).all()
    hidden = Preprocess(size=4, mean=(0, 0, 0), std=(1, 1, 1), background=None)(clear)
    assert hidden[0].max() == np.float32(200 / 255)
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0])
    palette.info["transparency"] = 0
    assert (plain(palette) == 1.0).all()
    assert plain(Image.new("L", (4, 4), 51)).tolist() == np.full((3, 4, 4), np.float32(0.2)).tolist()


def test_survives_json() -> None:
    for preset in (Preprocess.clip(336), Preprocess.hba(), Preprocess.imagenet(64), Preprocess.alignet()):
        assert Preprocess.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": 0}, "size must be at least 1"),
        ({"crop": 1.2}, "crop must lie above 0 and up to 1"),
        ({"resize": "longest"}, "resize must be one of 'shortest-crop', 'squash'"),
        ({"interpolation": "area"}, "interpolation must be one of"),
        ({"mean": [0.5]}, "mean must be three finite numbers"),
        ({"std": [1, 0, 1]}, "std must be above 0"),
        ({"colour": 1}, "unknown 'colour'"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Preprocess.from_dict({**Preprocess.clip().to_dict(), **changes})


def test_missing_settings_and_what_is_not_supported_are_named() -> None:
    with pytest.raises(ValueError, match="missing 'std'"):
        Preprocess.from_dict({"size": 3, "mean": [0, 0, 0]})
    with pytest.raises(ValueError, match="preprocess must be one of 'clip', 'hba', 'imagenet', 'alignet'"):
        Preprocess.preset("CLIP")
    config = {
        "input_size": (3, 64, 32),
        "crop_pct": 1.0,
        "mean": CLIP_MEAN,
        "std": CLIP_STD,
        "interpolation": "bicubic",
    }
    with pytest.raises(ValueError, match="64 x 32 input; only square input"):
        Preprocess.from_timm(config)
    with pytest.raises(ValueError, match="timm's crop_mode"):
        Preprocess.from_timm({**config, "crop_mode": "border"})


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1)])
def test_a_line_of_pixels_is_not_blown_up(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"{size[0]} x {size[1]} pixels are too elongated to be scaled to 224"):
        Preprocess.clip()(Image.new("RGB", size))
    assert Preprocess.hba()(Image.new("RGB", size)).shape == (3, 224, 224)


@pytest.mark.parametrize(
    "change", [{"mean": None}, {"std": "abc"}, {"mean": [1, 2, "x"]}, {"crop": "half"}, {"crop": None}]
)
def test_constants_of_the_wrong_kind(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(change))} must"):
        Preprocess.from_dict({**Preprocess.clip().to_dict(), **change})
