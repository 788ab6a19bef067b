"""10 million triplets over 1.28 million images: 100,000 a second, in less than 8 GB; k-means beside scikit-learn."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans

from alignkit.align import cluster, open_triplets, sample_triplets, write_triplets
from benchmarks._harness import Line, arguments, extrapolated, in_turn, keep, largest_difference, peak_memory, timed

#: Memory that a whole run may take, features mapped into it included.
MOST_MIB = 8 * 1024
#: Triplets that a loop is timed on.
N_LOOP = 2000


def loop_of_draws(groups: np.ndarray) -> Callable[[], list[list[int]]]:
    """Return what draws border triplets one at a time from lists of each group's images, which are made once."""
    rng = np.random.default_rng(0)
    members = {int(group): np.flatnonzero(groups == group) for group in np.unique(groups)}
    names = np.array(list(members))

    def draw() -> list[list[int]]:
        found = []
        for _ in range(N_LOOP):
            first, second = rng.choice(names, 2, replace=False)
            found.append([*rng.choice(members[first], 2, replace=False), rng.choice(members[second])])
        return found

    return draw


def loop_of_similarities(x: np.ndarray, triplets: np.ndarray) -> np.ndarray:
    """Return the three dot products of each triplet, one triplet at a time."""
    return np.array([[x[a] @ x[b], x[a] @ x[c], x[b] @ x[c]] for a, b, c in triplets])


def write_features(folder: Path, n: int, channels: int) -> Path:
    """Write features and the names of their images, a few rows at a time."""
    path, rng = folder / "teacher.npy", np.random.default_rng(0)
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (n, channels)})
        for start in range(0, n, 16_384):
            rows = rng.standard_normal((min(16_384, n - start), channels), dtype=np.float32)
            file.write((rows * np.float32(0.2)).data)
    names = (f"n{i % 1000:08d}/n{i % 1000:08d}_{i}.JPEG" for i in range(n))
    (folder / "teacher_names.txt").write_text("\n".join(names) + "\n")
    return path


def sampling(groups: np.ndarray, n: int) -> Line:
    """Return the line of drawing alone."""
    first, second, third = groups[sample_triplets(groups, n)].T
    broken = float(np.mean((first != second) | (first == third)))
    if broken:
        sys.exit("some triplets break the rule: nothing is timed")
    ours = in_turn({"ours": lambda: sample_triplets(groups, n)}, repeats=3)["ours"]
    task = f"{n / 1e6:g} M border triplets of {len(groups) / 1e6:g} M images: {n / ours.median:,.0f} a second (100,000)"
    theirs = extrapolated(loop_of_draws(groups), n / N_LOOP, repeats=1)
    return Line(task, f"a loop over triplets ({N_LOOP:,} timed)", ours, theirs, None, "", 20, broken)


def writing(path: Path, groups: np.ndarray, out: Path, n: int) -> Line:
    """Return the line of drawing, similarities and files, from features on disk."""
    x = np.load(path, mmap_mode="r", allow_pickle=False)
    before = time.process_time()
    ours, _ = timed(lambda: write_triplets(path, groups, out=out, n=n))
    of_processors = time.process_time() - before
    indices, similarities = open_triplets(out).block(0, min(n, N_LOOP))
    difference = largest_difference(similarities, loop_of_similarities(x, indices), limit=1e-4)
    most = peak_memory()
    if most > MOST_MIB:
        sys.exit(f"the process took {most:,.0f} MiB, more than the {MOST_MIB:,} promised")
    theirs = extrapolated(lambda: loop_of_similarities(x, indices), n / len(indices), repeats=1)
    gib = x.nbytes / 2**30
    promised = " (100,000)" if out.suffix == ".zarr" else ""
    task = (
        f"{n / 1e6:g} M triplets of {len(groups) / 1e6:g} M images x {x.shape[1]} channels ({gib:.1f} GiB mapped), "
        f"with similarities, to {out.suffix}: {n / ours.median:,.0f} a second{promised}, {n / of_processors:,.0f} of a "
        "processor's; whole process in MiB (8,192)"
    )
    whole = dataclasses.replace(ours, peak_mib=most)
    return Line(
        task, f"a loop over triplets, nothing written ({N_LOOP:,} timed)", whole, theirs, None, "", 0, difference
    )


def clustering(x: np.ndarray, k: int, rounds: int) -> Line:
    """Return the line of k-means block by block, beside scikit-learn in memory, from the same centres."""
    import warnings

    warnings.simplefilter("ignore")  # neither comes to rest in so few rounds
    start = x[:k]

    def ours() -> object:
        return cluster(x, n_clusters=k, backend="numpy", centres=start, max_iter=rounds, tol=0.0)

    def theirs() -> object:
        return KMeans(k, init=start, n_init=1, max_iter=rounds, tol=0.0, algorithm="lloyd").fit(x)

    found, oracle = ours(), theirs()
    same = float(np.mean(found.cluster_of == oracle.labels_))  # type: ignore[attr-defined]
    if same < 0.9999:
        sys.exit(f"only {same:.4%} of the items are in the same cluster: nothing is timed")
    timings = in_turn({"ours": ours, "theirs": theirs}, repeats=3)
    task = f"k-means block by block, {rounds} rounds, {len(x):,} x {x.shape[1]} float32, {k} clusters"
    return Line(task, "scikit-learn, in memory", timings["ours"], timings["theirs"], None, "", 0, 1 - same)


def main() -> None:
    options = arguments(__doc__)
    options.add_argument(
        "--folder", type=Path, help="where to write the features (4 GB) and triplets; by default a new one"
    )
    given = options.parse_args()
    small = given.small
    n_images, n_channels, n = (20_000, 32, 200_000) if small else (1_280_000, 768, 10_000_000)
    groups = np.random.default_rng(1).integers(500, size=n_images)
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        path = write_features(Path(made), n_images, n_channels)
        lines = [writing(path, groups, Path(made, "triplets.zarr"), n)]
        if not small:
            lines.append(writing(path, groups, Path(made, "triplets.npz"), n // 10))
    lines.append(sampling(groups, n // 10))
    rows = np.random.default_rng(2).standard_normal((2000 if small else 50_000, n_channels), dtype=np.float32)
    lines.append(clustering(rows, 20 if small else 500, 5))
    keep("triplet_sampling", lines, small=small)


if __name__ == "__main__":
    main()
