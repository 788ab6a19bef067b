from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignkit.data import CIFAR10H, load_cifar10h


@pytest.fixture(scope="module")
def data(shared_data: Callable[..., Path]) -> CIFAR10H:
    return load_cifar10h(shared_data("cifar10h").parent)


def test_contents(data: CIFAR10H) -> None:
    assert data.counts.shape == data.probs.shape == (10_000, 10)
    assert data.classes[:3] == ("airplane", "automobile", "bird")
    assert (data.labels[0], data.labels[-1]) == ("00000", "09999")
    np.testing.assert_allclose(data.probs.sum(axis=1), 1)
    # people agree with CIFAR's own labels nearly always, so the rows of the files belong together
    assert (data.counts.argmax(axis=1) == data.target).mean() == pytest.approx(0.9921, abs=1e-4)
    assert (
        repr(data)
        == "<CIFAR10H 10,000 images, 10 classes (airplane, automobile, bird, ...), 47-63 human labels an image>"
    )


def test_images(data: CIFAR10H, tmp_path: Path) -> None:
    with Image.open(io.BytesIO(data.jpeg(0))) as image:
        assert (image.format, image.size) == ("JPEG", (32, 32))
    folder = data.export_images(tmp_path, images=[9999, 3], progress=False)
    assert sorted(path.name for path in folder.iterdir()) == ["00003.jpg", "09999.jpg"]
    assert (tmp_path / "09999.jpg").read_bytes() == data.jpeg(9999)
    for i in (-1, 10_000):
        with pytest.raises(IndexError, match="from 0 to 9999"):
            data.jpeg(i)


def test_damaged(data: CIFAR10H, shared_data: Callable[..., Path], tmp_path: Path) -> None:
    shutil.copytree(shared_data("cifar10h"), tmp_path / "cifar10h", ignore=shutil.ignore_patterns("*train*"))
    probs, counts = (tmp_path / f"cifar10h/cifar10h-{kind}.npy" for kind in ("probs", "counts"))
    np.save(probs, data.probs[::-1])
    with pytest.raises(ValueError, match="the two files do not belong together"):
        load_cifar10h(tmp_path)
    np.save(counts, data.counts[:100])
    with pytest.raises(ValueError, match=r"must have shape \(10000, 10\)"):
        load_cifar10h(tmp_path)
    np.save(counts, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickled Python objects"):
        load_cifar10h(tmp_path)
    images = tmp_path / "cifar10h/cifar10_test_jpg.npz"
    np.savez(images, data=data.data[:-1], offsets=data.offsets, labels=data.target, classes=list(data.classes))
    with pytest.raises(ValueError, match="do not describe 10,000 images"):
        load_cifar10h(tmp_path)
    np.savez(images, data=data.data)
    with pytest.raises(ValueError, match="lacks the array"):
        load_cifar10h(tmp_path)
    images.unlink()
    with pytest.raises(FileNotFoundError, match=r"cifar10_test_jpg\.npz"):
        load_cifar10h(tmp_path)
