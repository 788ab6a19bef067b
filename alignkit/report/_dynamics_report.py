"""A run of CLIP-HBA-MEG as a page: how its time course compares with people's, and what it learned to do when."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from alignkit._typing import PathLike
from alignkit.models._towers import as_factory
from alignkit.report._page import Figure, Section, write_page
from alignkit.report._training_report import rendered, settings_section
from alignkit.rsa import RDM
from alignkit.train import HBAMEGScores, RunResult
from alignkit.train._history import History
from alignkit.train.hba_meg._behaviour import BehaviourCurve
from alignkit.train.hba_meg._cell_scores import CellScores
from alignkit.train.hba_meg._describe_scores import HEAD, headline, numbers_of, told_p
from alignkit.train.hba_meg._draw_movie import plot_movie, write_movie
from alignkit.train.hba_meg._first_stage import first_stage

#: Most frames of the animation; of more times, these are spread evenly.
_FRAMES = 120


def write_dynamics_report(
    path: PathLike, result: RunResult, scores: HBAMEGScores, movies: Mapping[str, RDM] | None = None, /
) -> None:
    """Write a finished run of CLIP-HBA-MEG as one self-contained HTML page.

    Parameters
    ----------
    path : str or path
        Where to; the folder must exist.
    result : RunResult
        What :func:`alignkit.train.run` returned.
    scores : HBAMEGScores
        What :func:`alignkit.train.evaluate_run` returned for the run.
    movies : mapping of str to RDM, optional
        What :func:`alignkit.train.rdm_movies` returned for the run; drawn as tiles on the page and, over more than one
        time, as an animation beside it: ``report-rdms.gif`` of ``report.html``.

    Raises
    ------
    FileNotFoundError
        The folder of ``path`` does not exist.
    IsADirectoryError
        ``path`` is a folder.
    ValueError
        Movies of different items or times.

    Examples
    --------
    >>> from alignkit.train import evaluate_run, rdm_movies, run
    >>> from alignkit.train.hba_meg.config import HBAMEGConfig
    >>> result = run(HBAMEGConfig(images="photos", rdms=["p1.zarr", "p2.zarr"], out="my-model"))  # doctest: +SKIP
    >>> scores, movies = evaluate_run("my-model"), rdm_movies("my-model")  # doctest: +SKIP
    >>> write_dynamics_report("my-model/report.html", result, scores, movies)  # doctest: +SKIP
    """
    target = Path(path)
    animation = target.with_name(f"{target.stem}-rdms.gif")
    sections = dynamics_run_sections(result, scores, [_movies(scores, movies, animation)] if movies else [])
    name = result.path.resolve().name
    write_page(target, title=f"{name}, over time", lead=_found(scores), sections=sections)
    if movies and _moves(movies):
        write_movie(animation, {name: _thinned(one) for name, one in movies.items()})


def dynamics_run_sections(result: RunResult, scores: HBAMEGScores, moving: Sequence[Section] = ()) -> list[Section]:
    """Return a finished run as parts of a page: commands, scores over time, training, words and settings."""
    words = Section("How it was done", paragraphs=[result.methods_text(), scores.methods_text()])
    parts = dynamics_sections(scores, moving)
    return [_commands(result), *parts, _training(result), words, settings_section(result.config)]


def dynamics_sections(scores: HBAMEGScores, moving: Sequence[Section] = ()) -> list[Section]:
    """Return scores over time as parts of a page: courses, tables, weights, RDMs over time, behaviour and notes."""
    sections = [_courses(scores), _table(scores)] if scores.cells else []
    sections += [*_weights(scores), *moving]
    if scores.behaviour:
        sections.append(_behaviour(scores))
    return [*sections, *([Section("Notes", paragraphs=scores.notes)] if scores.notes else [])]


def _commands(result: RunResult) -> Section:
    config, run = result.config, str(result.path)
    photos = "photos" if config.images is None else str(config.images)
    # a function of the user's own is only called where the command line names it
    own = ["--architecture", config.backbone] if as_factory(config.backbone) else []
    features = f"{result.path.name}-features"
    lines = [
        ["extract", "--model", f"run:{run}", *own, "--images", photos, "--layers", "all", "--out", features],
        ["train", "--from", run, *own, "--out", f"{run}-again"],
        ["train", "hba-meg", "--subject", "all", "--start", run, "--out", f"{run}-people"],
    ]
    notes = [
        "The first line keeps the dimensions at every time, each as a layer; the second trains the same again; the "
        "third trains a model of each person on top of this one, and says whether people's M/EEG tells whose is whose."
    ]
    return Section("Use it, repeat it", commands=[f"alignkit {shlex.join(line)}" for line in lines], notes=notes)


def _courses(scores: HBAMEGScores) -> Section:
    cell = scores.cell()
    what = "Mean over people of the correlation of every model's RDM with each person's at each time"
    bands = "coloured bands: 95% intervals over people; grey band: noise ceiling"
    caption = f"{_capital(headline(cell))}. {what}; {bands}.{_marks(cell)}"
    figures = [rendered(scores.plot(), caption, f"{_spoken(cell)}.")]
    if len(scores.cells) > 1:
        every = (
            f"The same in all {len(scores.cells)} cells of items and people, on one scale and without marks; in-sample "
            "where the title says so."
        )
        spoken = "; ".join(f"{one.name}: {_spoken(one)}" for one in scores.cells)
        figures.append(Figure.from_matplotlib(scores.plot_cells(), every, f"{spoken}."))
    return Section("Time courses", figures=figures)


def _marks(cell: CellScores) -> str:
    """Return what is marked in the picture of a cell, and why where nothing is."""
    if not cell.timed:
        return ""
    tests = [one.test for one in cell.models if one.test is not None]
    if not any(one.above_zero for one in cell.models):
        why = f"no curve is above 0 by the cluster test (p > {tests[0].alpha:g})" if tests else "one person has no test"
        return f" No clusters, onsets or peaks are marked: {why}."
    told = [f"coloured bars below: clusters above 0 (p <= {tests[0].alpha:g}, sign flips of people)"]
    if any(one.onset_told for one in cell.models):
        told.append("triangles on these: onset")
    if any(one.peak_told for one in cell.models):
        told.append("triangles in the curves: peak, where it is in a cluster")
    if len(told) > 1:
        told.append("black lines through triangles: 95% intervals over people")
    return f" {_capital('; '.join(told))}."


def _table(scores: HBAMEGScores) -> Section:
    rows: list[list[str]] = []
    gaps: list[list[str]] = []
    for cell in scores.cells:
        rows.append([headline(cell)])
        if np.isfinite([cell.lower, cell.upper]).all():
            rows.append(["(noise ceiling)", f"{cell.lower:.3f} to {cell.upper:.3f}", "", "", "", ""])
        rows += [[one.model, *numbers_of(one)] for one in cell.models]
        if cell.differences:
            gaps.append([headline(cell)])
        for gap in cell.differences:
            span = f"[{gap.low:+.3f}, {gap.high:+.3f}]" if math.isfinite(gap.low) else ""
            values = [f"{gap.difference:+.3f} {span}".strip(), told_p(gap.p), told_p(gap.p_cluster)]
            gaps.append([f"{gap.model} - {gap.other}", *values])
    caption = "Every cell of items and people: means over the window, areas, onsets and peaks of the mean curve."
    notes = [
        "mean rho: Spearman's correlation at each time, averaged over the window and over people; rho ms: area under "
        "the curve from 0 ms; p: of the heaviest cluster above 0 (of the mean where there are too few times).",
        "Onsets and peaks are those of every mean curve, whatever its p: where p is large they say nothing.",
        "Intervals are over people. Only what nothing was trained on says how well the model does.",
    ]
    tables = [(caption, ["model", *HEAD], rows)]
    if gaps:
        head = ["difference", "of means", "p", "p of clusters"]
        tables.append(("One model minus another, within people (two-sided sign flips).", head, gaps))
    return Section("Scores", tables=tables, notes=notes)


def _weights(scores: HBAMEGScores) -> list[Section]:
    figures = []
    if scores.weights is not None:
        when = 1e3 * scores.times[scores.weights.argmax(axis=0)]
        spoken = "; ".join(f"{name} most at {t:g} ms" for name, t in zip(scores.layers, when, strict=True))
        caption = "How much every layer counts at every time; the weights of a time sum to 1."
        figures.append(rendered(scores.plot_weights(), caption, f"Weights of layers: {spoken}."))
    if scores.factors is not None:
        when = 1e3 * scores.times[scores.factors.argmax(axis=0)]
        spoken = "; ".join(f"{name} most at {t:g} ms" for name, t in zip(scores.dimensions, when, strict=True))
        caption = "How much every dimension counts at every time: +1 doubles its part in the mix of layers, -1 halves."
        figures.append(rendered(scores.plot_factors(), caption, f"Factors of dimensions: {spoken}."))
    return [Section("What counts when", figures=figures)] if figures else []


def _movies(scores: HBAMEGScores, movies: Mapping[str, RDM], animation: Path) -> Section:
    first = next(iter(movies.values()))
    whose = f", {scores.cell().name}" if scores.cells else ""
    caption = f"RDMs of {first.n_items} items over time{whose}. Items that people's RDMs hold alike are neighbours."
    figure = Figure.from_matplotlib(plot_movie(movies), caption, f"RDMs over time of {' and '.join(movies)}.")
    notes = [f"The same as an animation: {animation.name}, beside this page."] if _moves(movies) else []
    return Section("RDMs over time", figures=[figure], notes=notes)


def _moves(movies: Mapping[str, RDM]) -> bool:
    return len(next(iter(movies.values()))) > 1


def _thinned(movie: RDM) -> RDM:
    """Return a movie of no more frames than anybody wants to wait for."""
    n = len(movie)
    return movie.isel(time=np.unique(np.linspace(0, n - 1, min(n, _FRAMES)).round().astype(int)).tolist())


def _behaviour(scores: HBAMEGScores) -> Section:
    figures, rows = [], []
    for measure in dict.fromkeys(one.measure for one in scores.behaviour):
        curves = [one for one in scores.behaviour if one.measure == measure]
        first = curves[0]
        rows.append([f"{measure}: {first.n_items:,} {first.items}, n = {first.n:,}"])
        if math.isfinite(first.ceiling):
            rows.append(["(people)", _number(first.ceiling), ""])
        rows.append(["(chance)", _number(first.chance), ""])
        rows += [[one.model, _number(one.mean), _best(one)] for one in curves]
        spoken = "; ".join(f"{one.model} {_number(one.mean)}" for one in curves)
        caption = f"{measure} at every time of the models; level and dashed: models that do not unfold."
        figures.append(rendered(scores.plot_behaviour(measure=measure), caption, f"{measure}: {spoken}."))
    caption = "People's similarities of objects, predicted by the models."
    notes = ["Mean: over the window. The best time is chosen after the fact, and so optimistic."]
    tables = [(caption, ["model", "mean", "best, at"], rows)]
    return Section("Behaviour", figures=figures, tables=tables, notes=notes)


def _best(one: BehaviourCurve) -> str:
    when, best = one.best
    return "" if one.times is None or not math.isfinite(best) else f"{best:.3f}, {1e3 * when:.0f} ms"


def _training(result: RunResult) -> Section:
    stages = {
        "First stage (weights of layers)": first_stage(result.path, result.config),
        "Second stage": result.history,
    }
    histories = {name: one for name, one in stages.items() if one is not None and one.steps}
    rows = [[name, _number(value)] for name, value in result.metrics.items()]
    caption = f"Validation of the weights that were kept (step {result.history.best_step:,} of the second stage)."
    return Section(
        "Training",
        figures=[_curve(name, one) for name, one in histories.items()],
        tables=[(caption, ["metric", "value"], rows)],
        notes=["The epoch was chosen on validation items; these numbers are no test.", *_seen(result.history)],
    )


def _curve(name: str, history: History) -> Figure:
    losses = [record.losses["loss"] for record in history.steps]
    caption = f"{name}: training loss (grey) and validation {history.monitor} (dots) against the optimiser step."
    spoken = f"Training loss from {_number(losses[0])} to {_number(losses[-1])} in {history.last_step:,} steps."
    return rendered(history.plot(), caption, spoken)


def _seen(history: History) -> list[str]:
    share = history.steps[-1].losses.get("pairs_seen", math.nan) if history.steps else math.nan
    return [f"Of all pairs of training items, {share:.1%} were in one batch together."] if math.isfinite(share) else []


def _found(scores: HBAMEGScores) -> str:
    """Return in a few words how the model does where most can be said of it."""
    if not scores.cells:
        return "How training went, and the settings: no cell of items and people could be scored."
    cell = scores.cell()
    own = cell.models[0]
    others = "; ".join(f"{one.model} {_number(one.mean)}" for one in cell.models[1:])
    words = [f"{_capital(headline(cell))}: mean rho {_number(own.mean)}"]
    words.append(f"noise ceiling {_number(cell.lower)} to {_number(cell.upper)}")
    if others:
        words.append(others)
    if own.peak is not None and own.peak_told:
        words.append(f"peak at {1e3 * own.peak.value:.0f} ms")
    return f"{'; '.join(words)}."


def _capital(sentence: str) -> str:
    return f"{sentence[0].upper()}{sentence[1:]}"


def _spoken(cell: CellScores) -> str:
    return "; ".join(f"{one.model} {_number(one.mean)} on average" for one in cell.models)


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"
