"""RDM movies, ranks, triplets, bootstraps and tiles on a GPU beside the same on the processor.

python -m benchmarks.gpu_rsa [--small] [--device cuda] [--items 20000] [--channels 256]

Without a GPU it says so, runs small sizes on torch's CPU, which tells nothing of a GPU, and keeps no figures.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from alignkit.rsa import Evaluation, evaluate, rank, rdm, stream_compare, triplet_accuracy
from benchmarks._harness import Line, arguments, in_turn, keep, largest_difference, peer, timed

#: A task: what computes on the device, the same in numpy, and how far they may differ.
Pair = tuple[Callable[[], Any], Callable[[], Any], float]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--device", help="by default the first GPU, else the CPU")
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--channels", type=int, default=256)
    options = parser.parse_args()
    torch = peer("torch")
    if torch is None:
        return
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    on_gpu = device.startswith("cuda")
    small = options.small or not on_gpu
    if not on_gpu:
        print(f"no GPU: small sizes on torch's {device}, of which nothing is kept; these times tell nothing of a GPU")
    lines = [_line(*task, torch if on_gpu else None, 1 if small else 3) for task in _tasks(torch, device, small)]
    lines += _tiles(device, *((1500, 32) if small else (options.items, options.channels)))
    keep("gpu_rsa", lines, device=torch.cuda.get_device_name(device) if on_gpu else device, small=small)


def _tasks(torch: Any, device: str, small: bool) -> list[tuple[str, Pair]]:
    """Return tasks in memory and what they are called."""
    rng = np.random.default_rng(0)
    times, items = (5, 40) if small else (121, 200)
    movie = rng.normal(size=(times, items, 60 if small else 306))
    rows = rng.normal(size=(4 if small else 40, 20_000 if small else 1_700_000)).round(3)
    x, answers = rng.random((200 if small else 1854, 66)), 20_000 if small else 4_700_000
    triplets = np.argsort(rng.random((answers, 8)), axis=1)[:, :3] + rng.integers(0, len(x) - 8, (answers, 1))
    conditions, n_bootstrap = (20, 50) if small else (200, 1000)
    truth = rng.random(conditions * (conditions - 1) // 2)
    models, people = (truth + rng.random((n, truth.size)) for n in (5, 10))
    there = {name: torch.from_numpy(array).to(device) for name, array in {"movie": movie, "rows": rows, "x": x}.items()}

    def dual(method: str, on: str | None) -> np.ndarray:
        result: Evaluation = evaluate(
            models, people, generalize="both", method=method, n_bootstrap=n_bootstrap, rng=0, device=on
        )
        return np.concatenate([result.se, result.se_ceiling_difference])

    tasks: list[tuple[str, Pair]] = [
        (
            f"RDM movie, {times} times x {items} items x {movie.shape[2]} channels",
            (lambda: rdm(there["movie"]).values.cpu(), lambda: rdm(movie).values, 1e-12),
        ),
        (
            f"ranks with ties, {rows.shape[0]} x {rows.shape[1]:,} values",
            (lambda: rank(there["rows"]).cpu(), lambda: rank(rows), 0.0),
        ),
        (
            f"accuracy of {answers:,} triplets, {len(x):,} items x 66, with its bootstrap",
            (
                lambda: triplet_accuracy(there["x"], triplets).accuracy,
                lambda: triplet_accuracy(x, triplets).accuracy,
                0.0,
            ),
        ),
    ]
    for method in ("pearson", "spearman", "whitened-cosine"):
        name = f"dual bootstrap, {conditions} items x 10 people x 5 models x {n_bootstrap}, {method}"
        tasks.append((name, (functools.partial(dual, method, device), functools.partial(dual, method, None), 1e-10)))
    return tasks


def _line(name: str, pair: Pair, torch: Any, repeats: int) -> Line:
    ours, theirs, limit = pair
    difference = largest_difference(ours(), theirs(), limit=limit)

    def finished() -> Any:
        result = ours()
        if torch is not None:
            torch.cuda.synchronize()
        return result

    timings = in_turn({"ours": finished, "theirs": theirs}, repeats=repeats)
    return Line(name, "the processor", timings["ours"], timings["theirs"], None, "", 0, difference)


def _tiles(device: str, n_items: int, n_channels: int) -> list[Line]:
    """Return what tiles of two sets of features take, compared and written, each once."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n_items, n_channels)).astype(np.float32)
    y = (x + rng.normal(size=x.shape)).astype(np.float32)
    lines = []
    for method in ("pearson", "spearman"):
        compare = functools.partial(stream_compare, x, y, method=method, memory="4 GB")
        compare(device=device)  # compilation
        timings, values = zip(*(timed(functools.partial(compare, device=on)) for on in (device, None)), strict=True)
        difference = largest_difference(*map(float, values), limit=1e-9)
        name = f"{method} of two streamed RDMs, {n_items:,} items x {n_channels} channels"
        lines.append(Line(name, "the processor", *timings, None, "", 0, difference))
    with tempfile.TemporaryDirectory() as folder:
        written = [
            timed(functools.partial(rdm, x, out=Path(folder, f"{on}.zarr"), memory="4 GB", device=on))
            for on in (device, None)
        ]
        tiles = [result.tile(0, 0) for _, result in written]
        difference = largest_difference(*tiles, limit=3e-7)
    name = f"an RDM written in tiles, {n_items:,} items x {n_channels} channels"
    return [*lines, Line(name, "the processor", written[0][0], written[1][0], None, "", 0, difference)]


if __name__ == "__main__":
    main()
