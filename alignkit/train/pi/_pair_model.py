"""A CLIP as the loop trains it: pairs in, embeddings of length 1 with their scale out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class PairModel(nn.Module):
    """open_clip's model, whose scale stays between 1 and a largest value.

    Parameters
    ----------
    clip : Module
        As :func:`alignkit.models._build_clip.build_clip` makes it.
    max_scale : float
        Of the cosines.
    """

    def __init__(self, clip: nn.Module, max_scale: float) -> None:
        super().__init__()
        self.clip = clip
        self.max_log = math.log(max_scale)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor | dict[str, Tensor]:
        """Return embeddings of images and texts by name, beside scale and bias; of one of them alone, its embeddings.

        Embeddings have length 1, shape (n, D).
        """
        image, text = inputs.get("image"), inputs.get("text")
        if text is None:
            return self.clip.encode_image(image, normalize=True)  # type: ignore[operator]
        if image is None:
            return self.clip.encode_text(text, normalize=True)  # type: ignore[operator]
        found = {
            "image": self.clip.encode_image(image, normalize=True),  # type: ignore[operator]
            "text": self.clip.encode_text(text, normalize=True),  # type: ignore[operator]
            "scale": self.clip.logit_scale.exp(),  # type: ignore[operator]
        }
        bias = getattr(self.clip, "logit_bias", None)
        return found if bias is None else {**found, "bias": bias}

    @torch.no_grad()
    def bound_scale(self) -> None:
        """Bring the scale back into its bounds, as after every step of training."""
        self.clip.logit_scale.clamp_(0.0, self.max_log)  # type: ignore[operator]
