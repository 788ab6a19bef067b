"""How well models match people's M/EEG: time courses in every cell of items and people, and behaviour beside."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import check_choice, join_names
from alignkit._result import Result
from alignkit.train.hba_meg._behaviour import BehaviourCurve
from alignkit.train.hba_meg._cell_scores import CellScores, Row

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class HBAMEGScores(Result):
    """Models against people's RDMs over time, in every cell of trained, validation and held-out items and people.

    Attributes
    ----------
    dataset : str
        Name of people's RDMs.
    cells : tuple of CellScores
        Items x people, held-out items first; the names of those that were trained on say so.
    behaviour : tuple of BehaviourCurve
        Agreement with people's similarities of objects, at every time of the models.
    times : ndarray, shape (time,)
        Seconds.
    weights : ndarray, shape (time, layer), or None
        How much every layer counts at every time, where that is known.
    layers : tuple of str
        Names of these layers.
    n_permutations : int
        Most sign flips of every test.
    seed : int
        Of all random draws.
    notes : tuple of str
        What a reader must know.
    factors : ndarray, shape (time, dimension), or None
        How much every dimension counts at every time, where that was learnt.
    dimensions : tuple of str
        Names of these dimensions.
    """

    dataset: str
    cells: tuple[CellScores, ...]
    behaviour: tuple[BehaviourCurve, ...]
    times: np.ndarray[Any, np.dtype[np.float64]]
    weights: np.ndarray[Any, np.dtype[np.float64]] | None
    layers: tuple[str, ...]
    n_permutations: int
    seed: int
    notes: tuple[str, ...]
    factors: np.ndarray[Any, np.dtype[np.float64]] | None = None
    dimensions: tuple[str, ...] = ()

    def cell(self, items: str = "", people: str = "") -> CellScores:
        """Return one cell; by default the one that tells most: held-out items before all others.

        Parameters
        ----------
        items : {"", "train", "val", "held_out"}
            Which items.
        people : {"", "train", "held_out"}
            Whose RDMs.

        Raises
        ------
        ValueError
            No such cell.
        """
        check_choice("items", items, ("", "train", "val", "held_out"))
        check_choice("people", people, ("", "train", "held_out"))
        for one in self.cells:
            if items in ("", one.items) and people in ("", one.people):
                return one
        msg = f"there is no such cell; there are: {join_names(one.name for one in self.cells)}."
        raise ValueError(msg)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per cell, model and quantity: value, interval, unit and p, and behaviour's means."""
        import pandas as pd

        rows = [row for cell in self.cells for row in cell.rows()]
        rows += [row for one in self.behaviour for row in _behaviour_rows(one)]
        columns = ["cell", "items", "people", "in_sample", "other_sessions", "n_items", "n_people", "model"]
        columns += ["quantity", "value", "low", "high", "unit", "p", "tmin", "tmax"]
        return pd.DataFrame(rows, columns=columns)

    def behaviour_to_dataframe(self) -> pd.DataFrame:
        """Return one row per model, measure and time."""
        import pandas as pd

        rows = [
            {
                "model": one.model,
                "measure": one.measure,
                "time": np.nan if one.times is None else one.times[k],
                "value": value,
                "chance": one.chance,
                "ceiling": one.ceiling,
                "items": one.items,
                "n_items": one.n_items,
                "n": one.n,
            }
            for one in self.behaviour
            for k, value in enumerate(one.values)
        ]
        names = ["model", "measure", "time", "value", "chance", "ceiling", "items", "n_items", "n"]
        return pd.DataFrame(rows, columns=names)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        from alignkit.train.hba_meg._describe_scores import describe

        return describe(self)

    def to_text(self, width: int = 100) -> str:
        """Return the scores as a table: a block per cell, then behaviour, then what to know."""
        from alignkit.train.hba_meg._describe_scores import render

        return render(self, width)

    def __repr__(self) -> str:
        from alignkit.train.hba_meg._describe_scores import render

        return render(self, short=True)

    def plot(self, ax: Axes | None = None, *, items: str = "", people: str = "", models: Sequence[str] = ()) -> Axes:
        """Draw one cell: every model's time course with its interval, tests, onset and peak, and the noise ceiling.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default, a new figure.
        items, people : str
            Which cell, as in :meth:`cell`.
        models : sequence of str
            Which models; by default, all.

        Returns
        -------
        matplotlib Axes
        """
        from alignkit.train.hba_meg._draw_cells import plot_cell

        return plot_cell(self.cell(items, people), ax, models=models)

    def plot_cells(self) -> Figure:
        """Draw all cells side by side: items in rows, people in columns, one scale for all."""
        from alignkit.train.hba_meg._draw_cells import plot_cells

        return plot_cells(self)

    def plot_behaviour(self, ax: Axes | None = None, *, measure: str = "") -> Axes:
        """Draw one measure of behaviour over the models' time; by default, the first."""
        from alignkit.train.hba_meg._draw_behaviour import plot_behaviour

        return plot_behaviour(self, ax, measure=measure)

    def plot_weights(self, ax: Axes | None = None) -> Axes:
        """Draw how much every layer counts at every time.

        Raises
        ------
        ValueError
            Scores that hold no weights.
        """
        from alignkit.train.hba_meg._draw_weights import plot_weights

        if self.weights is None:
            msg = "these scores hold no weights of layers; pass weights= to the evaluation."
            raise ValueError(msg)
        return plot_weights(self.weights, self.times, self.layers, ax)

    def plot_factors(self, ax: Axes | None = None) -> Axes:
        """Draw how much every dimension counts at every time: doublings of its part in the mix of layers.

        Raises
        ------
        ValueError
            Scores that hold no such factors.
        """
        from alignkit.train.hba_meg._draw_weights import plot_weights

        if self.factors is None:
            msg = "these scores hold no factors of dimensions; train with dimension_weights."
            raise ValueError(msg)
        logs = np.log2(self.factors)
        return plot_weights(logs, self.times, self.dimensions, ax, what="dimension", values="log2 of the factor")


def _behaviour_rows(one: BehaviourCurve) -> list[Row]:
    where: Row = {"cell": f"behaviour: {one.items}", "items": one.items, "people": "others", "n_items": one.n_items}
    where |= {"in_sample": False, "other_sessions": False, "n_people": 0, "model": one.model}
    where |= {"low": np.nan, "high": np.nan, "unit": "rho" if "spearman" in one.measure else "", "p": np.nan}
    window = (np.nan, np.nan) if one.window is None else one.window
    rows = [where | {"quantity": one.measure, "value": one.mean, "tmin": window[0], "tmax": window[1]}]
    if one.times is not None:
        when, best = one.best
        rows.append(where | {"quantity": f"{one.measure}, best time", "value": best, "tmin": when, "tmax": when})
    return rows
