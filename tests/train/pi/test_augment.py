"""Every step of an augmentation gives torchvision's pixels, and draws what torchvision would."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from PIL import Image, ImageFilter

from alignkit.models._preprocess import Preprocess
from alignkit.train.pi._augment import N_DRAWS, Augmentation, resized_crop

PLAIN = {"jitter_p": 0.0, "grayscale_p": 0.0, "blur_p": 0.0, "flip_p": 0.0}


def picture(width, height, seed=0):
    """Return an image of blots and noise."""
    rng = np.random.default_rng(seed)
    blots = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((width, height))
    noisy = np.asarray(blots, dtype=float) + rng.normal(0, 10, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def draws(seed):
    return np.random.default_rng(seed).random(N_DRAWS)


@pytest.fixture(scope="module")
def functional():
    """torchvision's functions, and bicubic."""
    module = pytest.importorskip("torchvision.transforms.functional")
    return module


@pytest.mark.parametrize("seed", range(8))
def test_crops_are_those_of_torchvision(functional, seed):
    image, augmentation = picture(50, 37), Augmentation(**PLAIN)
    left, top, right, bottom = augmentation.box(50, 37, draws(seed))
    expected = functional.resized_crop(
        image, top, left, bottom - top, right - left, [24, 24], functional.InterpolationMode.BICUBIC
    )
    assert np.array_equal(augmentation(image, 24, draws(seed)), expected)


class Given:
    """Stands in for torch in torchvision's transforms: hands out numbers instead of drawing them."""

    def __init__(self, torch, uniform, places):
        self.torch, self.uniform, self.places = torch, iter(uniform), iter(places)

    def __getattr__(self, name):
        return getattr(self.torch, name)

    def empty(self, _):
        return self

    def uniform_(self, low, high):
        return self.torch.tensor(float(low) + (float(high) - float(low)) * next(self.uniform), dtype=self.torch.float64)

    def randint(self, low, high, size):
        return self.torch.tensor([low + int(next(self.places) * (high - low))])


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (200, 30), (30, 200), (1, 1), (1, 9), (48, 48)])
@pytest.mark.parametrize("scale", [(0.2, 1.0), (0.9, 1.0)])
def test_crops_are_drawn_as_torchvision_draws_them(monkeypatch, size, scale):
    transforms = pytest.importorskip("torchvision.transforms.transforms")
    torch = pytest.importorskip("torch")
    ratio = (3 / 4, 4 / 3)
    for seed in range(20):
        u = draws(seed)
        fake = Given(torch, u[:20], (u[21], u[20]))  # rows come first there
        monkeypatch.setattr(transforms, "torch", fake)
        image = Image.new("RGB", size)
        top, left, height, width = transforms.RandomResizedCrop.get_params(image, scale, ratio)
        monkeypatch.setattr(transforms, "torch", torch)
        found = Augmentation(**PLAIN, scale=scale).box(*size, u)
        assert found == (left, top, left + width, top + height)


def test_colours_are_those_of_torchvision_in_every_order(functional):
    image = picture(20, 20)
    augmentation = Augmentation(**{**PLAIN, "jitter_p": 1.0}, crop="centre")
    u = draws(3)
    factors = [0.6 + 0.8 * u[24], 0.6 + 0.8 * u[25], 0.6 + 0.8 * u[26], -0.1 + 0.2 * u[27]]
    steps = (
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
        functional.adjust_hue,
    )
    seen = set()
    for number, order in enumerate(itertools.permutations(range(4))):
        u[23] = (number + 0.5) / 24
        expected = image
        for which in order:
            expected = steps[which](expected, factors[which])
        found = augmentation(image, 20, u)
        assert np.array_equal(found, expected)
        seen.add(found.tobytes())
    assert len(seen) > 12


@pytest.mark.parametrize("u_hue", [0.0, 0.2, 0.499, 0.5, 0.503, 0.9, 1 - 1e-12])
def test_hue_is_turned_as_torchvision_turns_it(functional, u_hue):
    image = picture(20, 20)
    u = draws(0)
    u[27] = u_hue
    augmentation = Augmentation(**{**PLAIN, "jitter_p": 1.0}, crop="centre", jitter=(0, 0, 0, 0.5))
    assert np.array_equal(augmentation(image, 20, u), functional.adjust_hue(image, u_hue - 0.5))


def test_grey_blurred_and_mirrored(functional):
    image, u = picture(20, 20), draws(1)
    grey = Augmentation(**{**PLAIN, "grayscale_p": 1.0}, crop="centre")(image, 20, u)
    assert np.array_equal(grey, functional.to_grayscale(image, 3))
    blurred = Augmentation(**{**PLAIN, "blur_p": 1.0}, crop="centre")(image, 20, u)
    assert np.array_equal(blurred, image.filter(ImageFilter.GaussianBlur(0.1 + 1.9 * float(u[30]))))
    mirrored = Augmentation(**{**PLAIN, "flip_p": 1.0}, crop="centre")(image, 20, u)
    assert np.array_equal(mirrored, np.asarray(image)[:, ::-1])


