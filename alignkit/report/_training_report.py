"""A training run as a page: what it bought, how it went, every score, and the commands that repeat it."""

from __future__ import annotations

import math
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alignkit._config import to_toml
from alignkit._typing import PathLike
from alignkit.models._towers import as_factory
from alignkit.report._chart import Chart
from alignkit.report._page import Figure, Section, write_page
from alignkit.report._scatter import Point, scatter
from alignkit.report._score_report import score_sections
from alignkit.score import ScoreRow
from alignkit.train import HBAScores, RunResult

_BEFORE = "before training"


def write_training_report(path: PathLike, result: RunResult, scores: HBAScores | None = None, /) -> None:
    """Write a finished run as one self-contained HTML page.

    Parameters
    ----------
    path : str or path
        Where to; the folder must exist.
    result : RunResult
        What :func:`alignkit.train.run` returned.
    scores : HBAScores, optional
        What :func:`alignkit.train.evaluate_run` returned for the run.

    Raises
    ------
    FileNotFoundError
        The folder of ``path`` does not exist.
    IsADirectoryError
        ``path`` is a folder.

    Examples
    --------
    >>> from alignkit.train import evaluate_run, run
    >>> from alignkit.train.hba.config import HBAConfig
    >>> result = run(HBAConfig(images="photos", out="my-model"))  # doctest: +SKIP
    >>> write_training_report("my-model/report.html", result, evaluate_run("my-model"))  # doctest: +SKIP
    """
    lead = "How training went, and the settings." if scores is None else _found(scores)
    title = f"Training of {result.path.resolve().name}"
    write_page(path, title=title, lead=lead, sections=training_sections(result, scores))


def training_sections(result: RunResult, scores: HBAScores | None = None) -> list[Section]:
    """Return a finished run as parts of a page: commands, scores, dimensions, training, words and settings."""
    scored = [] if scores is None else hba_sections(scores)
    return [
        _commands(result),
        *scored,
        _training(result, scores),
        _words(result, scores),
        settings_section(result.config),
    ]


def hba_sections(scores: HBAScores) -> list[Section]:
    """Return what training bought as parts of a page: the score table, and every dimension."""
    return [*score_sections(scores.table), *_dimensions(scores)]


def _commands(result: RunResult) -> Section:
    run = shlex.quote(str(result.path))
    again, features = shlex.quote(f"{result.path}-again"), shlex.quote(f"{result.path.name}-features")
    images = getattr(result.config, "images", None)
    photos = "photos" if images is None else shlex.quote(str(images))
    model = shlex.quote(f"run:{result.path}")
    backbone = getattr(result.config, "backbone", "")
    # a function of the user's own is only called where the command line names it
    own = f" --architecture {shlex.quote(backbone)}" if as_factory(backbone) else ""
    return Section(
        "Use it, repeat it",
        commands=[
            f"alignkit extract --model {model}{own} --images {photos} --out {features}",
            f"alignkit train --from {run} --out {again}",
        ],
    )


def _training(result: RunResult, scores: HBAScores | None) -> Section:
    figures = [_loss_figure(result)] if result.history.steps else []
    if scores is not None and len(scores.curves.steps):
        figures.append(_curves_figure(scores))
    rows = [[name, _number(value)] for name, value in result.metrics.items()]
    caption = f"Validation of the weights that were kept (step {result.history.best_step:,})."
    notes = ["The epoch was chosen on validation objects; these numbers are no test."]
    return Section("Training", figures=figures, tables=[(caption, ["metric", "value"], rows)], notes=notes)


def _loss_figure(result: RunResult) -> Figure:
    history = result.history
    losses = [record.losses["loss"] for record in history.steps]
    caption = f"Training loss (grey) and validation {history.monitor} (dots) against the optimiser step."
    spoken = f"Training loss from {_number(losses[0])} to {_number(losses[-1])} in {history.last_step:,} steps."
    return rendered(result.plot(), caption, spoken)


