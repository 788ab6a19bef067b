from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alignkit.models import load
from alignkit.models._towers import Towers
from alignkit.train._prefix_cache import cache_prefix


def towers(block: int = 4, seed: int = 0) -> Towers:
    made = Towers.from_models(load("random:test_vit", device="cpu", img_size=32, seed=seed), None)
    made.image.split_at(block)
    return made


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{name}.png" for name in "edcba"]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (40, 32, 3), dtype=np.uint8)).save(path)
    return paths


def pixels(made: Towers, photos: list[Path]) -> torch.Tensor:
    return torch.stack([torch.from_numpy(made.preprocess(Image.open(path))) for path in photos])


def test_what_is_read_gives_what_would_have_been_computed(photos, tmp_path):
    made = towers()
    cache = cache_prefix(made, photos, tmp_path / "cache", batch_size=5, progress=False)
    numbers = np.array([3, 0, 4, 3])
    hidden = cache(numbers)["hidden"]
    images = pixels(made, [photos[number] for number in numbers])
    with torch.no_grad():
        torch.testing.assert_close(hidden, made.image.prefix(images), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(made.image.suffix(hidden), made.image(images), rtol=1e-6, atol=1e-6)
    assert cache.shape == (5, 64)
    assert cache.n_bytes >= 5 * 5 * 64 * 4


def test_float16_takes_half_and_rounds(photos, tmp_path):
    made = towers()
    full = cache_prefix(made, photos, tmp_path / "cache", progress=False)
    half = cache_prefix(made, photos, tmp_path / "cache", dtype="float16", progress=False)
    assert half.n_bytes < 0.6 * full.n_bytes
    numbers = np.arange(5)
    torch.testing.assert_close(half(numbers)["hidden"], full(numbers)["hidden"].half(), rtol=0, atol=0)


def test_without_trained_blocks_the_embedding_itself_is_kept(photos, tmp_path):
    made = towers(block=6)
    cache = cache_prefix(made, photos, tmp_path / "cache", progress=False)
    assert cache.shape == (64,)
    with torch.no_grad():
        torch.testing.assert_close(
            cache(np.arange(5))["hidden"], made.image(pixels(made, photos)), rtol=1e-6, atol=1e-6
        )


def test_the_same_is_computed_once_and_anything_else_lies_beside_it(photos, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    first = cache_prefix(towers(), photos, folder, progress=False)
    again = towers()
    monkeypatch.setattr(type(again.image), "prefix", lambda self, x: torch.zeros(len(x), 5, 64))
    assert torch.equal(
        cache_prefix(again, photos, folder, progress=False)(np.arange(5))["hidden"], first(np.arange(5))["hidden"]
    )
    monkeypatch.undo()
    others = [
        cache_prefix(towers(block=3), photos, folder, progress=False),
        cache_prefix(towers(seed=1), photos, folder, progress=False),
        cache_prefix(towers(), photos[::-1], folder, progress=False),
        cache_prefix(towers(), photos, folder, precision="bf16", progress=False),
    ]
    assert len({first.folder, *(other.folder for other in others)}) == 5


def test_changed_and_broken_images_are_named(photos, tmp_path):
    cache_prefix(towers(), photos, tmp_path / "cache", progress=False)
    Image.new("RGB", (32, 32)).save(photos[1])
    with pytest.raises(ValueError, match=r"1 item\(s\) changed since .* stored in .*prefix-\w{16}: .*d\.png"):
        cache_prefix(towers(), photos, tmp_path / "cache", progress=False)
    photos[2].write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"c\.png cannot be read \(.*\); repair it\.$"):
        cache_prefix(towers(), photos, tmp_path / "other", progress=False)
    photos[2].unlink()
    with pytest.raises(FileNotFoundError, match=r"c\.png does not exist; correct the list\.$"):
        cache_prefix(towers(), photos, tmp_path / "other", progress=False)
