"""The image tower of a network that reads texts too."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class ImageTower(nn.Module):
    """A CLIP's image encoder with its projection where it has one, under transformers' names of the layers."""

    def __init__(self, vision_model: nn.Module, visual_projection: nn.Module | None) -> None:
        super().__init__()
        self.vision_model = vision_model
        self.visual_projection = visual_projection

    def forward(self, pixel_values: torch.Tensor, *, interpolate_pos_encoding: bool = False) -> dict[str, Any]:
        """Return the embedding of each image, or what the encoder pools where nothing projects it."""
        more = {"interpolate_pos_encoding": True} if interpolate_pos_encoding else {}
        pooled = self.vision_model(pixel_values=pixel_values, **more).pooler_output
        if self.visual_projection is None:
            return {"pooler_output": pooled}
        return {"image_embeds": self.visual_projection(pooled)}
