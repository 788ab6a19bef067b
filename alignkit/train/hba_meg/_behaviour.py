"""Behaviour beside M/EEG: people's similarities of objects against models at every time of theirs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from alignkit._check import NanPolicy, check_choice, counted
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa import Triplets, compare, triplet_accuracy
from alignkit.rsa._similarity_matrix import Kernel
from alignkit.score._things import RDM48_RELIABILITY
from alignkit.score._triplets import ceiling_of
from alignkit.train.hba_meg._data import HBAMEGData
from alignkit.train.hba_meg._score_cell import Notes, Predictor, height, within

#: Rows of the data to what a model says of these items, shape (items, times, dimensions) or (items, channels).
Embedder = Callable[[IntArray], AnyArray]
#: Fewer answers give no accuracy worth the name.
MIN_ANSWERS = 30
#: Fewer of the 48 objects have no correlation worth the name.
_MIN_RDM48 = 10
_CHANCE = 1 / 3
_METHODS: tuple[Literal["spearman", "pearson"], ...] = ("spearman", "pearson")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class BehaviourCurve:
    """How well one model predicts behaviour, at each of its times.

    Attributes
    ----------
    model : str
        Name.
    measure : str
        What is predicted, and how agreement is measured.
    values : ndarray, shape (time,)
        Agreement; a single one for models that do not unfold over time.
    times : ndarray, shape (time,), or None
        Seconds; none for models that do not unfold over time.
    mean : float
        Mean over the window, or the single value.
    window : tuple of float, or None
        First and last second of that mean.
    chance, ceiling : float
        What guessing gives, and how well people predict people; NaN where that is not known.
    items : str
        Whose behaviour: which items.
    n_items, n : int
        Items, and pairs or answers.
    kernel : str
        Similarity of two items in odd-one-out choices; empty for RDMs.
    """

    model: str
    measure: str
    values: np.ndarray[Any, np.dtype[np.float64]]
    times: np.ndarray[Any, np.dtype[np.float64]] | None
    mean: float
    window: tuple[float, float] | None
    chance: float
    ceiling: float
    items: str
    n_items: int
    n: int
    kernel: str

    @property
    def best(self) -> tuple[float, float]:
        """The time of the highest value and that value: chosen after the fact, and so optimistic; NaN for no time."""
        finite = np.isfinite(self.values)
        if not finite.any():
            return math.nan, math.nan
        k = int(np.nanargmax(self.values))
        return (math.nan if self.times is None else float(self.times[k])), float(self.values[k])


def behaviour_curves(
    data: HBAMEGData,
    models: Mapping[str, Predictor],
    embedders: Mapping[str, Embedder],
    kernels: Mapping[str, Kernel],
    window_s: tuple[float, float] | None,
    notes: Notes,
) -> Iterator[BehaviourCurve]:
    """Yield each model's agreement with people's RDM of the 48 objects, and with their odd-one-out answers."""
    for name, kernel in kernels.items():
        check_choice(f"the kernel of {name!r}", kernel, [one for one in get_args(Kernel) if one != "precomputed"])
    if data.rdm48 is not None and data.rdm48.n_items >= _MIN_RDM48:
        yield from _rdm48(data, models, window_s, notes)
    if data.triplets is not None and embedders:
        yield from _answers(data, data.triplets, embedders, kernels, window_s, notes)


def _rdm48(
    data: HBAMEGData, models: Mapping[str, Predictor], window_s: tuple[float, float] | None, notes: Notes
) -> Iterator[BehaviourCurve]:
    people = data.rdm48
    assert people is not None
    rows = _rows(data, people.labels or ())
    for name, predict in models.items():
        with notes.warned(f"{name!r}, RDM48"):
            predicted = predict(rows)
            policy: NanPolicy = "omit" if np.isnan(predicted.values).any() else "propagate"
            for method in _METHODS:
                yield _curve(
                    name,
                    f"RDM48, {method}",
                    compare(predicted, people, method=method, nan_policy=policy).values.reshape(-1),
                    data.times if "time" in predicted.dims else None,
                    window_s,
                    ceiling=RDM48_RELIABILITY if method == "pearson" else math.nan,
                    items="fully sampled objects",
                    n_items=people.n_items,
                    n=people.n_pairs,
                )


def _answers(
    data: HBAMEGData,
    triplets: Triplets,
    embedders: Mapping[str, Embedder],
    kernels: Mapping[str, Kernel],
    window_s: tuple[float, float] | None,
    notes: Notes,
) -> Iterator[BehaviourCurve]:
    items, names = "held-out items", [data.labels[i] for i in data.held_out]
    own = _among(triplets, names)
    if own is None or len(own) < MIN_ANSWERS:
        n = 0 if own is None else len(own)
        notes.add(
            "odd-one-out answers",
            f"{counted(n, 'answer')} about the {len(names)} held-out items alone: those about all items were scored.",
        )
        items, names, own = "all items, trained ones among them", list(data.labels), _among(triplets, data.labels)
    if own is None or len(own) < MIN_ANSWERS:
        return
    repeats = None if data.repeats is None else (_among(data.repeats, names) or data.repeats)
    ceiling = ceiling_of(repeats)
    rows = _rows(data, names)
    for name, embed in embedders.items():
        x = np.asarray(embed(rows))
        kernel = kernels.get(name, "dot" if x.ndim == 3 else "cosine")
        moves = x.ndim == 3
        with notes.warned(f"{name!r}, odd-one-out answers"):
            values = [
                triplet_accuracy(one, own, kernel=kernel, labels=names, ties="share", n_bootstrap=0).accuracy
                for one in (np.moveaxis(x, 1, 0) if moves else x[None])
            ]
        yield _curve(
            name,
            "odd-one-out accuracy",
            np.array(values, dtype=np.float64),
            data.times if moves else None,
            window_s,
            chance=_CHANCE,
            ceiling=math.nan if ceiling is None else ceiling["leave-one-out"],
            items=items,
            n_items=len(names),
            n=len(own),
            kernel=kernel,
        )


def _curve(
    model: str,
    measure: str,
    values: FloatArray,
    times: FloatArray | None,
    window_s: tuple[float, float] | None,
    *,
    ceiling: float,
    items: str,
    n_items: int,
    n: int,
    chance: float = 0.0,
    kernel: str = "",
) -> BehaviourCurve:
    if times is not None and len(values) != len(times):
        msg = f"{model!r} has {counted(len(values), 'time')} and the data {len(times):,}; give it the same times."
        raise ValueError(msg)
    mean, window = float(values[0]), None
    if times is not None:
        where = within(times, window_s)
        mean, window = float(height(values, times, where)), (float(times[where][0]), float(times[where][-1]))
    return BehaviourCurve(model, measure, values, times, mean, window, chance, ceiling, items, n_items, n, kernel)


def _rows(data: HBAMEGData, names: Sequence[str]) -> IntArray:
    place = {label: i for i, label in enumerate(data.labels)}
    return np.array([place[name] for name in names], dtype=np.int64)


def _among(triplets: Triplets, names: Sequence[str]) -> Triplets | None:
    """Return the answers about these items alone, numbered in their order; None where there are none."""
    try:
        return triplets.restrict(names)
    except ValueError:
        return None
