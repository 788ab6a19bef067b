"""What is compared in cross-validation: features as they are, teachers, and the same fitted to nonsense."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import numpy as np

from alignkit._check import as_flag, check_choice, join_names, shown
from alignkit._typing import FloatArray, IntArray
from alignkit.align._answer_logits import best_temperature
from alignkit.align._answer_splits import AnswerSplit
from alignkit.align._fit_embedding_map import fit_embedding_map
from alignkit.align._fit_transform import fit_transform
from alignkit.align._judgements import Judgements
from alignkit.align._regressors import Method as MapMethod
from alignkit.rsa import Triplets

#: Features as they are, each with a temperature fitted to the answers learned from.
BASELINES = ("zero-shot dot", "zero-shot cosine", "zero-shot dot, centred", "zero-shot cosine, centred")
#: Teachers that have a name of their own, and their settings.
NAMED: dict[str, dict[str, Any]] = {
    "full": {"kind": "full"},
    "lowrank": {"kind": "lowrank"},
    "diagonal": {"kind": "diagonal"},
    "orthogonal": {"kind": "orthogonal"},
    "soft": {"kind": "full", "loss": "soft"},
    **{name: {"method": name} for name in get_args(MapMethod)},
}
SHUFFLED = ", shuffled"


@dataclasses.dataclass(frozen=True, slots=True)
class Fitted:
    """What a method makes of the items of one division: dot products of ``values`` answer at temperature 1."""

    values: FloatArray
    temperature: float
    n_parameters: float = 0.0
    distance: float = float("nan")
    penalty: float = float("nan")


@dataclasses.dataclass(frozen=True, slots=True)
class Compared:
    """A row of the table.

    Attributes
    ----------
    name : str
        Of the row.
    settings : dict or None
        For :func:`fit_transform`, or with ``method`` for :func:`fit_embedding_map`; None: features as they are.
    shuffled : bool
        Whether items learn from other items' answers.
    """

    name: str
    settings: dict[str, Any] | None
    shuffled: bool = False

    @property
    def uses_embedding(self) -> bool:
        """Whether the rows of a human embedding are learned from."""
        own = self.settings or {}
        return "method" in own or own.get("loss") == "soft"

    def fit(self, data: Judgements, split: AnswerSplit, seed: int) -> Fitted:
        """Return what the method makes of all items, having seen the division's first side."""
        if self.settings is None:
            return _as_they_are(self.name, data, split)
        number = np.full(len(data.x), -1)
        number[split.train_items] = np.arange(len(split.train_items))
        items = number[data.items[split.train]]
        y = None if data.embedding is None else data.embedding[split.train_items]
        if self.shuffled:
            order = np.random.default_rng(seed).permutation(len(split.train_items))
            items = order[items]
            y = None if y is None else y[np.argsort(order)]
        if "method" in self.settings:
            return self._regress(data, split, items, y, seed)
        return self._teach(data, split, items, y, seed)

    def _regress(
        self, data: Judgements, split: AnswerSplit, items: IntArray, y: FloatArray | None, seed: int
    ) -> Fitted:
        groups = None if data.groups is None else data.groups[split.train_items]
        settings = {"seed": seed, "groups": groups, "triplets": Triplets(items), **(self.settings or {})}
        found = fit_embedding_map(data.x[split.train_items], y, **settings)
        return Fitted(
            found.apply(data.x), found.temperature, found.n_parameters, penalty=found.settings.get("penalty", np.nan)
        )

    def _teach(self, data: Judgements, split: AnswerSplit, items: IntArray, y: FloatArray | None, seed: int) -> Fitted:
        settings = {"seed": seed, **(self.settings or {})}
        answers = settings.pop("triplets", Triplets(items))
        if settings.get("loss") == "soft":
            settings.setdefault("targets", y)
        found = fit_transform(data.x[split.train_items], answers, **settings)
        return Fitted(
            found.apply(data.x),
            found.temperature,
            found.n_parameters,
            float(found.distance_from_identity),
            float(found.penalty),
        )


def as_compared(fit: object, data: Judgements, control: object) -> list[Compared]:
    """Return the rows of the table: features as they are, what was asked for, and its controls.

    Raises
    ------
    ValueError
        An unknown name, two of one name, or a method that learns from an embedding without one.
    TypeError
        Neither names nor a mapping of them to settings.
    """
    named = _as_settings(fit)
    rows = [Compared(name, None) for name in BASELINES]
    asked = [Compared(name, settings) for name, settings in named.items()]
    for row in asked:
        if row.uses_embedding and data.embedding is None and "targets" not in (row.settings or {}):
            msg = f"{row.name!r} learns from a human embedding; pass embedding= (one row per item)."
            raise ValueError(msg)
    rows += asked
    controls = _as_controls(control, tuple(named))
    rows += [dataclasses.replace(row, name=row.name + SHUFFLED, shuffled=True) for row in asked if row.name in controls]
    return rows


def _as_controls(control: object, names: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(control, str) or not isinstance(control, Iterable):
        return names if as_flag("control", control) else ()
    wanted = tuple(control)
    for name in wanted:
        check_choice("control", name, names)
    return wanted


def _as_settings(fit: object) -> dict[str, dict[str, Any]]:
    if isinstance(fit, Mapping):
        settings = {str(name): dict(value) for name, value in fit.items()}
    elif isinstance(fit, str) or not isinstance(fit, Iterable):
        msg = f"fit must be a sequence of names or a mapping of names to settings; got {shown(fit)}."
        raise TypeError(msg)
    else:
        names = list(fit)
        for name in names:
            check_choice("fit", name, tuple(NAMED))
        settings = {name: dict(NAMED[name]) for name in names}
        if len(settings) != len(names):
            msg = f"fit names {join_names(sorted({name for name in names if names.count(name) > 1}))} twice."
            raise ValueError(msg)
    if not settings:
        msg = f"fit must name at least one teacher; there are {', '.join(NAMED)}."
        raise ValueError(msg)
    taken = [name for name in settings if name in BASELINES or name.endswith(SHUFFLED)]
    if taken:
        msg = f"{join_names(taken)} stand for rows that are always there; name the settings otherwise."
        raise ValueError(msg)
    return settings


def _as_they_are(name: str, data: Judgements, split: AnswerSplit) -> Fitted:
    values = data.x
    if name.endswith("centred"):
        values = values - values[split.train_items].mean(axis=0)
    if "cosine" in name:
        length = np.linalg.norm(values, axis=1, keepdims=True)
        values = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
    temperature = best_temperature(data.logits(values, split.train))
    return Fitted(values / np.sqrt(temperature), temperature, distance=0.0)
