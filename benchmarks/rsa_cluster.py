"""Bootstraps, permutations, tiles and time courses on 1 and 2 processes of a dask cluster, beside no cluster.

python -m benchmarks.rsa_cluster [--small] [--workers 1 2]

The bits must be the same. Each process has one thread, and so has the run without a cluster. Bytes moved are those of
the loopback during one call: what goes by way of the scheduler counts twice. Workers keep the memory that they have
touched, as docs/scaling.md advises.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from alignkit._threads import jobs
from alignkit.meg import timecourse
from alignkit.rsa import RDM, evaluate, permutation_test, stream_compare
from benchmarks._harness import Line, arguments, keep, timed

Call = Callable[[Any], Any]
#: What the C library keeps of freed memory: dask lets workers keep next to nothing, and every array is faulted in anew.
KEEP = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(1 << 28))


def calls(*, small: bool) -> dict[str, tuple[Call, Call]]:
    """Return what is measured, each a function of a client, and what of its result must be the same."""
    rng = np.random.default_rng(0)
    n, n_draws, n_moved, n_tiled, n_times = (20, 40, 40, 1200, 6) if small else (300, 1000, 10_000, 10_000, 120)
    pairs = n * (n - 1) // 2
    models = rng.random((5, pairs))
    people = models[0] + 2 * rng.random((8, pairs))
    movie = RDM(rng.random((4, n_times, pairs)), dims=["subject", "time"])
    x = rng.normal(size=(n_tiled, 64)).astype(np.float32)
    y = x + rng.normal(size=x.shape).astype(np.float32)
    what = f"{n:,} items x 5 models x"
    both: dict[str, Any] = {"generalize": "both", "method": "spearman", "n_bootstrap": n_draws, "rng": 0}
    stack = RDM(people, dims=["subject"])
    moved: dict[str, Any] = {"average": "subject", "n_permutations": n_moved, "rng": 0}
    return {
        f"dual bootstrap, spearman, {what} 8 subjects x {n_draws:,} resamples": (
            lambda client: evaluate(models, people, client=client, **both),
            lambda found: repr(found.to_dict()),
        ),
        f"permutations, spearman, {what} 8 subjects x {n_moved:,}": (
            lambda client: permutation_test(RDM(models, dims=["model"]), stack, client=client, **moved),
            lambda found: found.null.tobytes(),
        ),
        f"spearman of two streamed RDMs, {n_tiled:,} items x 64 channels": (
            lambda client: stream_compare(x, y, client=client),
            float,
        ),
        f"time course with ceiling, spearman, {what} 4 subjects x {n_times} times": (
            lambda client: timecourse(models, movie, n_bootstrap=0, client=client),
            lambda found: repr(found.to_dict()),
        ),
    }


def moved_bytes() -> int:
    """Return the bytes that the loopback has carried."""
    import psutil

    return int(psutil.net_io_counters(pernic=True)["lo"].bytes_recv)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    from distributed import Client, LocalCluster

    os.environ.update(KEEP)
    repeats = 1 if options.small else 3
    alone = {}
    for task, (call, bits) in calls(small=options.small).items():
        with jobs(1):
            call(None)  # compilation
            timing, found = timed(lambda call=call: call(None), repeats=repeats)
        alone[task] = timing, bits(found)
    lines = []
    for n_workers in options.workers:
        settings: dict[str, Any] = {"n_workers": n_workers, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(host="127.0.0.1", processes=True, **settings) as cluster, Client(cluster) as client:
            for task, (call, bits) in calls(small=options.small).items():
                theirs, expected = alone[task]
                if bits(call(client)) != expected:  # and compilation
                    sys.exit(f"{task}: other bits on {n_workers} processes: nothing is timed")
                before = moved_bytes()
                call(client)
                size = (moved_bytes() - before) / 1e6
                timing, _ = timed(lambda call=call, client=client: call(client), repeats=repeats)
                named = f"{task}; {n_workers} process(es), {size:,.3f} MB moved"
                lines.append(Line(named, "no cluster, one thread", timing, theirs, None, "", 0, 0.0))
    keep("rsa_cluster", lines, small=options.small)


if __name__ == "__main__":
    main()
