from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignkit.models._adapter_config import AdapterConfig
from alignkit.train import LoopConfig, OptimConfig
from alignkit.train.alignet.config import AligNetConfig

N_ITEMS, N_EACH, WIDTH = 24, 2, 6


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures each of 24 items that differ in colour: ``pictures/thing03_1.png``."""
    folder = Path(tmp_path_factory.mktemp("pictures"))
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, size=(N_ITEMS, 3))
    for item, colour in enumerate(colours):
        for number in range(N_EACH):
            noise = rng.integers(-20, 21, size=(32, 32, 3))
            pixels = np.clip(colour + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"thing{item:02d}_{number}.png")
    return folder


@pytest.fixture(scope="session")
def table(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each picture shows."""
    path = Path(tmp_path_factory.mktemp("tables"), "items.csv")
    rows = [f"{picture.name},{picture.name[:7]}" for picture in sorted(pictures.iterdir())]
    path.write_text("\n".join(["file,item", *rows]) + "\n")
    return path


@pytest.fixture(scope="session")
def triplets(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Triplets of these pictures, with similarities that follow from their mean colours."""
    names = [picture.name for picture in sorted(pictures.iterdir())]
    mean = np.stack([np.asarray(Image.open(pictures / name)).mean(axis=(0, 1)) for name in names])
    x = (mean - mean.mean(axis=0)) / mean.std()
    rng = np.random.default_rng(1)
    three = np.stack([rng.permutation(len(names))[:3] for _ in range(3000)])
    return write_triplets(Path(tmp_path_factory.mktemp("triplets"), "aligned.npz"), np.array(names), x, three)


def write_triplets(path: Path, names: np.ndarray, x: np.ndarray, three: np.ndarray) -> Path:
    """Write triplets in the published layout, the most similar pair first."""
    pairs = np.array([[0, 1, 2], [0, 2, 1], [1, 2, 0]])
    s = np.stack([(x[three[:, a]] * x[three[:, b]]).sum(axis=1) for a, b, _ in pairs], axis=1)
    three = np.take_along_axis(three, pairs[s.argmax(axis=1)], axis=1)
    s = np.stack([(x[three[:, a]] * x[three[:, b]]).sum(axis=1) for a, b, _ in pairs], axis=1)
    np.savez(path, filenames=names[three], similarities=s)
    return path


@pytest.fixture
def config(pictures: Path, triplets: Path, tmp_path: Path) -> AligNetConfig:
    """A small student of a small network."""
    return AligNetConfig(
        images=pictures,
        triplets=triplets,
        root=tmp_path / "nowhere",
        out=tmp_path / "run",
        backbone="random:test_vit",
        img_size=32,
        head=16,
        centre=True,
        student_temperature=0.0,
        val_share=0.3,
        adapter=AdapterConfig(kind="lora", rank=2, image_blocks=1, dropout=0.0),
        optim=OptimConfig(lr=3e-3, weight_decay=0.0, decay_to_init=0.1),
        loop=LoopConfig(
            epochs=1, max_steps=12, batch_size=32, validate_every=6, progress=False, device="cpu", monitor="val_loss"
        ),
        n_bootstrap=50,
    )
