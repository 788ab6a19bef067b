"""Dual bootstrap of scores and noise ceilings, 92 images x 4 subjects x 5 models: 100 to 200 x rsatoolbox.

And the item bootstrap at 1,854 items. The 92 images are those of Kriegeskorte et al. (2008) where ALIGNKIT_DATA, or
../shared/data beside the project, holds them; simulated ones otherwise, and the lines say so.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alignkit.rsa import RDM, evaluate
from alignkit.rsa._inference._resampled_scores import Resampled, resampled_scores
from benchmarks._harness import Line, arguments, extrapolated, in_turn, keep, largest_difference, peer, timed

N_SUBJECTS, N_MODELS, N_BOOTSTRAP = 4, 5, 1000
#: Method, rsatoolbox's name, how many times faster it must be, the largest difference allowed.
METHODS = (
    ("pearson", "corr", 200, 1e-12),
    ("whitened-cosine", "cosine_cov", 200, 1e-10),
    ("spearman", "spearman", 100, 1e-12),
    ("rho-a", "rho-a", 100, 1e-12),
    ("cosine", "cosine", 200, 1e-12),
)
#: Resamples that rsatoolbox is given.
N_TIMED = 3


def images92(n_items: int) -> tuple[str, np.ndarray, np.ndarray]:
    """Return what the RDMs are, four subjects' RDMs and five models'."""
    root = Path(os.environ.get("ALIGNKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if n_items == 92 and (root / "rsa92" / "92_brainRDMs.mat").exists():
        from scipy.io import loadmat

        cells = loadmat(root / "rsa92" / "92_brainRDMs.mat")["RDMs"]["RDM"].reshape(4, 2)
        scans = np.array([[RDM(np.asarray(cell, dtype=float)).values for cell in row] for row in cells])
        models = loadmat(root / "rsa92" / "92_modelRDMs.mat")["Models"].ravel()
        values = np.stack([RDM(np.asarray(model["RDM"], dtype=float)).values for model in models])
        return "92 images (Kriegeskorte et al., 2008)", scans.mean(axis=1), values[:N_MODELS]
    return f"{n_items} simulated items", *simulated(n_items)


def simulated(n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Return four subjects' RDMs and five models'."""
    rng = np.random.default_rng(0)
    n_pairs = n_items * (n_items - 1) // 2
    rows = 3 + rng.normal(size=n_pairs) + rng.normal(size=(N_SUBJECTS + N_MODELS, n_pairs))
    return rows[:N_SUBJECTS], rows[N_SUBJECTS:]


def columns(found: Resampled) -> np.ndarray:
    return np.column_stack([found.scores, found.lower, found.upper])


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keep rsatoolbox's progress bar off the screen."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


class Rival:
    """rsatoolbox with the same RDMs."""

    def __init__(self, data: np.ndarray, models: np.ndarray) -> None:
        from rsatoolbox.model import ModelFixed
        from rsatoolbox.rdm import RDMs

        self.data = RDMs(data)
        self.models = [ModelFixed(f"model {k}", RDMs(row[None])) for k, row in enumerate(models)]

    def dual(self, name: str, n_bootstrap: int = N_TIMED) -> Any:
        """Return the result of its dual bootstrap."""
        from rsatoolbox.inference import eval_dual_bootstrap

        with silent():
            return eval_dual_bootstrap(self.models, self.data, name, k_pattern=1, k_rdm=1, N=n_bootstrap)

    def items(self, name: str, n_bootstrap: int) -> Any:
        """Return the result of its bootstrap over items."""
        from rsatoolbox.inference import eval_bootstrap_pattern

        with silent():
            return eval_bootstrap_pattern(self.models, self.data, method=name, N=n_bootstrap)

    def drawn(self, n_bootstrap: int, name: str, *, dual: bool) -> tuple[np.ndarray, np.ndarray, Any]:
        """Return the multiplicities of its own resamples, of items and subjects, and its result for them."""
        draws: list[tuple[np.ndarray, np.ndarray]] = []
        from rsatoolbox.inference import evaluate as module

        sample = module.bootstrap_sample if dual else module.bootstrap_sample_pattern

        def recorded(*args: Any, **options: Any) -> Any:
            found = sample(*args, **options)
            draws.append((found[-1], found[1]))
            return found

        with _replaced(module, sample.__name__, recorded):
            result = (self.dual if dual else self.items)(name, n_bootstrap)
        n_items, n_subjects = self.data.n_cond, self.data.n_rdm
        items = np.array([np.bincount(np.asarray(own, dtype=int), minlength=n_items) for own, _ in draws])
        people = np.array([np.bincount(np.asarray(own, dtype=int), minlength=n_subjects) for _, own in draws if dual])
        return items, people, result


