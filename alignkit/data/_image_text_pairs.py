"""Images and their texts, each pair reached by its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from alignkit._check import check_count, check_number, counted, shown
from alignkit._typing import IntArray
from alignkit.data._pair_captions import CONTEXT_LENGTH, fit_tokens
from alignkit.data._pair_images import BrokenImageError, decode_image
from alignkit.data._pair_order import PairOrder

if TYPE_CHECKING:
    from PIL.Image import Image


class Source(Protocol):
    """What keeps pairs: shards, Parquet files or a folder."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pairs of each part that is best read together."""

    @property
    def bad(self) -> tuple[tuple[str, str], ...]:
        """Samples that were left out, and why."""

    @property
    def tokenised(self) -> bool:
        """Whether texts are token ids."""

    def name(self, i: int) -> str:
        """Return what a pair is called."""

    def image_bytes(self, i: int) -> bytes:
        """Return an image as it is stored."""

    def text(self, i: int) -> tuple[str, ...] | list[int]:
        """Return the captions, or the token ids."""


class ImageTextPairs:
    """Image-text pairs of shards, Parquet files or a folder, as :func:`open_pairs` found them.

    Pairs are numbered in the order of the files. Reading changes nothing, so that threads and processes may share one.

    Parameters
    ----------
    source : object
        What keeps the pairs.
    """

    __slots__ = ("_n", "_source")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._n = sum(source.sizes)

    def __len__(self) -> int:
        return self._n

    def __repr__(self) -> str:
        texts = "token ids" if self.tokenised else "captions"
        return f"<ImageTextPairs: {counted(len(self), 'image')} with {texts}, {len(self.bad):,} left out>"

    @property
    def bad(self) -> tuple[tuple[str, str], ...]:
        """Samples that were left out: what each is called (shard and key), and why."""
        return self._source.bad

    @property
    def tokenised(self) -> bool:
        """Whether the texts are token ids (:meth:`tokens`) and not captions."""
        return self._source.tokenised

    def name(self, i: int) -> str:
        """Return what a pair is called: its shard and key, for messages about it."""
        return self._source.name(self._check(i))

    def image(self, i: int) -> Image:
        """Return an image in RGB, decoded; ValueError names one that turns out to be broken."""
        content = self.image_bytes(i)
        try:
            return decode_image(content)
        except BrokenImageError as error:
            raise self.unusable(i, error) from error

    def unusable(self, i: int, reason: object) -> ValueError:
        """Return an error that names a pair and says why its image cannot be used."""
        msg = f"{self.name(i)} cannot be used: {reason}; open_pairs(..., check='decode') leaves such pairs out."
        return ValueError(msg)

    def image_bytes(self, i: int) -> bytes:
        """Return an image as it is stored: a JPEG, PNG or WebP."""
        return self._source.image_bytes(self._check(i))

    def captions(self, i: int) -> tuple[str, ...]:
        """Return all captions of an image."""
        found = self._source.text(self._check(i))
        if isinstance(found, list):
            msg = "the texts of these pairs are token ids, which are not captions any more; use tokens(i)."
            raise TypeError(msg)
        return found

    def caption(self, i: int, u: float = 0.0) -> str:
        """Return one caption of an image, drawn by ``u``, a uniform number in [0, 1): the first at 0."""
        captions = self.captions(i)
        if not 0 <= check_number("u", u) < 1:
            msg = f"u must lie in [0, 1); got {shown(u)}."
            raise ValueError(msg)
        return captions[int(u * len(captions))]

    def tokens(self, i: int, *, context_length: int = CONTEXT_LENGTH) -> IntArray:
        """Return token ids, shape (context_length,): filled up with zeros, or cut; the last, the end mark, stays."""
        length = check_count("context_length", context_length, 1)
        found = self._source.text(self._check(i))
        if isinstance(found, tuple):
            msg = "the texts of these pairs are captions; tokenise caption(i)."
            raise TypeError(msg)
        return fit_tokens(found, length)

    def order(self, *, seed: int, window: int = 16_384) -> PairOrder:
        """Return the order of pairs in a run, another in each epoch, that reads few files at a time.

        ``order.at(position)`` is a pure function of the seed and the place in the run, which is all that a resumed
        run needs; ``order.batch(epoch, step, ...)`` gives a process its part of a step. Shards are shuffled, and then
        ``window`` pairs together.
        """
        return PairOrder(self._source.sizes, seed, window)

    def _check(self, i: int) -> int:
        number = check_count("i", i)
        if number >= self._n:
            msg = f"i must lie below the number of pairs, {self._n:,}; got {number:,}."
            raise ValueError(msg)
        return number
