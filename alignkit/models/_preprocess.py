"""Image preprocessing as data: what a model was trained with, stored beside every feature it gives."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from alignkit._check import check_choice, check_count, join_names

if TYPE_CHECKING:
    from PIL.Image import Image

Resize = Literal["shortest-crop", "squash"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
Offset = Literal["round", "floor"]
Triple = tuple[float, float, float]

#: What transformers' image processors do that we can say, and the settings of it.
_STEPS = frozenset({"convert_rgb", "resize", "rescale", "normalize", "center_crop"})
_SETTINGS = frozenset(
    {"size", "crop_size", "resample", "rescale_factor", "image_mean", "image_std", "default_to_square", "antialias"}
    | {"data_format", "input_data_format", "return_tensors", "disable_grouping", "device"}
    | {"image_processor_type", "feature_extractor_type", "processor_class", "_processor_class"}
)
#: PIL's numbers.
_PIL_FILTERS: dict[Any, Interpolation] = {
    0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"
}  # fmt: skip
#: Pixels of the longer side after scaling: a line of pixels blown up would fill the memory.
_LONGEST = 1 << 15
#: Pixels that are normalised at a time, so that they stay in the processor's cache meanwhile.
_CACHED_PIXELS = 1 << 16
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_HBA = ((0.52997664, 0.48070561, 0.41943838), (0.27608301, 0.26593025, 0.28238822))
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """How an image becomes a model's input: background, resize, crop, scale to 0-1, subtract mean, divide by std.

    The numbers are those of torchvision on PIL images (``Resize``, ``CenterCrop``, ``ToTensor``, ``Normalize``).

    Parameters
    ----------
    size : int
        Height and width of the result, in pixels.
    mean, std : tuple of three floats
        Per-channel constants on the 0-1 scale.
    resize : {"shortest-crop", "squash"}
        Keep the aspect ratio and crop the centre, or squash both sides to the size (CLIP-HBA).
    crop : float
        Share of the resized image that the crop keeps: sides are first resized to ``floor(size / crop)``.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"}
        PIL's filter.
    offset : {"round", "floor"}
        Where the crop starts when the two sides cannot be equal: at the nearest even pixel (torchvision), or at the
        first of the two (transformers).
    background : tuple of three ints or None
        Colour (0-255) put behind transparent pixels: what an observer saw on a page. ``None`` drops the
        transparency as ``Image.convert("RGB")`` does, which shows whatever colour was hidden there, often black.

    Raises
    ------
    ValueError
        A size below 1, a crop outside (0, 1], an unknown word, or constants that are not three finite numbers.

    Examples
    --------
    >>> from PIL import Image
    >>> Preprocess.clip()(Image.new("RGB", (640, 480))).shape
    (3, 224, 224)
    >>> Preprocess.from_dict(Preprocess.hba().to_dict()) == Preprocess.hba()
    True
    """

    size: int
    mean: Triple
    std: Triple
    resize: Resize = "shortest-crop"
    crop: float = 1.0
    interpolation: Interpolation = "bicubic"
    offset: Offset = "round"
    background: tuple[int, int, int] | None = (255, 255, 255)

    def __post_init__(self) -> None:
        check_count("size", self.size, 1)
        check_choice("resize", self.resize, get_args(Resize))
        check_choice("interpolation", self.interpolation, get_args(Interpolation))
        check_choice("offset", self.offset, get_args(Offset))
        if not isinstance(self.crop, int | float) or not 0.0 < self.crop <= 1.0:
            msg = f"crop must lie above 0 and up to 1; got {self.crop!r}."
            raise ValueError(msg)
        for name in ("mean", "std"):
            object.__setattr__(self, name, _as_triple(name, getattr(self, name)))
        if min(self.std) <= 0:
            msg = f"std must be above 0 in every channel; got {self.std}."
            raise ValueError(msg)
        if self.background is not None:
            colour = _as_triple("background", self.background)
            object.__setattr__(self, "background", tuple(int(value) for value in colour))

    def __call__(self, image: Image) -> npt.NDArray[np.float32]:
        """Return the image as a normalised array, shape (3, size, size), float32."""
        return self.normalise(self.pixels(image)[None])[0]

    def pixels(self, image: Image) -> npt.NDArray[np.uint8]:
        """Return the image in its final size, shape (size, size, 3), uint8: what is worth keeping in memory."""
        return np.asarray(self._resized(as_rgb(image, self.background)), dtype=np.uint8)

    def normalise(
        self, pixels: npt.NDArray[np.uint8], *, out: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return what the network takes, shape (n, 3, size, size), float32, for pixels (n, size, size, 3).

        It is written into ``out``, where that is given: a new array of this size can take longer than its numbers.
        """
        n, height, width, _ = pixels.shape
        if out is None:
            out = np.empty((n, 3, height, width), np.float32)
        mean, std = (np.asarray(constants, np.float32)[:, None] for constants in (self.mean, self.std))
        step = max(1, _CACHED_PIXELS // max(1, height * width))
        for start in range(0, n, step):
            few = out[start : start + step]
            few[...] = pixels[start : start + step].transpose(0, 3, 1, 2)
            flat = few.reshape(len(few), 3, -1)
            flat /= np.float32(255)
            flat -= mean
            flat /= std
        return out

    def _resized(self, image: Image) -> Image:
        from PIL.Image import Resampling

        filter_ = Resampling[self.interpolation.upper()]
        target = math.floor(self.size / self.crop)
        width, height = image.size
        if self.resize == "squash":
            new = (target, target)
        elif width <= height:
            new = (target, int(target * height / width))
        else:
            new = (int(target * width / height), target)
        if max(new) > _LONGEST:
            msg = f"{width} x {height} pixels are too elongated to be scaled to {target}; crop the image"
            raise ValueError(msg)
        if new != image.size:
            image = image.resize(new, filter_)
        nearest = round if self.offset == "round" else math.floor
        left, top = (nearest((side - self.size) / 2) for side in new)
        return image.crop((left, top, left + self.size, top + self.size))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings in JSON's own types."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any], /) -> Self:
        """Return the preprocessing that :meth:`to_dict` described.

        Raises
        ------
        ValueError
            Unknown or missing names, or values the class refuses.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        unknown, missing = set(settings) - names, {"size", "mean", "std"} - set(settings)
        if unknown or missing:
            wrong = f"unknown {join_names(sorted(unknown))}" if unknown else f"missing {join_names(sorted(missing))}"
            msg = f"preprocessing settings have {wrong}; the names are {', '.join(sorted(names))}."
            raise ValueError(msg)
        return cls(**settings)

    @classmethod
    def clip(cls, size: int = 224) -> Self:
        """CLIP's own: shortest side, centre crop, bicubic, CLIP's constants."""
        return cls(size=size, mean=_CLIP[0], std=_CLIP[1])

    @classmethod
    def hba(cls, size: int = 224) -> Self:
        """CLIP-HBA's: squash, bilinear, its own constants (not CLIP's)."""
        return cls(size=size, mean=_HBA[0], std=_HBA[1], resize="squash", interpolation="bilinear")

    @classmethod
    def imagenet(cls, size: int = 224) -> Self:
        """ImageNet's usual: shortest side, 87.5 % centre crop, bilinear, ImageNet's constants."""
        return cls(size=size, mean=_IMAGENET[0], std=_IMAGENET[1], crop=0.875, interpolation="bilinear")

    @classmethod
    def alignet(cls, size: int = 224) -> Self:
        """AligNet's students': squash, bicubic, values from 0 to 1 as they are."""
        return cls(size=size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), resize="squash")

    @classmethod
    def preset(cls, name: str, /, *, size: int = 224) -> Self:
        """Return the preset ``"clip"``, ``"hba"``, ``"imagenet"`` or ``"alignet"``."""
        presets = {"clip": cls.clip, "hba": cls.hba, "imagenet": cls.imagenet, "alignet": cls.alignet}
        check_choice("preprocess", name, presets)
        return presets[name](size)

    @classmethod
    def from_timm(cls, config: Mapping[str, Any], /) -> Self:
        """Return timm's data config (``timm.data.resolve_model_data_config(model)``) as ours."""
        modes: dict[str, Resize] = {"center": "shortest-crop", "squash": "squash"}
        mode = config.get("crop_mode", "center")
        check_choice("timm's crop_mode (pass preprocess= to choose another)", mode, modes)
        return cls(
            size=_square("timm", config["input_size"][1:]),
            mean=config["mean"],
            std=config["std"],
            resize=modes[mode],
            crop=config["crop_pct"],
            interpolation=config["interpolation"],
        )

    @classmethod
    def from_open_clip(cls, config: Mapping[str, Any], /) -> Self:
        """Return open_clip's preprocessing config (``model.visual.preprocess_cfg``) as ours."""
        modes: dict[str, Resize] = {"shortest": "shortest-crop", "squash": "squash"}
        mode = config.get("resize_mode", "shortest")
        check_choice("open_clip's resize_mode (pass preprocess= to choose another)", mode, modes)
        size = config["size"]
        # open_clip reads "random" (a training word) as bicubic when it evaluates
        bilinear = config.get("interpolation") == "bilinear"
        return cls(
            size=size if isinstance(size, int) else _square("open_clip", size),
            mean=config["mean"],
            std=config["std"],
            resize=modes[mode],
            interpolation="bilinear" if bilinear else "bicubic",
        )

    @classmethod
    def from_transformers(cls, settings: Mapping[str, Any], /) -> Self:
        """Return the settings of a transformers image processor (``processor.to_dict()``) as ours.

        The numbers are those of its PIL backend, the one that models were trained with.

        Raises
        ------
        ValueError
            A step that this class has no words for: padding, no resizing, a crop that is not square ...
        """
        known = {name for name in settings if name.removeprefix("do_") in _STEPS or name in _SETTINGS}
        other = [name for name, value in settings.items() if value and name not in known]
        if other or not settings.get("do_resize", True):
            msg = f"the image processor does more than resize, crop and scale ({join_names(other) or 'no resizing'})."
            raise ValueError(msg)
        if settings.get("do_rescale", True) and not math.isclose(settings["rescale_factor"], 1 / 255, rel_tol=1e-6):
            msg = f"the image processor scales pixels by {settings['rescale_factor']!r}, which is not 1 / 255."
            raise ValueError(msg)
        resize, edge = _edges(settings["size"])
        size = _edges(settings["crop_size"])[1] if settings.get("do_center_crop") else edge
        if size > edge or (resize == "shortest-crop" and not settings.get("do_center_crop")):
            msg = "the image processor gives images of other shapes than square ones."
            raise ValueError(msg)
        crop = size / edge
        return cls(
            size=size,
            mean=settings["image_mean"] if settings.get("do_normalize", True) else (0.0, 0.0, 0.0),
            std=settings["image_std"] if settings.get("do_normalize", True) else (1.0, 1.0, 1.0),
            resize=resize,
            crop=crop if math.floor(size / crop) == edge else math.nextafter(crop, 0.0),
            interpolation=_PIL_FILTERS[settings.get("resample", 2)],
            offset="floor",
        )


