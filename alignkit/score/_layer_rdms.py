"""Layers against people's RDMs: the stack of layer RDMs compared with everybody in one pass."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from alignkit._typing import FloatArray, IntArray
from alignkit.rsa import RDM, compare
from alignkit.score._layers import HELD_OUT, curve_rows, nested_split, percent
from alignkit.score._nested import MIN_ITEMS, choose, halvings, nested_mean
from alignkit.score._paired import bootstrap_mean, bootstrap_means
from alignkit.score._row import Scored, ScoreRow, Settings, Unit


@dataclasses.dataclass(slots=True, eq=False)
class RdmTask:
    """One or several people's RDMs that the layers' RDMs are compared with."""

    template: ScoreRow
    """A line of this part with its measure, counts and ceilings; who is scored and the numbers are filled in."""
    people: RDM
    """One RDM, or a stack of several people's."""
    model: Callable[[FloatArray], RDM]
    """Features of all items -> their RDM over the items of ``people``, in that order."""
    method: str
    settings: Settings
    limits: Callable[[IntArray], tuple[float, float]] | None = None
    """The ceilings on some of the items, given by position; None: those of the template."""
    chance: float | None = 0.0
    """None where the ceiling cannot be told from zero: no per cent of it is given."""
    _nested_limits: tuple[float, float] | None = None

    def measure(self, x: FloatArray, /) -> FloatArray:
        """Return the layer's dissimilarities."""
        return np.asarray(self.model(x).values, dtype=np.float64)

    def scored(self, name: str, layers: Sequence[str], measured: FloatArray, /) -> Scored:
        """Return the curve, and the line of the layer chosen on other items."""
        stack = RDM(measured, self.people.labels, dims=["layer"], coords={"layer": list(layers)})
        similarity = self._compare(stack, self.people)
        nested, choices = self._choose(stack)
        values = (similarity.mean(axis=1), *bootstrap_means(similarity.T, self.settings))
        curve = curve_rows(self.template, name, layers, values, choices, self.chance)
        unit = self._nested_unit(name, len(layers), nested)
        return Scored((*curve, unit.row), (unit,))

    def _compare(self, stack: RDM, people: RDM) -> FloatArray:
        """Return similarities, shape (layers, people)."""
        values = compare(stack, people, method=self.method).values  # type: ignore[arg-type]
        return values.reshape(len(stack), -1)

    def _halves(self) -> list[list[IntArray]]:
        first = halvings(self.people.n_items, self.settings.n_splits, self.settings.seed)
        return [[np.flatnonzero(row), np.flatnonzero(~row)] for row in first]

    def _choose(self, stack: RDM) -> tuple[FloatArray, IntArray]:
        """Return each person's similarity to the layers chosen on other items, and the choices."""
        n_people = max(1, int(np.prod(self.people.shape)))
        if self.people.n_items < MIN_ITEMS:
            return np.full(n_people, np.nan), np.full((self.settings.n_splits, 2), -1)
        with warnings.catch_warnings():
            # layers that are undefined were named when the whole stack was compared
            warnings.simplefilter("ignore", RuntimeWarning)
            values = np.array(
                [[self._compare(stack.take(half), self.people.take(half)) for half in pair] for pair in self._halves()]
            )
        means = values.mean(axis=-1)
        # one that is undefined for some items might be chosen where it is defined and scored where it is not
        means[..., np.isnan(means).any(axis=(0, 1))] = np.nan
        choices = choose(means)
        return nested_mean(values, choices), choices

    def _nested_unit(self, name: str, n_layers: int, nested: FloatArray) -> Unit:
        low, high = bootstrap_mean(nested, self.settings)
        limits = self._limits()
        value = float(nested.mean())
        row = dataclasses.replace(
            self.template,
            model=name,
            role="model",
            measure=f"{self.template.measure}, {HELD_OUT}",
            value=value,
            low=low,
            high=high,
            ceiling_low=limits[0],
            ceiling_high=limits[1],
            ceiling=self._ceiling(),
            percent_of_ceiling=percent(value, limits[0], self.chance),
            split=nested_split(n_layers, self.settings.n_splits, self._how()),
        )
        return Unit(row, nested)

    def _limits(self) -> tuple[float, float]:
        """Return the mean ceilings of the halves, computed once for all models."""
        if self.limits is None or self.people.n_items < MIN_ITEMS:
            return self.template.ceiling_low, self.template.ceiling_high
        if self._nested_limits is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                low, high = np.mean([self.limits(half) for pair in self._halves() for half in pair], axis=0)
            self._nested_limits = float(low), float(high)
        return self._nested_limits

    def _ceiling(self) -> str:
        if self.limits is None:
            return f"{self.template.ceiling} (of all items, not of halves)" if self.template.ceiling else ""
        return f"{self.template.ceiling}; mean over the same halves of the items"

    def _how(self) -> str:
        if self.people.n_items < MIN_ITEMS:
            return f"not done: {self.people.n_items} items are too few to halve"
        return (
            f"items halved {self.settings.n_splits} times; chosen on the pairs within one half, "
            f"{_n_pairs(self.people.n_items - self.people.n_items // 2):,} at most, and scored on those within the "
            "other, both ways; pairs across the halves count in neither"
        )


def _n_pairs(n: int) -> int:
    return n * (n - 1) // 2