@contextlib.contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    kept = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, kept)


def dual_difference(rival: Rival, data: np.ndarray, models: np.ndarray, method: str, name: str, limit: float) -> float:
    """Return the largest difference of scores and ceilings in rsatoolbox's own resamples."""
    items, people, theirs = rival.drawn(N_TIMED, name, dual=True)
    found = resampled_scores(data, models, method, item_counts=items, subject_counts=people, pooling="rsatoolbox")
    ours, others = [], []
    for k, which in enumerate(("both", "subjects", "items")):
        own = columns(found[which])
        other = np.column_stack([theirs.evaluations[:, :, 0, 0, k], theirs.noise_ceiling[:, :, 0, k].T])
        # alone, a subject has no ceiling here; there it is compared with itself
        defined = np.isfinite(own)
        ours.append(own[defined])
        others.append(other[defined])
    return largest_difference(np.concatenate(ours), np.concatenate(others), limit=limit)


def dual_lines(n_items: int, n_bootstrap: int, repeats: int, *, beside: bool) -> list[Line]:
    what, data, models = images92(n_items)
    rival = Rival(data, models) if beside else None
    options: dict[str, Any] = {"n_bootstrap": n_bootstrap, "rng": 0}
    lines = []
    for method, name, target, limit in METHODS:
        difference = dual_difference(rival, data, models, method, name, limit) if rival else 0.0
        timing = in_turn(
            {"ours": lambda method=method: evaluate(models, data, generalize="both", method=method, **options)},
            repeats=repeats,
        )["ours"]
        theirs = (
            extrapolated(lambda name=name: rival.dual(name), n_bootstrap / N_TIMED, repeats=min(repeats, 3))
            if rival
            else None
        )
        size = f"{what} x 4 subjects x 5 models x {n_bootstrap:,} resamples"
        task = f"dual bootstrap with ceilings and tests, {method}, {size}"
        beside_it = f"rsatoolbox eval_dual_bootstrap {name} ({N_TIMED} resamples timed)"
        lines.append(Line(task, beside_it, timing, theirs, None, "", target if theirs else 0, difference))
    return lines


def item_lines(n_items: int, n_bootstrap: int, n_ranked: int, *, beside: bool) -> list[Line]:
    data, models = simulated(n_items)
    rival = Rival(data, models) if beside else None
    lines = []
    for method, name, number, promise in (
        ("pearson", "corr", n_bootstrap, " (promised: under 15 s)"),
        ("spearman", "spearman", n_ranked, ""),
    ):
        difference, theirs = 0.0, None
        if rival:
            theirs, (items, _, result) = timed(lambda name=name: rival.drawn(2, name, dual=False))
            found = resampled_scores(data, models, method, item_counts=items)["items"]
            other = np.column_stack([result.evaluations.reshape(2, -1), result.noise_ceiling.T])
            difference = largest_difference(columns(found), other, limit=1e-12)
            seconds = theirs.median * number / 2
            theirs = type(theirs)(seconds, seconds, 1, float("nan"))
        options: dict[str, Any] = {"generalize": "items", "method": method, "test": "t", "rng": 0}
        evaluate(models, data, **options, n_bootstrap=2)  # compilation
        timing, _ = timed(lambda options=options, number=number: evaluate(models, data, **options, n_bootstrap=number))
        size = f"{n_items:,} items x 4 subjects x 5 models x {number:,} resamples"
        task = f"item bootstrap with ceilings and t tests, {method}, {size}"
        beside_it = f"rsatoolbox eval_bootstrap_pattern {name} (2 resamples timed)"
        lines.append(Line(task + promise, beside_it, timing, theirs, None, "", 0, difference))
    return lines


def main() -> None:
    small = arguments(__doc__).parse_args().small
    beside = peer("rsatoolbox") is not None
    lines = dual_lines(12 if small else 92, 20 if small else N_BOOTSTRAP, 1 if small else 7, beside=beside)
    lines += item_lines(30 if small else 1854, 20 if small else N_BOOTSTRAP, 5 if small else 100, beside=beside)
    keep("rsa_bootstrap", lines, small=small)


if __name__ == "__main__":
    main()
