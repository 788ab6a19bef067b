"""Images kept in memory once they were decoded, when all of them together are few and small."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

#: Bytes that all images may take.
_KEPT_BYTES = 1 << 28


class KeptImages:
    """RGB images by number, until there are too many bytes of them: from then on none is kept.

    Threads may share one.
    """

    def __init__(self) -> None:
        self._images: dict[int, tuple[tuple[int, int], bytes]] | None = {}
        self._n_bytes = 0
        self._lock = threading.Lock()

    def get(self, i: int, /) -> Image | None:
        """Return an image, or None where it is not kept."""
        from PIL import Image as Images

        images = self._images
        found = images.get(i) if images is not None else None
        return Images.frombytes("RGB", *found) if found is not None else None

    def put(self, i: int, image: Image, /) -> Image:
        """Keep an image, if there is room, and return it."""
        if self._images is None:
            return image
        content = image.tobytes()
        with self._lock:
            if self._images is not None and i not in self._images:
                self._n_bytes += len(content)
                self._images[i] = image.size, content
                if self._n_bytes > _KEPT_BYTES:
                    # those of a large collection would hardly ever be asked for again
                    self._images = None
        return image
