"""Tiny networks and pictures: everything here runs in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alignkit.models import Model, Preprocess

#: Small, square, and with constants that leave numbers readable.
PLAIN = Preprocess(size=16, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), resize="squash", interpolation="bilinear")


def picture(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eleven pictures in subfolders, with other files among them."""
    root = tmp_path / "images"
    for i in range(11):
        path = root / f"class_{i % 3}" / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(i, (20 + i, 30)).save(path)
    (root / "notes.txt").write_text("not an image")
    (root / ".hidden.png").write_bytes(b"")
    return root


@pytest.fixture
def make_model() -> Callable[..., Model]:
    """Return a maker of small convolutional networks: the same seed gives the same weights."""
    import torch
    from torch import nn

    def make(seed: int = 0, preprocess: Preprocess = PLAIN) -> Model:
        generator = torch.Generator().manual_seed(seed)
        net = nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2),
            nn.BatchNorm2d(5),
            nn.ReLU(inplace=True),
            nn.Conv2d(5, 7, 3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        return Model.from_module(net, preprocess, name="small")

    return make


@pytest.fixture
def make_clip() -> Callable[..., Any]:
    """Return a maker of small open_clip models of 32 pixels, two blocks in each tower."""
    from reference import toy_clip

    return toy_clip.make_clip


@pytest.fixture
def make_towers() -> Callable[..., Any]:
    """Return a maker of the towers of a small open_clip model."""
    from reference import toy_clip

    return toy_clip.make_towers
