"""Decoding of all pairs over time, from a file of the shape of THINGS-MEG, in under 15 minutes and 4 GB on two cores.

python -m benchmarks.meg_decoding [--file preprocessed_P1-epo.fif] [--folder FOLDER] [--samples 10] [--small]

Without --file one participant is simulated first (8.2 GB, two minutes), in a temporary folder or in FOLDER. The RDMs go
to FOLDER, too: a run that was killed goes on there, and its time is then that of what was left, scaled to all samples.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.distance import squareform
from threadpoolctl import threadpool_limits

from alignkit.data import simulate
from alignkit.meg import RDMStore, time_rdms
from benchmarks._harness import Line, Timing, arguments, in_copy, keep, largest_difference, peak_memory, peer

#: Objects, sessions, channels, samples, samples per second.
SIZES = 1854, 12, 271, 281, 200.0
#: Samples and pairs whose decisions are compared with scikit-learn's.
N_CHECKED, N_PAIRS = 2, 20
SETS = {
    "exp": {"by": "things_category_nr", "folds": "session_nr", "query": "trial_type == 'exp'"},
    "test": {"by": "things_category_nr", "folds": "session_nr", "query": "trial_type == 'test'"},
}
PROMISED = {"exp": "under 15 min and 4 GB", "test": "under 20 s"}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--file", type=Path, help="first part of a participant's epochs, of THINGS-MEG or simulated")
    parser.add_argument("--folder", type=Path, help="where to write the simulated epochs and the RDMs, and leave them")
    parser.add_argument("--samples", type=int, help="only so many samples from the first on; nothing is kept")
    parser.add_argument("--memory", default="2 GB", help="what time_rdms may work in")
    parser.add_argument("--alone", nargs="+", choices=tuple(SETS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        for name in options.alone:
            how = options.file, options.folder, name, options.samples, options.memory
            print(json.dumps(in_copy(functools.partial(alone, *how))), flush=True)
    elif peer("mne") is not None:
        with tempfile.TemporaryDirectory() as temporary:
            folder = options.folder or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            file = options.file or written(folder, small=options.small)
            kept = not options.small and options.samples is None
            keep("meg_decoding", lines(file, folder, options), small=not kept)


def written(folder: Path, *, small: bool) -> Path:
    """Return the first part of simulated epochs; those that are there already are used again."""
    path = folder / "preprocessed_P1-epo.fif"
    if not (folder / "sample_attributes_P1.csv").exists():  # which is written last
        print(f"writing simulated epochs to {folder}", flush=True)
        n_items, n_sessions, n_channels, n_times, sfreq = (24, 3, 24, 20, 50.0) if small else SIZES
        design = {"n_sessions": n_sessions, "n_channels": n_channels, "n_times": n_times, "sfreq": sfreq}
        meg = simulate(n_items).meg(n_subjects=1, **design)
        path = meg.write_things(folder, n_test=6 if small else None, progress=not small)
    return path


def lines(file: Path, folder: Path, options: argparse.Namespace) -> list[Line]:
    """Check decisions, then time every set of trials in a process of its own."""
    samples = Samples.read(file, options.samples)
    checked = {}
    for name in SETS:
        trials = samples.of(name)
        checked[name] = trials, *trials.compared(file, name)
        print(f"{name}: decisions of {N_PAIRS} pairs at {N_CHECKED} samples equal scikit-learn's", flush=True)
    found = []
    for (name, promised), ours in zip(PROMISED.items(), in_children(file, folder, options), strict=True):
        trials, difference, per_fit = checked[name]
        n_items, n_folds = len(np.unique(trials.condition)), len(np.unique(trials.fold))
        seconds = per_fit * (n_items * (n_items - 1) // 2) * n_folds * ours["n_times"]
        task = (
            f"decoding of all {n_items:,} conditions x {trials.data.shape[1]} channels x {ours['n_times']} samples x "
            f"{n_folds} folds, from a file (promised: {promised})"
        )
        rival = (
            f"scikit-learn's LDA on one core ({1e3 * per_fit:.1f} ms a fit, {N_CHECKED * N_PAIRS * n_folds:,} timed)"
        )
        theirs = Timing(seconds, seconds, 1, float("nan"))
        note = "memory is that of the whole process, reading included" + ours["note"]
        timing = Timing(ours["seconds"], ours["seconds"], 1, ours["peak_mib"])
        found.append(Line(task, rival, timing, theirs, None, "", 0, difference, note))
        print(f"{task}: {ours['seconds']:.1f} s, {ours['peak_mib'] / 1024:.2f} GiB{ours['note']}", flush=True)
    return found


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """All trials at a few samples, as mne reads them: ``data``, shape (trials, channels, samples)."""

    data: np.ndarray
    times: np.ndarray
    kind: np.ndarray
    condition: np.ndarray
    fold: np.ndarray

    @classmethod
    def read(cls, file: Path, n_samples: int | None) -> Samples:
        """Read samples at random among the first ``n_samples``; a pass over all trials."""
        import mne

        epochs = mne.read_epochs(file, preload=False, verbose="error")
        among = len(epochs.times) if n_samples is None else n_samples
        chosen = np.sort(np.random.default_rng(0).choice(among, min(N_CHECKED, among), replace=False))
        blocks = [
            epochs.get_data("data", np.arange(i, min(i + 100, len(epochs))), copy=False, verbose="error")[..., chosen]
            for i in range(0, len(epochs), 100)
        ]
        table = epochs.metadata
        names = "trial_type", "things_category_nr", "session_nr"
        return cls(np.concatenate(blocks), epochs.times[chosen], *(table[name].to_numpy() for name in names))

    def of(self, kind: str) -> Samples:
        """Return the trials of one kind."""
        own = self.kind == kind
        return Samples(self.data[own], self.times, self.kind[own], self.condition[own], self.fold[own])

    def compared(self, file: Path, name: str) -> tuple[float, float]:
        """Return the largest difference of accuracies from scikit-learn's, over some pairs, and seconds per fit."""
        labels, rng = np.unique(self.condition), np.random.default_rng(1)
        pairs = np.sort([rng.choice(len(labels), 2, replace=False) for _ in range(N_PAIRS)], axis=1)
        theirs = np.zeros((len(self.times), len(pairs)))
        seconds = 0.0
        folds = np.unique(self.fold)
        for t, fold in itertools.product(range(len(self.times)), folds):
            x, train = self.data[..., t], self.fold != fold
            covariance = noise_covariance(x[train], self.condition[train])
            for p, pair in enumerate(pairs):
                own = np.isin(self.condition, labels[pair])
                rows = [(x[part], self.condition[part]) for part in (own & train, own & ~train)]
                with threadpool_limits(1):  # small matrices: the threads of a BLAS only hinder each other
                    start = time.perf_counter()
                    theirs[t, p] += accuracy(*rows, covariance) / len(folds)
                    seconds += time.perf_counter() - start
        ours = [self._decoded(file, name, at)[tuple(pairs.T)] for at in self.times]
        return largest_difference(ours, theirs, limit=1e-12), seconds / (theirs.size * len(folds))

    def _decoded(self, file: Path, name: str, at: float) -> np.ndarray:
        found = time_rdms(os.fspath(file), metric="decoding", tmin=at, tmax=at, **SETS[name])
        return squareform(found.values[0])