def _edges(size: Any) -> tuple[Resize, int]:
    """Return how transformers' size asks for resizing, and to how many pixels."""
    if isinstance(size, Mapping):
        size = {name: value for name, value in size.items() if value is not None}
        if set(size) == {"shortest_edge"}:
            return "shortest-crop", check_count("size", size["shortest_edge"], 1)
        if set(size) == {"height", "width"} and size["height"] == size["width"]:
            return "squash", check_count("size", size["height"], 1)
    msg = f"the image processor resizes to {size!r}, which is not square."
    raise ValueError(msg)


def as_rgb(image: Image, background: tuple[int, int, int] | None) -> Image:
    """Return an 8-bit RGB copy, with transparent pixels laid over ``background``."""
    from PIL import Image as Images

    if image.mode == "RGB":
        return image
    if background is not None and image.has_transparency_data:
        layer = image.convert("RGBA")
        page = Images.new("RGBA", layer.size, (*background, 255))
        return Images.alpha_composite(page, layer).convert("RGB")
    return image.convert("RGB")


def _as_triple(name: str, values: Any) -> Triple:
    try:
        triple = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        triple = ()
    if len(triple) != 3 or not all(math.isfinite(value) for value in triple):
        msg = f"{name} must be three finite numbers (red, green, blue); got {values!r}."
        raise ValueError(msg)
    return triple[0], triple[1], triple[2]


def _square(library: str, size: Any) -> int:
    height, width = size
    if height != width:
        msg = (
            f"{library} gives this model {height} x {width} input; only square input is supported, so pass preprocess=."
        )
        raise ValueError(msg)
    return int(height)
