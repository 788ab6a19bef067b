"""How often intervals covered the truth in simulations: what a result must say when that is less than it promises."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any

#: Level of the intervals that were measured, and the coverage below which a result says so.
LEVEL, ENOUGH = 0.95, 0.92


def measured_coverage(
    generalize: str, interval: str, method: str, n_subjects: int, n_items: int
) -> dict[str, Any] | None:
    """Return the cell of the table that speaks for a design: the nearest one with no more subjects and items.

    Cells hold ``generalize``, ``interval``, ``method``, ``n_subjects``, ``n_items`` and ``coverage`` of 95 % intervals.
    None where nothing of the kind was measured.
    """
    fitting = [
        cell
        for cell in _table()
        if (cell["generalize"], cell["interval"], cell["method"]) == (generalize, interval, method)
        and cell["n_subjects"] <= n_subjects
        and cell["n_items"] <= n_items
    ]
    return max(fitting, key=lambda cell: (cell["n_subjects"], cell["n_items"]), default=None)


def coverage_note(generalize: str, interval: str, method: str, n_subjects: int, n_items: int, confidence: float) -> str:
    """Return what to know about an interval that covers less than it promises; empty where it does not."""
    cell = measured_coverage(generalize, interval, method, n_subjects, n_items)
    if cell is None or abs(confidence - LEVEL) > 1e-9 or cell["coverage"] >= ENOUGH:
        return ""
    return (
        f"In simulations with {cell['n_subjects']} subjects and {cell['n_items']} items the {interval} interval "
        f"covered the truth {cell['coverage']:.0%} of the time instead of {LEVEL:.0%}."
    )


@functools.cache
def _table() -> list[dict[str, Any]]:
    text = files("alignkit.rsa._inference").joinpath("measured_coverage.json").read_text(encoding="utf-8")
    cells: list[dict[str, Any]] = json.loads(text)
    return cells
