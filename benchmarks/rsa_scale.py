"""RDMs of many items: exact Spearman, Pearson and CKA from tiles, and RDMs written to disk, with time and memory.

python -m benchmarks.rsa_scale [--small] [--items 20000] [--large 100000] [--channels 64]
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from alignkit.rsa import RDM, compare, rdm, similarity, stream_compare
from benchmarks._harness import Line, arguments, keep, largest_difference, timed


def features(folder: Path, n_items: int, n_channels: int) -> tuple[Path, Path]:
    """Write two related sets of features, block by block."""
    rng = np.random.default_rng(0)
    paths = folder / f"x{n_items}.npy", folder / f"y{n_items}.npy"
    shape = (n_items, n_channels)
    x, y = (np.lib.format.open_memmap(path, "w+", np.float32, shape) for path in paths)
    for start in range(0, n_items, 4096):
        stop = min(n_items, start + 4096)
        x[start:stop] = rng.normal(size=(stop - start, n_channels))
        y[start:stop] = x[start:stop] + rng.normal(size=(stop - start, n_channels))
    return paths


def equal_to_memory(n_items: int, n_channels: int) -> float:
    """Return how far streamed values are from those in memory, of the same float32 dissimilarities."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n_items, n_channels))
    a, b = (RDM(rdm(z).values.astype(np.float32)) for z in (x, x + rng.normal(size=x.shape)))
    largest_difference(float(stream_compare(a, b)), float(compare(a, b)), limit=0.0)
    streamed, inside = (float(f(a, b, method="pearson")) for f in (stream_compare, compare))
    return largest_difference(streamed, inside, limit=1e-13)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--channels", type=int, default=64)
    options = parser.parse_args()
    items, large = (1500, 2500) if options.small else (options.items, options.large)
    difference = equal_to_memory(300 if options.small else 3000, 32)
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder, d = Path(name), options.channels
        for n, method in ((items, "pearson"), (items, "spearman"), (large, "pearson")):
            x, y = features(folder, n, d)
            timing, _ = timed(lambda x=x, y=y, method=method: stream_compare(x, y, method=method))
            lines.append(line(f"{method} of two streamed RDMs, {n:,} items x {d} channels", timing, difference))
        timing, _ = timed(lambda: stream_compare(x, y, method="whitened-cosine", metric="sqeuclidean"))
        lines.append(line(f"CKA from tiles of two RDMs, {large:,} items x {d} channels", timing, difference))
        mapped = [np.load(path, mmap_mode="r") for path in (x, y)]
        timing, _ = timed(lambda: similarity(*mapped, debiased=False))
        lines.append(line(f"the same from features, {large:,} items x {d} channels", timing, difference))
        x, _ = features(folder, items, d)
        timing, _ = timed(lambda: rdm(x, out=folder / "x.zarr"))
        lines.append(line(f"an RDM in tiles on disk, {items:,} items x {d} channels", timing, difference))
    keep("rsa_scale", lines, small=options.small)


def line(task: str, timing: object, difference: float) -> Line:
    return Line(task, "none", timing, None, None, "", 0, difference)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
