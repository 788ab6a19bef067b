"""Decoded images stay as long as all of them fit."""

from __future__ import annotations

from PIL import Image

from alignkit.train.pi._kept_images import KeptImages


def test_images_come_back_as_they_were(monkeypatch):
    kept = KeptImages()
    images = [Image.effect_noise((5, 4 + k), 60).convert("RGB") for k in range(3)]
    assert kept.get(0) is None
    for k, image in enumerate(images):
        assert kept.put(k, image) is image
    for k, image in enumerate(images):
        assert (kept.get(k).size, kept.get(k).tobytes()) == (image.size, image.tobytes())


def test_none_is_kept_where_they_are_too_many(monkeypatch):
    monkeypatch.setattr("alignkit.train.pi._kept_images._KEPT_BYTES", 3 * 4 * 4 * 3)
    kept, image = KeptImages(), Image.new("RGB", (4, 4))
    for k in (0, 1, 2, 2, 1):
        kept.put(k, image)
    assert kept.get(0) is not None
    kept.put(3, image)
    assert [kept.get(k) for k in range(4)] == [None] * 4
    assert kept.put(0, image) is image
    assert kept.get(0) is None