def test_each_change_happens_as_often_as_it_says():
    image, n = picture(4, 4), 2000
    us = np.random.default_rng(0).random((n, N_DRAWS))
    for name, share in (("jitter_p", 0.8), ("grayscale_p", 0.2), ("blur_p", 0.5), ("flip_p", 0.5)):
        augmentation = Augmentation(**{**PLAIN, name: share}, crop="centre")
        changed = np.mean([not np.array_equal(augmentation(image, 4, u), image) for u in us])
        assert changed == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / n))


def test_random_crops_have_the_areas_and_ratios_asked_for():
    augmentation = Augmentation(scale=(0.3, 0.6))
    boxes = np.array([augmentation.box(400, 400, u) for u in np.random.default_rng(0).random((2000, N_DRAWS))])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, ratio = width * height / 400**2, np.log(width / height)
    assert area.min() == pytest.approx(0.3, abs=0.005)
    assert area.max() == pytest.approx(0.6, abs=0.005)
    assert area.mean() == pytest.approx(0.45, abs=0.01)
    assert ratio.mean() == pytest.approx(0, abs=0.02)
    assert ratio.max() == pytest.approx(math.log(4 / 3), abs=0.01)
    assert boxes.min() >= 0
    assert boxes.max() <= 400


def test_the_same_numbers_give_the_same_image_and_the_input_stays():
    image = picture(40, 30)
    before = image.tobytes()
    u = draws(5)
    u.flags.writeable = False
    first, again = (Augmentation()(image, 16, u).tobytes() for _ in range(2))
    assert first == again != Augmentation()(image, 16, draws(6)).tobytes()
    assert image.tobytes() == before


def test_none_is_what_the_model_sees_when_it_is_tested():
    image = picture(50, 37)
    none = Augmentation.preset("none")
    assert np.array_equal(none(image, 24, draws(0)), Preprocess.clip(24).pixels(image))
    assert [Augmentation.preset(name).is_random for name in ("pi", "crop", "none")] == [True, True, False]


def test_crop_is_open_clips_default():
    open_clip = pytest.importorskip("open_clip")
    default = open_clip.AugmentationCfg()
    preset = Augmentation.preset("crop")
    assert preset.scale == tuple(default.scale)
    assert (default.color_jitter, default.color_jitter_prob, default.gray_scale_prob) == (None, None, None)
    assert (preset.jitter_p, preset.grayscale_p, preset.blur_p, preset.flip_p) == (0, 0, 0, 0)


def test_a_crop_of_an_image_decoded_to_half_its_size_lies_in_the_same_place():
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None] * 3, (64, 64, 3))
    whole = Image.fromarray(np.ascontiguousarray(ramp))
    half = whole.reduce(2)
    box = (11, 7, 53, 49)
    small = np.asarray(resized_crop(half, box, 8, (64, 64)), dtype=int)
    large = np.asarray(resized_crop(whole, box, 8, (64, 64)), dtype=int)
    assert np.abs(small - large)[1:-1].max() <= 1
    shifted = np.asarray(resized_crop(half, (11, 9, 53, 51), 8, (64, 64)), dtype=int)
    assert np.abs(shifted - large)[1:-1].min() >= 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": "left"}, r"crop must be"),
        ({"scale": (0.5,)}, r"scale must be two numbers"),
        ({"scale": (0.5, 0.2)}, r"scale must be two numbers, the smallest and the largest"),
        ({"scale": (0.5, 1.5)}, r"scale must end at 1"),
        ({"scale": (0.0, 1.0)}, r"scale must be a finite number above 0"),
        ({"ratio": (1.0, math.inf)}, r"ratio must be a finite number"),
        ({"jitter": (0.1, 0.1)}, r"jitter must be four numbers"),
        ({"jitter": (0.1, 0.1, 0.1, 0.6)}, r"at most 0\.5, half a turn"),
        ({"flip_p": 1.2}, r"flip_p must lie between 0 and 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


def test_a_wrong_number_of_draws_is_refused():
    with pytest.raises(ValueError, match=rf"u must have shape \({N_DRAWS},\); got \(3,\)"):
        Augmentation()(picture(8, 8), 4, np.zeros(3))
    with pytest.raises(ValueError, match=r"augmentation must be"):
        Augmentation.preset("strong")


def test_settings_are_kept_as_they_were_given():
    settings = dataclasses.asdict(Augmentation(scale=[0.5, 0.9]))
    assert Augmentation(**settings) == Augmentation(scale=(0.5, 0.9))
