"""Images changed at random, as contrastive training wants them: a pure function of the image and of a few numbers."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Literal, Self, get_args

import numpy as np

from alignkit._check import (
    check_choice,
    check_count,
    check_not_negative,
    check_positive,
    check_probability,
    shown,
)
from alignkit._typing import FloatArray
from alignkit.models._preprocess import Preprocess

if TYPE_CHECKING:
    from PIL.Image import Image

Crop = Literal["random", "centre"]
#: Left, upper, right and lower edge in pixels.
Box = tuple[int, int, int, int]

#: How often a random crop is tried before the largest central one of a ratio that is allowed is taken (torchvision's).
_TRIES = 10
#: Where the draws of an image stand: two for every try of a crop, then one for each of these.
_LEFT, _TOP, _JITTER, _ORDER, _FACTORS, _GREY, _BLUR, _SIGMA, _FLIP = (
    2 * _TRIES + k for k in (0, 1, 2, 3, 4, 8, 9, 10, 11)
)
#: Numbers in [0, 1) that an image takes.
N_DRAWS = _FLIP + 1
_ORDERS = tuple(itertools.permutations(range(4)))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How images are changed at random: cropped, recoloured, made grey, blurred, and mirrored, in this order.

    Every step gives the pixels of torchvision's functions on PIL images (blur: PIL's own) with the same parameters.
    The defaults are the recipe of MoCo v2 [1]_ and DeCLIP [2]_.

    Parameters
    ----------
    crop : {"random", "centre"}
        A random part of the image, scaled to the size (torchvision's ``RandomResizedCrop``), or what ``Preprocess``
        does: the shorter side scaled to the size, and the centre.
    scale : tuple of two floats
        Smallest and largest share of the image's area in a random crop.
    ratio : tuple of two floats
        Smallest and largest width of a random crop over its height.
    jitter : tuple of four floats
        How far brightness, contrast, saturation (factors between 1 - x and 1 + x, never below 0) and hue (in turns of
        the colour circle, at most 0.5) may change, in a random order.
    jitter_p, grayscale_p, blur_p, flip_p : float
        Shares of images that are recoloured, made grey, blurred, and mirrored.
    blur_sigma : tuple of two floats
        Smallest and largest standard deviation of the blur, in pixels of the result.

    Raises
    ------
    TypeError, ValueError
        Ranges that are none, or shares outside 0 to 1.

    References
    ----------
    .. [1] Chen et al. (2020). Improved baselines with momentum contrastive learning.
       https://doi.org/10.48550/arXiv.2003.04297
    .. [2] Li et al. (2022). Supervision exists everywhere: a data efficient contrastive language-image pre-training
       paradigm. https://doi.org/10.48550/arXiv.2110.05208

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> u = np.random.default_rng(0).random(N_DRAWS)
    >>> Augmentation()(Image.new("RGB", (640, 480)), 224, u).size
    (224, 224)
    """

    crop: Crop = "random"
    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    jitter_p: float = 0.8
    grayscale_p: float = 0.2
    blur_p: float = 0.5
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    flip_p: float = 0.5

    def __post_init__(self) -> None:
        check_choice("crop", self.crop, get_args(Crop))
        for name in ("jitter_p", "grayscale_p", "blur_p", "flip_p"):
            check_probability(name, getattr(self, name))
        for name in ("scale", "ratio", "blur_sigma"):
            object.__setattr__(self, name, _range(name, getattr(self, name)))
        if self.scale[1] > 1:
            msg = f"scale must end at 1, the whole image, or below; got {shown(self.scale)}."
            raise ValueError(msg)
        object.__setattr__(self, "jitter", _jitter(self.jitter))

    @classmethod
    def preset(cls, name: str, /) -> Self:
        """Return ``"pi"`` (all of it), ``"crop"`` (at least 90 % of the image, open_clip's default) or ``"none"``."""
        check_choice("augmentation", name, ("pi", "crop", "none"))
        if name == "pi":
            return cls()
        plain = cls(jitter_p=0.0, grayscale_p=0.0, blur_p=0.0, flip_p=0.0)
        if name == "crop":
            return dataclasses.replace(plain, scale=(0.9, 1.0))
        return dataclasses.replace(plain, crop="centre")

    @property
    def is_random(self) -> bool:
        """Whether the result depends on what is drawn."""
        return self.crop == "random" or max(self.jitter_p, self.grayscale_p, self.blur_p, self.flip_p) > 0

    def __call__(self, image: Image, size: int, u: FloatArray, /) -> Image:
        """Return the changed image.

        Parameters
        ----------
        image : PIL image
            In RGB.
        size : int
            Height and width of the result, in pixels.
        u : ndarray, shape (N_DRAWS,)
            Uniform numbers in [0, 1).

        Raises
        ------
        ValueError
            Another number of draws, or an image that is too elongated for a central crop.
        """
        check_count("size", size, 1)
        if np.shape(u) != (N_DRAWS,):
            msg = f"u must have shape ({N_DRAWS},); got {np.shape(u)}."
            raise ValueError(msg)
        if self.crop == "centre":
            return self.recolour(_centre(image, size), u)
        return self.recolour(resized_crop(image, self.box(*image.size, u), size, image.size), u)

    def box(self, width: int, height: int, u: FloatArray, /) -> Box:
        """Return the part of an image of this size, in pixels, that a random crop takes."""
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for k in range(_TRIES):
            area = width * height * _between(self.scale, u[2 * k])
            ratio = math.exp(low + (high - low) * u[2 * k + 1])
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                left, top = int(u[_LEFT] * (width - w + 1)), int(u[_TOP] * (height - h + 1))
                return left, top, left + w, top + h
        w = min(width, max(1, round(height * self.ratio[1])))
        h = min(height, max(1, round(width / self.ratio[0])))
        left, top = (width - w) // 2, (height - h) // 2
        return left, top, left + w, top + h

    def recolour(self, image: Image, u: FloatArray, /) -> Image:
        """Return the image with all changes but the crop."""
        from PIL import ImageFilter
        from PIL.Image import Transpose

        if u[_JITTER] < self.jitter_p:
            image = self._jittered(image, u)
        if u[_GREY] < self.grayscale_p:
            image = image.convert("L").convert("RGB")
        if u[_BLUR] < self.blur_p:
            image = image.filter(ImageFilter.GaussianBlur(_between(self.blur_sigma, u[_SIGMA])))
        if u[_FLIP] < self.flip_p:
            image = image.transpose(Transpose.FLIP_LEFT_RIGHT)
        return image

    def _jittered(self, image: Image, u: FloatArray) -> Image:
        from PIL import ImageEnhance

        enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
        for which in _ORDERS[int(u[_ORDER] * len(_ORDERS))]:
            amount, draw = self.jitter[which], u[_FACTORS + which]
            if amount == 0:
                continue
            if which < len(enhancers):
                image = enhancers[which](image).enhance(_between((max(0.0, 1 - amount), 1 + amount), draw))
            else:
                image = _turn_hue(image, _between((-amount, amount), draw))
        return image


