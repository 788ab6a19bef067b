"""Images as bytes from elsewhere: their kind and size looked at before anything is decoded."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

#: What images of pairs are stored as; PIL's other readers are kept out of reach.
FORMATS = ("JPEG", "PNG", "WEBP")
#: Bytes of an encoded image.
MAX_IMAGE = 64 * 2**20
#: A few kilobytes can claim to be any number of pixels.
MAX_PIXELS = 64 * 10**6
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


class BrokenImageError(ValueError):
    """An image that cannot be read, and why."""


def open_image(content: bytes, /) -> Image:
    """Return an image whose pixels are not decoded yet.

    Raises
    ------
    BrokenImageError
        Not a JPEG, PNG or WebP, damaged at its beginning, or larger than 64 million pixels.
    """
    from PIL import Image, UnidentifiedImageError

    if not content:
        reason = "its image is empty (0 bytes)"
        raise BrokenImageError(reason)
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        reason = "its image is neither a JPEG, a PNG nor a WebP, or is damaged"
        raise BrokenImageError(reason) from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = f"its image is damaged ({error})"
        raise BrokenImageError(reason) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        reason = f"its image claims {width} x {height} pixels, more than {MAX_PIXELS // 10**6} million"
        raise BrokenImageError(reason)
    return image


def decode_image(content: bytes, /) -> Image:
    """Return an image in RGB, its pixels decoded; transparent ones keep their colour.

    Raises
    ------
    BrokenImageError
        As :func:`open_image`, truncated ones, and more than 8 bits in a channel.
    """
    return load_image(open_image(content))


def load_image(image: Image, /) -> Image:
    """Return in RGB what :func:`open_image` gave, its pixels decoded.

    Raises
    ------
    BrokenImageError
        A truncated image, or more than 8 bits in a channel.
    """
    if image.mode.startswith(("I", "F")):
        reason = f"the pixels of its image have more than 8 bits (mode {image.mode})"
        raise BrokenImageError(reason)
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        reason = f"its image is damaged ({error})"
        raise BrokenImageError(reason) from error
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # PIL warns when palettes lose their transparency at once
    return image if image.mode == "RGB" else image.convert("RGB")


def what_is_wrong(content: bytes, /, *, decode: bool) -> str | None:
    """Return why an image cannot be used, or None; one that lacks its end is decoded, all are with ``decode``."""
    try:
        image = open_image(content)
        if decode or not _has_end(content, image.format) or image.mode.startswith(("I", "F")):
            decode_image(content)
    except BrokenImageError as error:
        return str(error)
    return None


def _has_end(content: bytes, form: str | None) -> bool:
    if form == "WEBP":
        return len(content) >= int.from_bytes(content[4:8], "little") + 8
    return content.rstrip(b"\0")[-16:].find(_ENDS.get(form or "", _ENDS["JPEG"])) >= 0
