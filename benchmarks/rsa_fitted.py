"""Dual bootstrap around a cross-validation of fitted models, 92 images x 4 subjects: beside rsatoolbox's.

rsatoolbox cross-validates every resample of its own random draws, which cannot be repeated here; so equality is checked
on one cross-validation with its own folds, and times are of as much work: as many resamples, folds and repetitions. Its
non-negative least squares do not end in some resamples, and are left out of what it does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit.rsa import FixedModel, InterpolatedModel, SelectedModel, WeightedModel, evaluate
from alignkit.rsa._inference._fitted_task import task_of
from alignkit.rsa._inference._held_out_scores import held_out_scores
from benchmarks._harness import Line, arguments, extrapolated, in_turn, keep, largest_difference, peer
from benchmarks.rsa_bootstrap import images92, silent

N_BOOTSTRAP, N_CV, N_TIMED = 1000, 2, 2
#: Method, rsatoolbox's name, how many times faster it must be.
METHODS = (("pearson", "corr", 200), ("spearman", "spearman", 100), ("whitened-cosine", "cosine_cov", 200))


def models_of(rows: np.ndarray) -> dict[str, Any]:
    """Return models that rsatoolbox knows, too."""
    return {
        "fixed": FixedModel(rows[0]),
        "layer": SelectedModel(rows),
        "weighted": WeightedModel(rows, nonnegative=False),
        "mixed": InterpolatedModel(rows[:2]),
    }


class Rival:
    """rsatoolbox with the same RDMs."""

    def __init__(self, data: np.ndarray, rows: np.ndarray, n_folds: tuple[int, int]) -> None:
        from rsatoolbox.model import ModelFixed, ModelInterpolate, ModelSelect, ModelWeighted
        from rsatoolbox.model.fitter import fit_interpolate, fit_mock, fit_regress, fit_select
        from rsatoolbox.rdm import RDMs

        self.data, self.n_folds = RDMs(data), n_folds
        self.models = [ModelFixed("fixed", rows[0]), ModelSelect("layer", rows), ModelWeighted("weighted", rows)]
        self.models.append(ModelInterpolate("mixed", rows[:2]))
        self.fitters = [fit_mock, fit_select, fit_regress, fit_interpolate]

    def dual(self, name: str) -> Any:
        """Cross-validate a few resamples."""
        from rsatoolbox.inference import eval_dual_bootstrap

        folds = {"k_pattern": self.n_folds[0], "k_rdm": self.n_folds[1], "n_cv": N_CV}
        with silent():
            known = [k for k in range(4) if name != "spearman" or k != 2]  # it weighs by none of the methods of ranks
            models, fitters = ([own[k] for k in known] for own in (self.models, self.fitters))
            return eval_dual_bootstrap(models, self.data, method=name, fitter=fitters, N=N_TIMED, **folds)

    def crossval(self, name: str, item_folds: list[np.ndarray], subject_folds: list[np.ndarray]) -> np.ndarray:
        """Return its scores in given folds, shape (model, subject folds x item folds)."""
        from rsatoolbox.inference import crossval

        train, test = [], []
        for own in subject_folds:
            others = np.setdiff1d(np.arange(self.data.n_rdm), own)
            for fold in item_folds:
                rest = np.setdiff1d(np.arange(self.data.n_cond), fold)
                for sets, people, items in ((train, others, rest), (test, own, fold)):
                    part = self.data.subsample("index", list(people)).subset_pattern("index", list(items))
                    sets.append([part, list(items)])
        # it finds mixtures by a search with a tolerance
        exact = slice(0, 3 if name in ("corr", "cosine_cov") else 2)
        found = crossval(
            self.models[exact], self.data, train, test, method=name, fitter=self.fitters[exact], calc_noise_ceil=False
        )
        return np.asarray(found.evaluations[0])


def difference(rival: Rival, data: np.ndarray, models: dict[str, Any], method: str, name: str) -> float:
    """Return the largest difference of scores in the same folds."""
    rng = np.random.default_rng(0)
    items = [np.sort(fold) for fold in np.array_split(rng.permutation(rival.data.n_cond), rival.n_folds[0])]
    people = [np.arange(0, len(data), 2), np.arange(1, len(data), 2)]
    theirs = rival.crossval(name, items, people)
    rows = [model.rdms.values for model in models.values()]
    found = held_out_scores(task_of(list(models.values()), rows, data, method), items, people).scores
    ours = np.stack([found[:, i, own].mean(axis=1) for own in people for i in range(len(items))], axis=1)
    return largest_difference(ours[: len(theirs)], theirs, limit=1e-9)


def lines_of(n_items: int, n_bootstrap: int, repeats: int, *, beside: bool) -> list[Line]:
    what, data, rows = images92(n_items)
    n_folds = (5 if n_items == 92 else 2, 2)
    models = models_of(rows)
    rival = Rival(data, rows, n_folds) if beside else None
    options: dict[str, Any] = {
        "generalize": "both",
        "n_bootstrap": n_bootstrap,
        "n_folds": n_folds[0],
        "n_subject_folds": n_folds[1],
        "n_cv": N_CV,
        "rng": 0,
    }
    lines = []
    for method, name, target in METHODS:
        apart = difference(rival, data, models, method, name) if rival else 0.0
        both = {name: model for name, model in models.items() if method != "spearman" or name != "weighted"}
        everything = {**models, "non-negative": WeightedModel(rows)}
        calls = {
            ", ".join(both): lambda both=both, method=method: evaluate(both, data, method=method, **options),
            ", ".join(everything): lambda all_=everything, method=method: evaluate(
                all_, data, method=method, **options
            ),
        }
        timings = in_turn(calls, repeats=repeats)
        theirs = (
            extrapolated(lambda name=name: rival.dual(name), n_bootstrap / N_TIMED, repeats=min(repeats, 3))
            if rival
            else None
        )
        for names, timing in timings.items():
            task = (
                f"dual bootstrap of cross-validated models ({names}), {method}, "
                f"{what} x 4 subjects x 5 RDMs x {n_bootstrap:,} resamples x {N_CV} x {n_folds[0]} x {n_folds[1]} folds"
            )
            beside_it = f"rsatoolbox eval_dual_bootstrap {name} of {', '.join(both)} ({N_TIMED} resamples timed)"
            lines.append(Line(task, beside_it, timing, theirs, None, "", target if theirs else 0, apart))
    return lines


def main() -> None:
    small = arguments(__doc__).parse_args().small
    beside = peer("rsatoolbox") is not None
    lines = lines_of(16 if small else 92, 20 if small else N_BOOTSTRAP, 1 if small else 5, beside=beside)
    keep("rsa_fitted", lines, small=small)


if __name__ == "__main__":
    main()
