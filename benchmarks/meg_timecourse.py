"""Spearman time course, 1,854 items x 281 samples x 4 participants x 3 models, from disk: at least 20 x a scipy loop.

python -m benchmarks.meg_timecourse [--folder FOLDER] [--samples 20] [--small]

RDMs are written to a temporary folder (or one within FOLDER) and deleted: 2 GB as counts of decisions, then 8 GB as
float32.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, spearmanr

from alignkit.meg import RDMStore, timecourse
from benchmarks._harness import Line, Timing, arguments, extrapolated, keep, largest_difference, timed

N_ITEMS, N_TIMES, N_SUBJECTS, N_MODELS = 1854, 281, 4, 3
#: Decisions of a pair: two trials in each of twelve sessions.
N_DECISIONS = 24
#: Samples whose values are compared.
N_CHECKED = 2


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, help="where to write the RDMs; by default a temporary folder")
    parser.add_argument("--samples", type=int, default=N_TIMES, help="fewer samples; nothing is kept")
    options = parser.parse_args()
    n_items, n_times = (40, 6) if options.small else (N_ITEMS, options.samples)
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(N_MODELS, n_items * (n_items - 1) // 2)).astype(np.float32)
    models = {f"model {m}": np.asarray(one, dtype=np.float64) for m, one in enumerate(signal)}
    lines = []
    for kind in ("counts of 24 decisions", "float32"):
        folder = Path(tempfile.mkdtemp(dir=options.folder))
        try:
            print(f"writing {N_SUBJECTS} participants' RDMs ({kind})", flush=True)
            whole = kind != "float32"
            paths = [write(folder / f"p{s}.zarr", signal, n_items, n_times, s, whole=whole) for s in range(N_SUBJECTS)]
            lines += measured(kind, models, paths)
        finally:
            shutil.rmtree(folder)
    keep("meg_timecourse", lines, small=options.small or n_times != N_TIMES)


def write(path: Path, signal: np.ndarray, n_items: int, n_times: int, subject: int, *, whole: bool) -> Path:
    """Write RDMs in which every model has its time, beneath noise of the participant's own."""
    times = np.arange(n_times) / 200 - 0.1
    labels = [f"{i:04d}" for i in range(n_items)]
    metric, number = ("decoding", N_DECISIONS) if whole else ("crossnobis", None)
    with RDMStore.create(path, labels=labels, times=times, metric=metric, n_decisions=number) as store:
        for start, values in patterns(signal, n_times, subject):
            counts = np.clip(np.rint(26 + 5 * values), 0, 2 * N_DECISIONS).astype(np.uint8) if whole else values
            store.write(start, counts)
    return path


def patterns(signal: np.ndarray, n_times: int, subject: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield dissimilarities of a few samples at a time."""
    rng = np.random.default_rng([1, subject])
    peaks = n_times * (1 + np.arange(len(signal))) / (1 + len(signal))
    for start in range(0, n_times, 8):
        at = np.arange(start, min(start + 8, n_times))
        share = 0.3 * np.exp(-(((at[:, None] - peaks) / (0.1 * n_times)) ** 2))
        noise = rng.standard_normal((len(at), signal.shape[1]), dtype=np.float32)
        yield start, share.astype(np.float32) @ signal + noise


def measured(kind: str, models: dict[str, np.ndarray], paths: list[Path]) -> list[Line]:
    """Check a few samples, then time all of them, with the ceiling and without."""
    stores = [RDMStore.open(path) for path in paths]
    some = [store.rdm(tmax=float(store.times[N_CHECKED - 1])) for store in stores]
    found = timecourse(models, some, n_bootstrap=0)
    similarity = [[[by_scipy(m, x) for x in one.values] for one in some] for m in models.values()]
    differences = {False: largest_difference(found.similarity, similarity, limit=1e-12)}
    bounds = np.array([ceiling([one.values[t] for one in some]) for t in range(N_CHECKED)])
    differences[True] = max(differences[False], largest_difference([found.lower, found.upper], bounds.T, limit=1e-12))
    n_times = len(stores[0])
    x, model = [store.read(0, 1)[0] for store in stores], models["model 0"]
    loop = extrapolated(lambda: by_scipy(model, x[0]), n_times * len(stores) * len(models))
    more = extrapolated(lambda: ceiling(x), n_times)
    both = Timing(loop.minimum + more.minimum, loop.median + more.median, loop.n, loop.peak_mib)
    lines = []
    for bounded, theirs in ((False, loop), (True, both)):
        ours, _ = timed(lambda bounded=bounded: timecourse(models, paths, ceiling=bounded, progress=True))
        what = "Spearman time course, noise ceiling" if bounded else "Spearman time course"
        size = f"{stores[0].n_items:,} items x {n_times} samples x {len(paths)} participants x {len(models)} models"
        task = f"{what}, {size}, {kind} on disk"
        rival = "a loop over scipy's spearmanr, extrapolated"
        lines.append(Line(task, rival, ours, theirs, None, "", 20, differences[bounded]))
    return lines


def by_scipy(model: np.ndarray, x: np.ndarray) -> float:
    """Return one correlation as a loop has it."""
    return float(spearmanr(model, x).statistic)


def ceiling(x: list[np.ndarray]) -> tuple[float, float]:
    """Return the lower and the upper bound at one sample: everybody beside the others' mean rank, and beside all's."""
    ranks = np.array([rankdata(one) for one in x])
    total = ranks.sum(axis=0)
    lower = np.mean([by_scipy(total - own, own) for own in ranks])
    return float(lower), float(np.mean([by_scipy(total, own) for own in ranks]))


if __name__ == "__main__":
    main()
