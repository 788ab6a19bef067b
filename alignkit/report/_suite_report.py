"""A suite's scores as a page: time courses with ceilings first, then every line, and what was not at hand."""

from __future__ import annotations

import numpy as np

from alignkit._typing import PathLike
from alignkit.meg import TimeCourse
from alignkit.report._page import Figure, Section, write_page
from alignkit.report._score_report import score_sections
from alignkit.score import SuiteScores


def write_suite_report(path: PathLike, scores: SuiteScores, /) -> None:
    """Write a suite's scores as one self-contained HTML page.

    Parameters
    ----------
    path : str or path
        Where to; the folder must exist.
    scores : SuiteScores
        What :func:`alignkit.score.score_suite` returned.

    Raises
    ------
    FileNotFoundError
        The folder of ``path`` does not exist.
    IsADirectoryError
        ``path`` is a folder.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from alignkit.score import ScoreTable
    >>> scores = SuiteScores("hba", ScoreTable("hba", (), (), (), {}, {}), {}, {"ds1": "get it from its authors."})
    >>> page = pathlib.Path(tempfile.mkdtemp()) / "page.html"
    >>> write_suite_report(page, scores)
    >>> "get it from its authors" in page.read_text()
    True
    """
    n_models = len({row.model for row in scores.table.rows if row.role == "model"})
    n_parts = len({row.part for row in scores.table.rows})
    lead = (
        f"{n_models} model{'' if n_models == 1 else 's'} on {n_parts} data set{'' if n_parts == 1 else 's'}, beside "
        "noise ceilings and baselines."
    )
    write_page(path, title=f"Scores on the suite {scores.suite}", lead=lead, sections=suite_sections(scores))


def suite_sections(scores: SuiteScores) -> list[Section]:
    """Return a suite's scores as parts of a page: time courses, the table, and what was not at hand."""
    sections = [Section("Over time", figures=[_figure(scores, part) for part in scores.courses])]
    sections = [*(sections if scores.courses else []), *score_sections(scores.table)]
    if scores.missing:
        lacking = [f"{part}: {sentence}" for part, sentence in scores.missing.items()]
        sections.append(Section("Not at hand", paragraphs=lacking))
    return sections


def _figure(scores: SuiteScores, part: str) -> Figure:
    course = scores.courses[part]
    figure = scores.plot(part=part).get_figure(root=True)
    assert figure is not None
    intervals = f"; shades: {course.confidence:.0%} intervals over people" if course.n_bootstrap else ""
    caption = (
        f"{part}: mean over {course.n_subjects} people of the {course.method} similarity of a model to each person's "
        f"RDMs{intervals}; grey: noise ceiling, from others' mean to everyone's."
    )
    return Figure.from_matplotlib(figure, caption, alt=f"Time courses: {_spoken(course)}.")


def _spoken(course: TimeCourse) -> str:
    spoken = []
    for name, mean in zip(course.models, course.mean, strict=True):
        if np.isfinite(mean).any():
            best = int(np.nanargmax(mean))
            spoken.append(f"{name} highest {mean[best]:.4f} at {1e3 * course.times[best]:g} ms")
        else:
            spoken.append(f"{name} undefined")
    return "; ".join(spoken)
