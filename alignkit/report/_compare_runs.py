"""Several runs side by side: curves in one frame, what their validations gave, and which settings differ."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alignkit._config import to_toml
from alignkit.report._chart import Chart
from alignkit.report._line_chart import Axes, Line, line_chart
from alignkit.report._page import Section
from alignkit.report._svg import number
from alignkit.train import RunResult


def compare_runs(runs: Mapping[str, RunResult]) -> list[Section]:
    """Return runs beside each other; nothing for fewer than two."""
    if len(runs) < 2:
        return []
    figures = [*_monitored(runs), *_losses(runs)]
    tables = [_metrics(runs), *_settings(runs)]
    notes = ["Weights were chosen on validation items; these numbers are no test."]
    return [Section("The runs side by side", figures=figures, tables=tables, notes=notes)]


def _monitored(runs: Mapping[str, RunResult]) -> list[Chart]:
    charts = []
    for monitor in dict.fromkeys(run.history.monitor for run in runs.values()):
        lines = []
        for name, run in runs.items():
            found = [one for one in run.history.validations if monitor in one.metrics]
            if found:
                steps = np.array([one.step for one in found], dtype=np.float64)
                lines.append(Line(name, steps, np.array([one.metrics[monitor] for one in found])))
        if lines:
            caption = f"Validation {monitor} of every run against the optimiser step."
            axes = Axes("optimiser step", monitor)
            charts.append(line_chart(lines, title=f"Validation: {monitor}", axes=axes, caption=caption))
    return charts


def _losses(runs: Mapping[str, RunResult]) -> list[Chart]:
    lines = [
        Line(
            name,
            np.array([record.step for record in run.history.steps], dtype=np.float64),
            np.array([record.losses.get("loss", np.nan) for record in run.history.steps]),
        )
        for name, run in runs.items()
        if run.history.steps
    ]
    if not lines:
        return []
    caption = "Training loss of every run; losses of different kinds cannot be compared."
    return [line_chart(lines, title="Training loss", axes=Axes("optimiser step", "training loss"), caption=caption)]


def _metrics(runs: Mapping[str, RunResult]) -> tuple[str, list[str], list[list[str]]]:
    names = list(dict.fromkeys(name for run in runs.values() for name in run.metrics))
    rows = [[name, *(number(run.metrics.get(name, np.nan)) for run in runs.values())] for name in names]
    rows.append(["(kept step)", *(f"{run.history.best_step:,}" for run in runs.values())])
    return "Validation of the weights that were kept.", ["metric", *runs], rows


def _settings(runs: Mapping[str, RunResult]) -> list[tuple[str, list[str], list[list[str]]]]:
    flat = [_flat(tomllib.loads(to_toml(run.config))) for run in runs.values()]
    # what only one run has is a matter of its method
    names = [
        name for name in dict.fromkeys(name for one in flat for name in one) if sum(name in one for one in flat) > 1
    ]
    rows = [[name, *(_said(one.get(name)) for one in flat)] for name in names]
    differ = [row for row in rows if len(set(row[1:])) > 1]
    methods = ["method", *(run.method.removesuffix("Config") for run in runs.values())]
    if len(set(methods[1:])) > 1:
        differ.insert(0, methods)
    return [("Settings that differ.", ["setting", *runs], differ)] if differ else []


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _said(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
