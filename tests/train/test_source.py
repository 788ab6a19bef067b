from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from alignkit.models._preprocess import Preprocess
from alignkit.train._source import ImageSource


def test_photos_are_found_by_their_numbers(tmp_path):
    paths = []
    for i in range(4):
        paths.append(tmp_path / f"{i}.png")
        Image.new("RGB", (20, 20), (60 * i, 0, 0)).save(paths[-1])
    preprocess = Preprocess.clip(8)
    images = ImageSource(paths, preprocess)(np.array([3, 0, 3]))["image"]
    assert images.shape == (3, 3, 8, 8)
    for image, number in zip(images.numpy(), (3, 0, 3), strict=True):
        assert np.array_equal(image, preprocess(Image.open(paths[number])))


def test_a_photo_that_went_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.png cannot be read"):
        ImageSource([tmp_path / "gone.png"], Preprocess.clip(8))(np.array([0]))


def test_small_photos_are_decoded_once(tmp_path, monkeypatch):
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.png")
        Image.new("RGB", (20, 20), (60 * i, 0, 0)).save(paths[-1])
    preprocess = Preprocess.clip(8)
    kept = ImageSource(paths, preprocess)
    monkeypatch.setattr("alignkit.train._source._KEPT_BYTES", 3 * 8 * 8 * 3 - 1)
    decoded = ImageSource(paths, preprocess)
    first = kept(np.array([1, 2]))["image"]
    assert np.array_equal(first, decoded(np.array([1, 2]))["image"])
    for path in paths[1:]:
        path.unlink()
    assert np.array_equal(kept(np.array([2, 0, 1]))["image"][[2, 0]], first)
    with pytest.raises(ValueError, match=r"1\.png cannot be read"):
        decoded(np.array([0, 1]))


def test_preprocessing_of_the_users_own_is_called_every_time(tmp_path):
    path = tmp_path / "one.png"
    Image.new("RGB", (4, 4), (255, 0, 0)).save(path)
    images = ImageSource([path], lambda image: np.asarray(image, dtype=np.float32).transpose(2, 0, 1))(np.array([0]))
    assert images["image"].shape == (1, 3, 4, 4)
