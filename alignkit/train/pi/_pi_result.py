"""What arms of Perceptual Initialization came to: curves, final scores, and differences to training on pairs alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import counted, join_names
from alignkit._result import Result
from alignkit._typing import FloatArray
from alignkit.score import LearningCurve, PowerLaw, WinCounts, fit_power_law, learning_curve, win_counts
from alignkit.score._zero_shot_measures import main_measure_of
from alignkit.train.pi._seed_mean import SeedMean, seed_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: The arm that all others are compared with.
BASELINE = "web-only"
#: What tells, at the end of a metric's name, what is asked of a zero-shot set.
_ASKED = {"_acc1": "classification", "_mean_average_precision": "multilabel", "_mean_recall@1": "retrieval"}
#: In the order in which arms are told of.
_ORDER = ("web-only", "pi", "post-hoc", "shuffled-triplets", "imagenet-triplets")
#: What guessing scores, by what a measure's name holds.
_GUESSED = {"2AFC_accuracy": 0.5, "odd-one-out_accuracy": 1 / 3, "spearman": 0.0, "pearson": 0.0}
IN_SAMPLE = "in-sample"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmCurve:
    """The validations of one arm with one seed.

    Attributes
    ----------
    arm : str
    seed : int
    samples : ndarray, shape (validations,)
        Pairs seen; 0 before training.
    values : dict of str to ndarray, shape (validations,)
        By metric; NaN where one was not given.
    kept : int
        Number of the validation whose weights were kept.
    """

    arm: str
    seed: int
    samples: FloatArray
    values: dict[str, FloatArray]
    kept: int

    @property
    def final(self) -> dict[str, float]:
        """The metrics of the weights that were kept."""
        return {name: float(one[self.kept]) for name, one in self.values.items()}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FirstStage:
    """What training on judgements did, by itself.

    Attributes
    ----------
    arm : str
    seed : int
    before, after : dict of str to float
        Accuracy and loss on every part of the judgements that nothing was fitted to.
    """

    arm: str
    seed: int
    before: dict[str, float]
    after: dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class PIArms(Result):
    """Arms of Perceptual Initialization beside each other, as far as they are finished; made by :func:`run_pi`.

    Attributes
    ----------
    path : Path
        The folder of all runs; ``alignkit.models.load(f"run:{path}/seed-0/pi")`` opens a model.
    arms : tuple of str
        Those with a finished model.
    seeds : tuple of int
        Seeds of any of them.
    zero_shot : tuple of str
        The metrics that stand for the zero-shot sets, one each. ``zero_shot`` itself is their mean.
    human : tuple of str
        The metrics that stand for the data sets of people, one each: the first that the data set's scores have and
        that no arm learned from, or else the first.
    curves : tuple of ArmCurve
        Every validation. Post-hoc has one point, where its start ended.
    first : tuple of FirstStage
        Training on judgements, before and after.
    final : dict of str to (dict of str to SeedMean)
        By arm and metric, the mean over seeds with its interval.
    differences : dict of str to (dict of str to SeedMean)
        By arm and metric, that arm less web-only, seed by seed.
    wins : dict of str to WinCounts
        By arm, on how many zero-shot sets it beats web-only, means over the seeds that both have.
    laws : dict of str to PowerLaw
        By arm, the power law of its zero-shot error against pairs seen, where one can be fitted.
    chance : dict of str to float
        What guessing scores, by metric, where that is known.
    in_sample : dict of str to tuple of str
        By metric, the arms that learned from judgements about the very images that it is about: no alignment with
        people, but memory.
    notes : tuple of str
        What a reader should know.
    """

    path: Path
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    zero_shot: tuple[str, ...]
    human: tuple[str, ...]
    curves: tuple[ArmCurve, ...]
    first: tuple[FirstStage, ...]
    final: dict[str, dict[str, SeedMean]]
    differences: dict[str, dict[str, SeedMean]]
    wins: dict[str, WinCounts]
    laws: dict[str, PowerLaw]
    chance: dict[str, float]
    in_sample: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    @classmethod
    def compare(
        cls,
        path: Path,
        curves: Iterable[ArmCurve],
        first: Iterable[FirstStage] = (),
        /,
        *,
        human: Sequence[str] = (),
        in_sample: Mapping[str, Sequence[str]] | None = None,
        apart: Sequence[str] = (),
        chance: Mapping[str, float] | None = None,
        n_bootstrap: int = 1000,
        notes: Sequence[str] = (),
    ) -> PIArms:
        """Compare arms by their curves.

        Parameters
        ----------
        path : Path
            The folder.
        curves, first : iterable of ArmCurve, of FirstStage
        human : sequence of str
            Data sets of people, whose metrics begin with their names.
        in_sample : mapping of str to sequence of str
            By data set of people or zero-shot set, the arms that learned from its images.
        apart : sequence of str
            Metrics, by what they begin with, that are about other images of such a data set.
        chance : mapping of str to float
            What guessing scores on the zero-shot sets.
        n_bootstrap : int
            Resamples of power laws and wins.
        notes : sequence of str
        """
        given = sorted(curves, key=lambda one: (_ORDER.index(one.arm), one.seed))
        names = list(dict.fromkeys(name for one in given for name in one.values))
        own = tuple(f"{data}_" for data in human)
        sets = _sets([name for name in names if not name.startswith(own)])
        final, differences = _finals(given)
        learned = {
            name: tuple(arms)
            for data, arms in (in_sample or {}).items()
            for name in names
            if name.startswith(f"{data}_") and not name.startswith(tuple(apart))
        }
        if of_mean := tuple(dict.fromkeys(arm for name in sets for arm in learned.get(name, ()))):
            learned["zero_shot"] = of_mean
        people = tuple(name for data in human if (name := _main(data, names, learned)) is not None)
        guessed = {name: _guess(name) for name in people if not math.isnan(_guess(name))}
        arms = tuple(dict.fromkeys(one.arm for one in given))
        seeds = tuple(sorted({one.seed for one in given}))
        return cls(
            path=Path(path),
            arms=arms,
            seeds=seeds,
            zero_shot=sets,
            human=people,
            curves=tuple(given),
            first=tuple(first),
            final=final,
            differences=differences,
            wins=_wins(given, sets, n_bootstrap),
            laws=_laws(given, arms, n_bootstrap),
            chance={**(chance or {}), **guessed},
            in_sample=learned,
            notes=(*notes, *_notes(given, differences, learned)),
        )

    def curve(self, arm: str, metric: str = "zero_shot", /) -> LearningCurve:
        """Return the mean curve of an arm over its seeds, from the first validation after training began.

        Raises
        ------
        ValueError
            An arm or metric that is not there, or an arm without a curve.
        """
        found = _rows(self.curves, arm, metric)
        if found is None:
            msg = f"there is no curve of {arm!r} for {metric!r}; arms are {join_names(self.arms) or 'none'}."
            raise ValueError(msg)
        return learning_curve(*found, n_bootstrap=0)

    def samples_to_baseline(self, arm: str, /, metric: str = "zero_shot") -> float:
        """Return after how many pairs an arm reaches web-only's final mean; NaN where it never does."""
        return self.curve(arm, metric).samples_to(float(self.curve(BASELINE, metric).mean[-1]))

    def model(self) -> Path:
        """Return the folder of a finished model: pi's where there is one, of the first seed.

        Raises
        ------
        ValueError
            No finished model.
        """
        arm = "pi" if "pi" in self.arms else next(iter(self.arms), None)
        seed = next((one.seed for one in self.curves if one.arm == arm), None)
        if arm is None or seed is None:
            msg = f"{self.path} has no finished model yet."
            raise ValueError(msg)
        return self.path / f"seed-{seed}" / arm

    @property
    def drawable(self) -> bool:
        """Whether there are scores for :meth:`plot`."""
        names = ("zero_shot", *self.human)
        return any(np.isfinite(one.values[name]).any() for one in self.curves for name in names if name in one.values)

    def is_in_sample(self, arm: str, metric: str, /) -> bool:
        """Return whether an arm learned from judgements about the images of a metric."""
        return arm in self.in_sample.get(metric, ())

    def shown(self, arm: str, metric: str, /) -> str:
        """Return a metric's name, with a word where it is in-sample for an arm."""
        return f"{metric} ({IN_SAMPLE})" if self.is_in_sample(arm, metric) else metric

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per number: kind, arm, seed, samples, metric, value, low, high, n_seeds, in_sample.

        ``kind`` is ``curve`` (one seed at one number of pairs seen), ``final`` and ``difference`` (to web-only), both
        means over ``n_seeds`` seeds, or ``stage 1 before`` and ``stage 1 after``.
        """
        import pandas as pd

        return pd.DataFrame([*self._curve_rows(), *self._mean_rows(), *self._first_rows()], columns=_COLUMNS)

    def to_text(self) -> str:
        """Return the tables of what was compared."""
        from alignkit.train.pi._tell_arms import tell_arms

        return tell_arms(self)

    def plot(self) -> Figure:
        """Draw zero-shot accuracy and agreement with people against pairs seen: a line per arm, bands over seeds.

        Raises
        ------
        ValueError
            Nothing to draw.
        """
        from alignkit.train.pi._draw_arms import draw_arms

        return draw_arms(self)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        n = len(self.seeds)
        text = (
            f"Models ({', '.join(self.arms)}; {counted(n, 'seed')}) were trained contrastively on the same image-text "
            "pairs in the same order, beginning with equal text towers: they differ from each other in the vision "
            "tower's first weights alone; post-hoc is web-only's model with the queries, keys and values of its "
            "attention fine-tuned on the judgements (Perceptual Initialization: Hu et al. 2025, arXiv:2505.14204). "
        )
        return text + (
            "Differences to web-only are means over seeds of paired differences with 95% t intervals."
            if n >= 3
            else "Differences to web-only are paired by seed; with fewer than three seeds they have no interval."
        )

    def __repr__(self) -> str:
        return (
            f"<PIArms in {self.path}: {', '.join(self.arms) or 'nothing'} finished, {counted(len(self.seeds), 'seed')}>"
        )

    def _curve_rows(self) -> Iterable[tuple[Any, ...]]:
        for one in self.curves:
            for name, values in one.values.items():
                for samples, value in zip(one.samples, values, strict=True):
                    learned = self.is_in_sample(one.arm, name)
                    yield ("curve", one.arm, one.seed, samples, name, value, math.nan, math.nan, 1, learned)

    def _mean_rows(self) -> Iterable[tuple[Any, ...]]:
        for kind, table in (("final", self.final), ("difference", self.differences)):
            for arm, means in table.items():
                for name, one in means.items():
                    learned = self.is_in_sample(arm, name)
                    yield (kind, arm, None, math.nan, name, one.mean, one.low, one.high, one.n_seeds, learned)

    def _first_rows(self) -> Iterable[tuple[Any, ...]]:
        for one in self.first:
            for when, metrics in (("before", one.before), ("after", one.after)):
                for name, value in metrics.items():
                    yield (f"stage 1 {when}", one.arm, one.seed, 0.0, name, value, math.nan, math.nan, 1, False)


_COLUMNS = ["kind", "arm", "seed", "samples", "metric", "value", "low", "high", "n_seeds", "in_sample"]


def _finals(curves: Sequence[ArmCurve]) -> tuple[dict[str, dict[str, SeedMean]], dict[str, dict[str, SeedMean]]]:
    """Return means over seeds of the final metrics, and of their differences to web-only."""
    of_arm: dict[str, dict[int, dict[str, float]]] = {}
    for one in curves:
        of_arm.setdefault(one.arm, {})[one.seed] = one.final
    plain = of_arm.get(BASELINE, {})
    final = {arm: _means(list(seeds.values())) for arm, seeds in of_arm.items()}
    differences = {}
    for arm, seeds in of_arm.items():
        pairs = [(own, plain[seed]) for seed, own in seeds.items() if seed in plain]
        if arm != BASELINE and pairs:
            differences[arm] = _means(
                [{name: own[name] - other[name] for name in own if name in other} for own, other in pairs]
            )
    return final, differences


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, SeedMean]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: seed_mean([row[name] for row in rows if name in row]) for name in names}


def _wins(curves: Sequence[ArmCurve], sets: Sequence[str], n_bootstrap: int) -> dict[str, WinCounts]:
    finals = {(one.arm, one.seed): one.final for one in curves}
    found = {}
    for arm in dict.fromkeys(one.arm for one in curves if one.arm != BASELINE):
        seeds = [seed for (own, seed) in finals if own == arm and (BASELINE, seed) in finals]
        first, second = ({name: _over(finals, one, seeds, name) for name in sets} for one in (arm, BASELINE))
        kept = [name for name in sets if math.isfinite(first[name] - second[name])]
        if kept:
            pair = ({name: own[name] for name in kept} for own in (first, second))
            found[arm] = win_counts(*pair, n_bootstrap=n_bootstrap)
    return found


def _over(finals: Mapping[tuple[str, int], Mapping[str, float]], arm: str, seeds: Sequence[int], name: str) -> float:
    """Return the mean over seeds of one final metric."""
    return float(np.mean([finals[arm, seed].get(name, math.nan) for seed in seeds])) if seeds else math.nan


def _laws(curves: Sequence[ArmCurve], arms: Sequence[str], n_bootstrap: int) -> dict[str, PowerLaw]:
    found = {}
    for arm in arms:
        rows = _rows(curves, arm, "zero_shot")
        if rows is not None and len(rows[0]) > 1 and (rows[1] < 1).all():
            found[arm] = fit_power_law(rows[0], 1 - rows[1], n_bootstrap=n_bootstrap)
    return found


def _rows(curves: Iterable[ArmCurve], arm: str, metric: str) -> tuple[FloatArray, FloatArray] | None:
    """Return numbers of pairs seen, shape (points,), and the values there of each seed, shape (seeds, points).

    Points are those that all seeds have; None where there is none.
    """
    found = [
        {float(n): float(value) for n, value in zip(one.samples, one.values[metric], strict=True) if n > 0}
        for one in curves
        if one.arm == arm and metric in one.values
    ]
    if not found:
        return None
    points = sorted(n for n in found[0] if all(math.isfinite(one.get(n, math.nan)) for one in found))
    return (np.array(points), np.array([[one[n] for n in points] for one in found])) if points else None


def _sets(names: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics that stand for zero-shot sets, of which ``zero_shot`` is the mean."""
    found = []
    for name in names:
        end = next((end for end in _ASKED if name.endswith(end)), None)
        if end is not None:
            own = name.removesuffix(end)
            main = f"{own}_{main_measure_of(own, _ASKED[end])}"
            found.append(main if main in names else name)
    return tuple(found)


