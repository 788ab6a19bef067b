"""A chain of AligNet as a page: what the teacher is worth, what students gained, and the commands that repeat it."""

from __future__ import annotations

import math
import shlex

from alignkit._typing import PathLike
from alignkit.models._towers import as_factory
from alignkit.report._page import Section, write_page
from alignkit.report._score_report import score_sections
from alignkit.report._training_report import rendered, settings_section
from alignkit.score import ScoreRow
from alignkit.train import AligNetChain, AligNetChainConfig

_MEASURE = "odd-one-out accuracy"
#: What validation says of a student, and how it is called.
_METRICS = {
    "val_loss": "loss",
    "val_accuracy": "agreement with its teacher",
    "drift": "drift of the weights",
    "drift_relative": "drift, relative",
    "knn_overlap": "neighbours kept (embedding)",
    "knn_overlap_head": "neighbours kept (output)",
    "probe_embedding": "probe (embedding)",
    "probe_head": "probe (output)",
}


def write_alignet_report(path: PathLike, found: AligNetChain, config: AligNetChainConfig, /) -> None:
    """Write what a chain found as one self-contained HTML page.

    Parameters
    ----------
    path : str or path
        Where to; the folder must exist.
    found : AligNetChain
        What :func:`alignkit.train.run_alignet` returned.
    config : AligNetChainConfig
        Its settings.

    Raises
    ------
    FileNotFoundError
        The folder of ``path`` does not exist.
    IsADirectoryError
        ``path`` is a folder.

    Examples
    --------
    >>> from alignkit.train import AligNetChainConfig, run_alignet
    >>> config = AligNetChainConfig(images="photos", out="my-alignet")
    >>> write_alignet_report("my-alignet/report.html", run_alignet(config), config)  # doctest: +SKIP
    """
    sections = [_commands(found, config), *alignet_sections(found), settings_section(config)]
    write_page(path, title=f"AligNet: {found.path.resolve().name}", lead=_lead(found), sections=sections)


def alignet_sections(found: AligNetChain) -> list[Section]:
    """Return what a chain found as parts of a page: scores, teacher, students, words and steps."""
    words = Section("How it was made", paragraphs=[found.methods_text()], notes=found.notes)
    scored = [] if found.scores is None else score_sections(found.scores.table)
    return [*scored, *_teacher(found), *_students(found), words, _steps(found)]


def _commands(found: AligNetChain, config: AligNetChainConfig) -> Section:
    run, again = shlex.quote(str(found.path)), shlex.quote(f"{found.path}-again")
    lines = [f"alignkit train --from {run} --out {again}"]
    if found.students:
        student = shlex.quote(f"run:{found.path}/students/{next(iter(found.students))}")
        photos = "photos" if config.images is None else shlex.quote(str(config.images))
        # a function of the user's own is only called where the command line names it
        own = f" --architecture {shlex.quote(config.backbone)}" if as_factory(config.backbone) else ""
        lines.insert(0, f"alignkit extract --model {student}{own} --images {photos} --out features")
    return Section("Use it, repeat it", commands=lines)


def _lead(found: AligNetChain) -> str:
    """Return in a few words what the first student gained on held-out items, and what it kept."""
    if found.scores is None:
        return f"Steps that are done: {', '.join(found.done)}."
    rows = {row.model: row for row in found.scores.table.rows if row.measure == _MEASURE}
    told = [_said(row) for name, row in rows.items() if row.role == "model" or not name.startswith("position")]
    words = ["Odd-one-out answers about held-out items: " + ", ".join(told) + "."] if told else []
    ceiling = next((row.ceiling_low for row in rows.values() if math.isfinite(row.ceiling_low)), None)
    if ceiling is not None:
        words.append(f"Noise ceiling {_number(ceiling)}.")
    if found.scores.retention is not None:
        words.append(f"Linear probes of other images changed by {100 * found.scores.retention:+.1f} points.")
    return " ".join(words) or "No answers were about held-out items alone."


def _said(row: ScoreRow) -> str:
    return f"{row.model} {_number(row.value)}"


def _teacher(found: AligNetChain) -> list[Section]:
    scores = found.teacher
    if scores is None:
        return []
    header = ["method", "accuracy", "interval", "cross-entropy", "calibration error", "temperature", "neighbours kept"]
    rows = [
        [
            name + (" *" if scores.from_embedding[i] else ""),
            _number(scores.accuracy[i]),
            f"[{_number(scores.accuracy_low[i])}, {_number(scores.accuracy_high[i])}]",
            _number(scores.cross_entropy[i]),
            _number(scores.calibration_error[i]),
            f"{scores.temperature[i]:.3g}",
            _number(scores.knn_overlap[i]),
        ]
        for i, name in enumerate(scores.methods)
    ]
    what = "Answers about items that the teacher did not see, before it was fitted to all that are learned from"
    figure = rendered(scores.plot(), what, "; ".join(f"{row[0]} {row[1]}" for row in rows))
    notes = [f"Chance {_number(scores.chance)}; differences below .02 are not claimed."]
    if any(scores.from_embedding):
        notes.append("* learned from an embedding that may have seen the answers: possibly optimistic.")
    return [Section("Teacher", figures=[figure], tables=[(f"{what}.", header, rows)], notes=notes)]


def _students(found: AligNetChain) -> list[Section]:
    if not found.students:
        return []
    shown = [key for key in _METRICS if any(key in metrics for metrics in found.students.values())]
    header = ["arm", *(_METRICS[key] for key in shown)]
    rows = [[arm, *(_number(metrics.get(key, math.nan)) for key in shown)] for arm, metrics in found.students.items()]
    caption = "Validation of the weights that were kept, on images that were not trained on; no test."
    return [Section("Students", tables=[(caption, header, rows)])]


def _steps(found: AligNetChain) -> Section:
    rows = [[step, f"{found.seconds[step]:.1f}"] for step in found.done]
    return Section("Steps", tables=[("How long each step took.", ["step", "seconds"], rows)])


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"
