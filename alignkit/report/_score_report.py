"""A score table as a page: what was found, figures with ceilings, every line, and how it was done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from alignkit._typing import PathLike
from alignkit.report._page import Figure, Section, write_page
from alignkit.score import ScoreRow, ScoreTable


def write_score_report(path: PathLike, table: ScoreTable, /, *, before: Sequence[Section] = ()) -> None:
    """Write a score table as one self-contained HTML page.

    Parameters
    ----------
    path : str or path
        Where to; the folder must exist.
    table : ScoreTable
        What :func:`alignkit.score.score` returned.
    before : sequence of Section
        Parts to put first.

    Raises
    ------
    FileNotFoundError
        The folder of ``path`` does not exist.
    IsADirectoryError
        ``path`` is a folder.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> table = ScoreTable("toy", (), (), ("nothing was scored",), {}, {})
    >>> page = pathlib.Path(tempfile.mkdtemp()) / "page.html"
    >>> write_score_report(page, table)
    >>> "nothing was scored" in page.read_text()
    True
    """
    models = sorted({row.model for row in table.rows if row.role == "model"})
    lead = f"{len(models)} model(s) scored on {table.dataset}, each beside its noise ceiling and baselines."
    write_page(path, title=f"Human alignment: {table.dataset}", lead=lead, sections=[*before, *score_sections(table)])


def score_sections(table: ScoreTable, /) -> list[Section]:
    """Return a score table as parts of a page: figures of the primary measures, all lines, notes, methods.

    Parameters
    ----------
    table : ScoreTable
        What :func:`alignkit.score.score` returned.

    Returns
    -------
    list of Section

    Raises
    ------
    ValueError
        A table without the columns that a score table has.

    Examples
    --------
    >>> score_sections(ScoreTable("toy", (), (), ("nothing was scored",), {}, {}))[0].title
    'Notes'
    """
    sections = [_block(table, part, list(rows)) for part, rows in groupby(table.rows, key=lambda row: row.part)]
    if table.differences:
        sections.append(_differences(table))
    if table.notes:
        sections.append(Section("Notes", paragraphs=table.notes))
    if table.settings:
        sections.append(Section("How it was done", paragraphs=[table.methods_text()]))
    return sections


def _block(table: ScoreTable, part: str, rows: list[ScoreRow]) -> Section:
    figures = [_figure(table, part, m) for m in dict.fromkeys(row.measure for row in rows if row.primary)]
    tables = [_table(measure, list(group)) for measure, group in groupby(rows, key=lambda row: row.measure)]
    return Section(f"{table.dataset}: {part}", tables=tables, figures=figures)


def _figure(table: ScoreTable, part: str, measure: str) -> Figure:
    axes = table.plot(part=part, measure=measure)
    figure = axes.get_figure(root=True)
    assert figure is not None
    rows = [row for row in table.rows if (row.part, row.measure) == (part, measure)]
    spoken = "; ".join(f"{row.model} {_number(row.value)}" for row in rows)
    caption = (
        f"{part}: {measure}. Black lines: intervals; grey bars: baselines; yellow: noise ceiling ({rows[0].ceiling})."
    )
    return Figure.from_matplotlib(figure, caption, alt=f"Bar chart of {measure}: {spoken}.")


def _table(measure: str, rows: list[ScoreRow]) -> tuple[str, list[str], list[list[str]]]:
    first = rows[0]
    direction = "" if first.higher_is_better else ", lower is better"
    caption = f"{measure}{direction}; n = {first.n:,}, {first.n_items:,} items; interval over {first.over or 'nothing'}"
    header = ["model (baselines in brackets)", "value", "interval", "% of ceiling", "ceiling", "split"]
    cells = [_cells(row) for row in rows]
    used = [k for k in range(len(header)) if any(row[k] for row in cells)]
    return caption, [header[k] for k in used], [[row[k] for k in used] for row in cells]


def _cells(row: ScoreRow) -> list[str]:
    interval = f"[{_number(row.low)}, {_number(row.high)}]" if math.isfinite(row.low) else ""
    percent = f"{row.percent_of_ceiling:.1f}" if math.isfinite(row.percent_of_ceiling) else ""
    ceiling = " to ".join(_number(v) for v in (row.ceiling_low, row.ceiling_high) if math.isfinite(v))
    name = row.model if row.role == "model" else f"({row.model})"
    return [name, _number(row.value), interval, percent, ceiling, row.split]


def _differences(table: ScoreTable) -> Section:
    header = ["best model - other", "part", "difference", "interval"]
    rows = [
        [f"{d.better} - {d.other}", f"{d.part}: {d.measure}", f"{d.difference:+.4f}", f"[{d.low:+.4f}, {d.high:+.4f}]"]
        for d in table.differences
    ]
    return Section("Paired differences", tables=[("on the same data, resampled together", header, rows)])


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"