def _main(data: str, names: Sequence[str], learned: Mapping[str, Sequence[str]]) -> str | None:
    """Return the metric that stands for a data set of people."""
    own = [name for name in names if name.startswith(f"{data}_")]
    return next((name for name in own if name not in learned), next(iter(own), None))


def _guess(name: str) -> float:
    return next((value for part, value in _GUESSED.items() if part in name), math.nan)


def _notes(
    curves: Sequence[ArmCurve],
    differences: Mapping[str, Mapping[str, SeedMean]],
    learned: Mapping[str, Sequence[str]],
) -> list[str]:
    notes = []
    n_seeds = {one.n_seeds for means in differences.values() for one in means.values()}
    if n_seeds and min(n_seeds) < 3:
        notes.append("Fewer than three seeds have no interval: differences may be those of the seeds.")
    arms = list(dict.fromkeys(arm for own in learned.values() for arm in own if any(one.arm == arm for one in curves)))
    if arms:
        sets = list(dict.fromkeys(name for name, own in learned.items() if own))
        notes.append(
            f"In-sample: {join_names(arms)} learned from judgements about the images of {join_names(sets, 2)}, which "
            "for them is no measure of alignment with people."
        )
    by_arm = {arm: {one.seed for one in curves if one.arm == arm} for arm in dict.fromkeys(one.arm for one in curves)}
    if len({frozenset(seeds) for seeds in by_arm.values()}) > 1:
        told = "; ".join(f"{arm} {', '.join(map(str, sorted(seeds)))}" for arm, seeds in by_arm.items())
        notes.append(
            f"Not all arms have the same seeds ({told}): compare the paired differences, not final scores or curves."
        )
    return notes