def resized_crop(image: Image, box: Box, size: int, original: tuple[int, int], /) -> Image:
    """Return a part of an image, scaled by PIL's bicubic filter to (size, size).

    Parameters
    ----------
    image : PIL image
    box : tuple of four ints
        In pixels of the original.
    size : int
    original : tuple of two ints
        Width and height of the original, larger than those of the image where it was decoded to fewer pixels.
    """
    from PIL.Image import Resampling

    if image.size == original:
        # cropped before, as the filter would otherwise see what lies around the crop
        part = image if box == (0, 0, *original) else image.crop(box)
        return part if part.size == (size, size) else part.resize((size, size), Resampling.BICUBIC)
    across, down = (own / whole for own, whole in zip(image.size, original, strict=True))
    left, top, right, bottom = box[0] * across, box[1] * down, box[2] * across, box[3] * down
    x, y = math.floor(left), math.floor(top)
    part = image.crop((x, y, min(math.ceil(right), image.width), min(math.ceil(bottom), image.height)))
    inner = (left - x, top - y, min(right - x, part.width), min(bottom - y, part.height))
    return part.resize((size, size), Resampling.BICUBIC, box=inner)


def _centre(image: Image, size: int) -> Image:
    from PIL import Image as Images

    return Images.fromarray(Preprocess.clip(size).pixels(image))


def _turn_hue(image: Image, turns: float) -> Image:
    from PIL import Image as Images

    shift = int(turns * 255)
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([(level + shift) % 256 for level in range(256)])
    return Images.merge("HSV", (turned, saturation, value)).convert("RGB")


def _between(ends: tuple[float, float], u: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * float(u)


def _range(name: str, ends: object) -> tuple[float, float]:
    if not isinstance(ends, tuple | list) or len(ends) != 2:
        msg = f"{name} must be two numbers, the smallest and the largest; got {shown(ends)}."
        raise ValueError(msg)
    low, high = (float(check_positive(name, end)) for end in ends)
    if low > high:
        msg = f"{name} must be two numbers, the smallest and the largest; got {shown(ends)}."
        raise ValueError(msg)
    return low, high


def _jitter(amounts: object) -> tuple[float, ...]:
    if not isinstance(amounts, tuple | list) or len(amounts) != 4:
        msg = f"jitter must be four numbers (brightness, contrast, saturation, hue); got {shown(amounts)}."
        raise ValueError(msg)
    found = tuple(float(check_not_negative("jitter", amount)) for amount in amounts)
    if found[3] > 0.5:
        msg = f"jitter must have a hue (its fourth number) of at most 0.5, half a turn; got {shown(found[3])}."
        raise ValueError(msg)
    return found
