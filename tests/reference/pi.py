"""Small images, judgements and CLIPs for tests of Perceptual Initialization."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

#: A CLIP of which nearly everything is the vocabulary.
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}


def write_architecture(folder: Path, **changes: object) -> str:
    """Write the tiny config as a file and return its path."""
    path = folder / "tiny.json"
    path.write_text(json.dumps({**TINY, **changes}))
    return str(path)


def write_colours(folder: Path, n: int = 24, size: int = 20) -> list[str]:
    """Write images of one hue each, with noise, and return their names in the order of the hues."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for i in range(n):
        rng = np.random.default_rng(i)
        pixels = np.full((size, size, 3), (round(255 * i / (n - 1)), 128, 255 - round(255 * i / (n - 1))), np.int64)
        Image.fromarray((pixels + rng.integers(-9, 10, pixels.shape)).clip(0, 255).astype(np.uint8)).save(
            folder / f"c{i:02d}.png"
        )
        names.append(f"c{i:02d}.png")
    return names


def hue_trials(n_images: int, n: int, seed: int = 0) -> np.ndarray:
    """Return trials (reference, left, right) among numbered images, no two alternatives equally far."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < n:
        reference, left, right = rng.choice(n_images, 3, replace=False)
        if abs(reference - left) != abs(reference - right):
            found.append((reference, left, right))
    return np.array(found)


def write_trials(path: Path, names: list[str], trials: np.ndarray, splits: list[str] | None = None) -> Path:
    """Write trials as a table: the image nearer in the list gets four votes, the other one."""
    lines = ["reference,left,right,left_votes,right_votes" + (",split" if splits else "")]
    for row, (reference, left, right) in enumerate(trials):
        votes = (4, 1) if abs(reference - left) < abs(reference - right) else (1, 4)
        cells = [names[reference], names[left], names[right], *map(str, votes), *([splits[row]] if splits else [])]
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_shades(folder: Path) -> None:
    """Write a folder with a subfolder of four images for each of three colours, and a template."""
    for name, colour in (("blue", (0, 0, 255)), ("green", (0, 255, 0)), ("red", (255, 0, 0))):
        (folder / name).mkdir(parents=True)
        for k in range(4):
            shade = tuple(max(0, value - 30 * k) for value in colour)
            Image.new("RGB", (20, 20), shade).save(folder / name / f"{k}.png")
    (folder / "templates.txt").write_text("a {c}\n")
