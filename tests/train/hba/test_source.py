from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from alignkit.models._preprocess import Preprocess
from alignkit.train.hba._source import ImageSource


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