def noise_covariance(x: np.ndarray, condition: np.ndarray) -> np.ndarray:
    """Return the covariance around the means of the conditions, shrunk by scikit-learn's LedoitWolf."""
    from sklearn.covariance import LedoitWolf

    _, of, counts = np.unique(condition, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), x.shape[1]))
    np.add.at(means, of, x)
    residuals = x - (means / counts[:, None])[of]
    scale = len(x) / (len(x) - len(counts))
    return LedoitWolf(assume_centered=True).fit(residuals).covariance_ * scale


def accuracy(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], covariance: np.ndarray
) -> float:
    """Return the accuracy of scikit-learn's linear discriminant with this covariance."""
    from sklearn.covariance import EmpiricalCovariance
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    class Fixed(EmpiricalCovariance):
        def fit(self, X: np.ndarray, y: object = None) -> Fixed:
            self.covariance_ = covariance
            return self

    model = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=Fixed(), priors=[0.5, 0.5])
    return float(model.fit(*train).score(*test))


def in_children(file: Path, folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what processes that do nothing else took, one for each set of trials."""
    command = [sys.executable, "-m", "benchmarks.meg_decoding", "--alone", *PROMISED, "--file", str(file)]
    command += ["--folder", str(folder), "--memory", options.memory]
    command += [] if options.samples is None else ["--samples", str(options.samples)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()[-len(PROMISED) :]]


def alone(file: Path, folder: Path, name: str, samples: int | None, memory: str) -> dict[str, Any]:
    """Decode all pairs, and return seconds (of all samples, by those computed now) and the memory of the process."""
    tmax = None if samples is None else last_time(file, samples)
    out = folder / f"{name}{'' if samples is None else samples}.zarr"
    report = out.with_suffix(".json")
    before = int(RDMStore.open(out).done.sum()) if out.exists() else 0
    if report.exists() and before:
        return {**json.loads(report.read_text()), "note": "; measured by an earlier run"}
    start = time.perf_counter()
    store = time_rdms(
        os.fspath(file), metric="decoding", tmax=tmax, out=out, memory=memory, progress=True, **SETS[name]
    )
    seconds, n_times = time.perf_counter() - start, len(store)
    if before == n_times:
        sys.exit(f"{out} is complete: nothing to time; remove it first")
    found = {
        "seconds": seconds * n_times / (n_times - before),
        "n_times": n_times,
        "peak_mib": peak_memory(),
        "note": "" if before == 0 else f"; {before} samples of an earlier run, time scaled",
    }
    report.write_text(json.dumps(found))
    return found


def last_time(file: Path, n_samples: int) -> float:
    """Return the time of the last of so many samples."""
    import mne

    return float(mne.read_epochs(file, preload=False, verbose="error").times[n_samples - 1])


if __name__ == "__main__":
    main()
