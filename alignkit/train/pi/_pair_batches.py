"""Batches of image-text pairs: every draw a pure function of the sample's place in the run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from alignkit._check import check_count, shown
from alignkit._threads import each, n_threads
from alignkit._typing import FloatArray, IntArray
from alignkit.data._image_text_pairs import ImageTextPairs
from alignkit.data._pair_captions import CONTEXT_LENGTH
from alignkit.data._pair_images import BrokenImageError, load_image, open_image
from alignkit.models._preprocess import Preprocess
from alignkit.train._order import Samples
from alignkit.train.pi._augment import N_DRAWS, Augmentation, resized_crop
from alignkit.train.pi._batch_buffers import BatchBuffers
from alignkit.train.pi._kept_images import KeptImages

if TYPE_CHECKING:
    from PIL.Image import Image

#: Streams of random numbers of a sample: which caption, and from the next on how its image is changed.
_CAPTION, _IMAGE = 0, 1
#: Images that a thread prepares before it takes the next ones.
_AT_ONCE = 8
#: What JPEGs can be decoded to fewer pixels by.
_SHRINKS = (8, 4, 2)
#: Token ids of texts, shape (n, context length).
Tokenizer = Callable[[list[str]], Tensor]


class PairBatches:
    """Images and texts of a training step's samples.

    The order of a run is that of ``pairs.order(seed=...)``; the samples' own is ``Order(n_samples=len(pairs), ...)``,
    so that epochs are equally long.

    Parameters
    ----------
    pairs : ImageTextPairs
    preprocess : Preprocess
        Size, mean and standard deviation of the images, and how those are resized that are not cropped at random.
    augmentation : Augmentation, optional
        How images are changed at random; by default not at all.
    tokenizer : callable, optional
        Gives the token ids of a list of texts, an integer tensor of shape (n, context_length), such as those of
        ``open_clip.get_tokenizer``. Pairs that hold token ids need none.
    context_length : int
        Of pairs that hold token ids.
    draft : bool
        Decode JPEGs to a half, quarter or eighth of their width and height where that leaves the crop at least twice as
        many pixels on each side as the result has: much faster for large photos, but pixels differ slightly (by half a
        level of 255 on average). Otherwise pixels are those of a whole image, cropped and resized.

    Raises
    ------
    ValueError
        Captions without a tokenizer (as soon as tokens are asked for).
    """

    def __init__(
        self,
        pairs: ImageTextPairs,
        preprocess: Preprocess,
        /,
        *,
        augmentation: Augmentation | None = None,
        tokenizer: Tokenizer | None = None,
        context_length: int = CONTEXT_LENGTH,
        draft: bool = False,
    ) -> None:
        self.pairs = pairs
        self.preprocess = preprocess
        self.augmentation = Augmentation.preset("none") if augmentation is None else augmentation
        self.tokenizer = tokenizer
        self.context_length = check_count("context_length", context_length, 1)
        self.draft = draft
        self._kept = KeptImages()
        self._buffers = BatchBuffers()

    def __len__(self) -> int:
        return len(self.pairs)

    def numbers(self, samples: Samples, /) -> IntArray:
        """Return which pairs the samples are, shape (n,)."""
        return self.pairs.order(seed=samples.seed).at(samples.position)

    def names(self, samples: Samples, /) -> list[str]:
        """Return what the pairs are called."""
        return [self.pairs.name(int(i)) for i in self.numbers(samples)]

    def images(self, samples: Samples, /) -> Tensor:
        """Return the images, decoded by several threads, changed and normalised: (n, 3, size, size), float32.

        Raises
        ------
        ValueError
            An image that turns out to be broken; the sentence names it.
        """
        numbers, draws = self.numbers(samples), self._draws(samples)
        size = self.preprocess.size
        result = self._buffers.take((len(samples), 3, size, size))
        array = result.numpy()

        def prepare(some: slice) -> None:
            images = [self._image(int(i), u) for i, u in zip(numbers[some], draws[some], strict=True)]
            self.preprocess.normalise(np.stack([np.asarray(image) for image in images]), out=array[some])

        n_parts = math.ceil(len(samples) / _AT_ONCE)
        bounds = np.linspace(0, len(samples), max(n_parts, min(n_threads(), len(samples))) + 1).round().astype(int)
        each(prepare, [slice(*ends) for ends in itertools.pairwise(bounds)])
        return result

    def captions(self, samples: Samples, /) -> list[str]:
        """Return one caption of each pair, drawn among its own."""
        draws = samples.uniform(_CAPTION)
        return [self.pairs.caption(int(i), float(u)) for i, u in zip(self.numbers(samples), draws, strict=True)]

    def tokens(self, samples: Samples, /) -> Tensor:
        """Return token ids of one caption of each pair, shape (n, context_length), int64.

        Raises
        ------
        ValueError
            Captions without a tokenizer, or a tokenizer that gives anything but a row of ids for each.
        """
        if self.pairs.tokenised:
            rows = [self.pairs.tokens(int(i), context_length=self.context_length) for i in self.numbers(samples)]
            return torch.from_numpy(np.stack(rows))
        if self.tokenizer is None:
            msg = "these pairs hold captions; give tokenizer=, such as open_clip.get_tokenizer('ViT-B-32')."
            raise ValueError(msg)
        found: Any = self.tokenizer(self.captions(samples))
        is_tensor = isinstance(found, Tensor)
        if not is_tensor or found.ndim != 2 or len(found) != len(samples) or found.is_floating_point():
            what = f"a {found.dtype} tensor of shape {tuple(found.shape)}" if is_tensor else shown(found)
            msg = f"tokenizer must give an integer tensor of shape ({len(samples)}, context length); it gave {what}."
            raise ValueError(msg)
        return found.long()

    def _draws(self, samples: Samples) -> FloatArray:
        """Return what is random about the images, shape (n, N_DRAWS)."""
        if not self.augmentation.is_random:
            return np.zeros((len(samples), N_DRAWS))
        return np.stack([samples.uniform(_IMAGE + k) for k in range(N_DRAWS)], axis=1)

    def _image(self, i: int, u: FloatArray) -> Image:
        """Return an image in its final size."""
        kept = self._kept.get(i)
        if not self.augmentation.is_random:
            return kept or self._kept.put(i, self._final(i, u, None))
        return self._final(i, u, kept)

    def _final(self, i: int, u: FloatArray, decoded: Image | None) -> Image:
        from PIL import Image as Images

        size = self.preprocess.size
        try:
            image = decoded or open_image(self.pairs.image_bytes(i))
            original = image.size
            crops = self.augmentation.crop == "random"
            box = self.augmentation.box(*original, u) if crops else (0, 0, *original)
            if decoded is None:
                image = self._decoded(i, image, min(box[2] - box[0], box[3] - box[1]))
            if crops:
                image = resized_crop(image, box, size, original)
            else:
                image = Images.fromarray(self.preprocess.pixels(image))
        except BrokenImageError as error:
            raise self.pairs.unusable(i, error) from error
        except ValueError as error:
            msg = f"{self.pairs.name(i)} cannot be used: {error}."
            raise ValueError(msg) from error
        return self.augmentation.recolour(image, u)

    def _decoded(self, i: int, image: Image, edge: int) -> Image:
        """Return an image with its pixels, fewer of them where its crop, ``edge`` pixels, needs no more."""
        whole = image.size
        if self.draft and image.format == "JPEG":
            most = edge * self.preprocess.crop / (2 * self.preprocess.size)
            by = next((by for by in _SHRINKS if by <= most), 1)
            image.draft(None, (math.ceil(whole[0] / by), math.ceil(whole[1] / by)))
        image = load_image(image)
        if self.augmentation.is_random and image.size == whole:
            self._kept.put(i, image)
        return image
