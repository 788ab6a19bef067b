"""Memory of batches, used again once nobody holds the batch any more."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class BatchBuffers:
    """Tensors of float32 on the CPU whose memory goes from one batch to the next.

    The system hands memory out page by page, which for a large batch can take as long as decoding its images. As many
    batches are kept as were ever held at a time.
    """

    def __init__(self) -> None:
        #: Each with what torch holds as long as any tensor has this memory.
        self._arrays: list[tuple[npt.NDArray[np.float32], Callable[[], object]]] = []

    def take(self, shape: tuple[int, ...], /) -> Tensor:
        """Return a tensor with any numbers in it, whose memory no other tensor has."""
        idle = [array for array, holder in self._arrays if holder() is None]
        busy = [(array, holder) for array, holder in self._arrays if holder() is not None]
        fit = [array for array in idle if array.shape == shape]
        array = fit.pop() if fit else np.empty(shape, np.float32)
        # torch keeps this object, and no other, until the last tensor of this memory is gone
        view = array.view()
        self._arrays = [*busy, (array, weakref.ref(view)), *((other, _nobody) for other in fit)]
        return torch.from_numpy(view)


def _nobody() -> None:
    return None