def _curves_figure(scores: HBAScores) -> Figure:
    curves = scores.curves
    caption = (
        "Both criteria that an epoch may be chosen by, on validation objects; rings: the best of each; dotted: the "
        f"step whose weights were kept ({curves.best_step:,}, by {curves.monitor})."
    )
    ends = "; ".join(
        f"{name} from {_number(float(values[0]))} to {_number(float(values[-1]))}"
        for name, values in (("RDM Spearman", curves.rdm_spearman), ("squared error", curves.mse))
    )
    return rendered(scores.plot_curves(), caption, f"Selection curves: {ends}.")


def _dimensions(scores: HBAScores) -> list[Section]:
    if not scores.dimensions:
        return []
    header = ["dimension", "before", "interval", "after", "interval", "difference", "interval"]
    rows = [
        [
            row.dimension,
            _number(row.before),
            _interval(row.before_low, row.before_high),
            _number(row.after),
            _interval(row.after_low, row.after_high),
            _number(row.difference, "+"),
            _interval(row.difference_low, row.difference_high, "+"),
        ]
        for row in scores.dimensions
    ]
    what = f"Pearson correlation of each dimension with its target over {scores.n_held_out} held-out objects"
    caption = f"{what}; intervals are over objects."
    shown = sorted(scores.dimensions, key=lambda row: (not math.isfinite(row.after), -row.after))[:5]
    spoken = "; ".join(f"{row.dimension} {_number(row.before)} before, {_number(row.after)} after" for row in shown)
    figure = rendered(scores.plot(), f"{what}: grey before training, blue after.", f"The best dimensions: {spoken}.")
    return [Section("Dimensions", figures=[figure, _before_and_after(scores)], tables=[(caption, header, rows)])]


def _before_and_after(scores: HBAScores) -> Chart:
    points = [
        Point(
            row.dimension,
            row.before,
            row.after,
            row.after_low,
            row.after_high,
            f"difference: {_number(row.difference, '+')} {_interval(row.difference_low, row.difference_high, '+')}",
        )
        for row in scores.dimensions
    ]
    caption = (
        "Each dimension's correlation with its target over held-out objects: above the line, training made it better; "
        "lines are intervals over objects."
    )
    return scatter(points, title="Dimensions", x_axis="r before training", y_axis="r after training", caption=caption)


def _found(scores: HBAScores) -> str:
    """Return in a few words what training changed on held-out objects, by every main measure."""
    table = scores.table
    pairs = []
    for row in table.rows:
        if row.role == "model" and row.primary and "chosen on" not in row.part:
            before = next((r for r in table.rows if _same(r, row) and r.model == _BEFORE), None)
            pairs.append(_sentence(row, before))
    return " ".join(pairs) or "Too few objects were held out to be scored (--held-out takes a list of them)."


def _same(one: ScoreRow, other: ScoreRow) -> bool:
    return (one.part, one.measure) == (other.part, other.measure)


def _sentence(after: ScoreRow, before: ScoreRow | None) -> str:
    was = "" if before is None else f" (before training {_number(before.value)})"
    ceiling = f"; noise ceiling {_number(after.ceiling_low)}" if math.isfinite(after.ceiling_low) else ""
    return f"{after.part}, {after.measure}: {_number(after.value)}{was}{ceiling}."


def _words(result: RunResult, scores: HBAScores | None) -> Section:
    words = [result.methods_text()]
    if scores is not None:
        # what the score table says itself stands below the scores
        words.append(scores.methods_text().removeprefix(scores.table.methods_text()).strip())
    return Section("How it was trained", paragraphs=[text for text in words if text])


def settings_section(config: object, notes: Sequence[str] = ()) -> Section:
    """Return all settings of a run, a config or what its file says, as a table."""
    settings = config if isinstance(config, Mapping) else tomllib.loads(to_toml(config))
    rows = [[name, value] for name, value in _flat(settings)]
    return Section(
        "Settings", tables=[("All that the run's config.toml says.", ["setting", "value"], rows)], notes=notes
    )


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield settings by their dotted names, as text."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield prefix + name, shown.lower() if isinstance(value, bool) else shown


def rendered(axes: Any, caption: str, alt: str) -> Figure:
    """Return the figure that axes belong to, which is closed."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return Figure.from_matplotlib(figure, caption, alt)


def _interval(low: float, high: float, sign: str = "") -> str:
    return f"[{_number(low, sign)}, {_number(high, sign)}]" if math.isfinite(low) else ""


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}.3f}" if math.isfinite(value) else "-"
