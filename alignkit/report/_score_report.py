"""A score table as a page: what was found, figures with ceilings, every line, and how it was done."""

from __future__ import annotations

import dataclasses
import math
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count, groupby, product

from alignkit._typing import PathLike
from alignkit.report._bar_chart import Bar, bar_chart
from alignkit.report._chart import Chart
from alignkit.report._page import Figure, Section, write_page
from alignkit.score import Difference, ScoreRow, ScoreTable
from alignkit.score._row import is_in_sample

_BEHIND = "\N{WHITE DOWN-POINTING TRIANGLE}"


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
    n_models = len({row.model for row in table.rows if row.role == "model"})
    lead = f"{n_models} model{'' if n_models == 1 else 's'} beside noise ceilings and baselines."
    write_page(path, title=f"Scores on {table.dataset}", lead=lead, sections=[*before, *score_sections(table)])


def score_sections(table: ScoreTable, /) -> list[Section]:
    """Return a score table as parts of a page: figures of the primary measures, all lines, notes, methods.

    Parameters
    ----------
    table : ScoreTable
        What :func:`alignkit.score.score` returned.

    Returns
    -------
    list of Section

    Examples
    --------
    >>> score_sections(ScoreTable("toy", (), (), ("nothing was scored",), {}, {}))[0].title
    'Notes'
    """
    sections = [_part(table, part, list(rows)) for part, rows in groupby(table.rows, key=lambda row: row.part)]
    if table.differences:
        sections.append(_differences(table.differences))
    if table.notes:
        sections.append(Section("Notes", paragraphs=table.notes))
    if table.settings:
        sections.append(Section("How it was done", paragraphs=[table.methods_text()]))
    return sections


def _part(table: ScoreTable, part: str, rows: list[ScoreRow]) -> Section:
    bars, points = ([row for row in rows if (row.role == "layer") == which] for which in (False, True))
    figures: list[Figure | Chart] = [
        _figure(table, part, m) for m in dict.fromkeys(row.measure for row in bars if row.primary)
    ]
    figures += [_curve_figure(table, part, m) for m in dict.fromkeys(row.measure for row in points)]
    letters = _letters(row.split for row in rows if row.split)
    tables = [_table(bars, letters)] if bars else []
    tables += [_curve_table(points, letters)] if points else []
    notes = [f"{letter}: {split}." for split, letter in letters.items()]
    bounded = [row for row in rows if row.ceiling]
    ceilings = dict.fromkeys(f"{_limit(row).capitalize()} of {row.measure}: {row.ceiling}." for row in bounded)
    title = f"{table.dataset}: {part}"
    return Section(title, tables=tables, figures=figures, notes=[*ceilings, *notes])


def _letters(splits: Iterable[str]) -> dict[str, str]:
    """Return a mark for each distinct split: a to z, then aa, ab ..."""
    marks = ("".join(mark) for n in count(1) for mark in product(string.ascii_lowercase, repeat=n))
    return {split: next(marks) for split in dict.fromkeys(splits)}


def _figure(table: ScoreTable, part: str, measure: str) -> Chart:
    rows = [row for row in table.rows if (row.part, row.measure) == (part, measure) and row.role != "layer"]
    behind = _behind(table, part, measure)
    spoken = "; ".join(f"{row.model} {_number(row.value)}" for row in rows)
    marks = ["blue: models", "grey: baselines"]
    marks += ["thin lines: intervals"] if any(math.isfinite(row.low) for row in rows) else []
    marks += [f"yellow: {_limit(rows[0])} ({rows[0].ceiling})"] if math.isfinite(rows[0].ceiling_low) else []
    told = f" {_BEHIND}: behind the best, as the paired interval lacks 0." if behind else ""
    chart = bar_chart(
        [_bar(row, behind) for row in rows],
        title=f"{part} (n = {rows[0].n:,})",
        axis=measure + ("" if rows[0].higher_is_better else ", lower is better"),
        caption=f"{part}: {measure}. {', '.join(marks).capitalize()}.{told}",
        ceiling=(rows[0].ceiling_low, rows[0].ceiling_high),
        limit=_limit(rows[0]),
    )
    return dataclasses.replace(chart, alt=f"Bar chart of {measure}: {spoken}.")


def _bar(row: ScoreRow, behind: Collection[str]) -> Bar:
    name = f"{row.model} (in-sample)" if is_in_sample(row.split) else row.model
    percent = f"\n{row.percent_of_ceiling:.1f}% of the ceiling" if math.isfinite(row.percent_of_ceiling) else ""
    told = f"{name}\n{_number(row.value)} {_interval(row.low, row.high)}".rstrip() + percent
    mark = _BEHIND if row.model in behind else ""
    return Bar(name, row.value, row.low, row.high, mark, told, faint=row.role != "model")


def _behind(table: ScoreTable, part: str, measure: str) -> set[str]:
    """Return who is behind the best by all paired intervals, of whatever is resampled."""
    found = [one for one in table.differences if (one.part, one.measure) == (part, measure)]
    clear = {one.other: True for one in found}
    for one in found:
        clear[one.other] &= one.low > 0 or one.high < 0
    return {name for name, is_clear in clear.items() if is_clear}


def _curve_figure(table: ScoreTable, part: str, measure: str) -> Figure:
    axes = table.plot_layers(part=part, measure=measure)
    figure = axes.get_figure(root=True)
    assert figure is not None
    points = [row for row in table.rows if (row.part, row.measure, row.role) == (part, measure, "layer")]
    spoken = "; ".join(f"{row.model} {row.layer} {_number(row.value)}" for row in points)
    marks = ["rings: layers chosen on other items, the larger the more often"]
    marks += ["shades: intervals"] if any(math.isfinite(row.low) for row in points) else []
    marks += [f"yellow: {_limit(points[0])}"] if math.isfinite(points[0].ceiling_low) else []
    caption = (
        f"{part}: {measure} of each layer. {'; '.join(marks).capitalize()}. The highest point is no score: it is "
        "picked on the answers it is scored on."
    )
    return Figure.from_matplotlib(figure, caption, alt=f"Layer curve of {measure}: {spoken}.")


def _curve_table(points: list[ScoreRow], letters: Mapping[str, str]) -> tuple[str, list[str], list[list[str]]]:
    header = ["layer", "value", "interval", "% of ceiling", "chosen", "split"]
    lines: list[list[str]] = []
    for (model, measure), group in groupby(points, key=lambda row: (row.model, row.measure)):
        members = list(group)
        lines.append([f"{model}: {_heading(measure, members[0])}"])
        lines += [_curve_cells(row, letters) for row in members]
    return "Every layer; chosen: how often it was the best on other items than those it was scored on.", header, lines


def _curve_cells(row: ScoreRow, letters: Mapping[str, str]) -> list[str]:
    percent = f"{row.percent_of_ceiling:.1f}" if math.isfinite(row.percent_of_ceiling) else ""
    chosen = f"{row.chosen:.0%}" if math.isfinite(row.chosen) else ""
    interval = _interval(row.low, row.high)
    return [row.layer, _number(row.value), interval, percent, chosen, letters.get(row.split, "")]


def _limit(row: ScoreRow) -> str:
    return "noise ceiling" if row.higher_is_better else "noise floor"


def _table(rows: list[ScoreRow], letters: Mapping[str, str]) -> tuple[str, list[str], list[list[str]]]:
    header = ["model", "value", "interval", "over people", "% of ceiling", "ceiling", "split"]
    cells = [_cells(row, letters) for row in rows]
    used = [k for k in range(len(header)) if any(row[k] for row in cells)]
    lines: list[list[str]] = []
    for measure, group in groupby(zip(rows, cells, strict=True), key=lambda pair: pair[0].measure):
        members = list(group)
        lines.append([_heading(measure, members[0][0])])
        lines += [[row[k] for k in used] for _, row in members]
    caption = "Best first, then baselines in brackets" + ("; letters are explained below." if letters else ".")
    return caption, [header[k] for k in used], lines


def _heading(measure: str, first: ScoreRow) -> str:
    direction = "" if first.higher_is_better else ", lower is better"
    over = f", interval over {first.over}" if first.over and math.isfinite(first.low) else ""
    return f"{measure}{direction} (n = {first.n:,}, {first.n_items:,} items{over})"


def _cells(row: ScoreRow, letters: Mapping[str, str]) -> list[str]:
    percent = f"{row.percent_of_ceiling:.1f}" if math.isfinite(row.percent_of_ceiling) else ""
    ceiling = " to ".join(_number(v) for v in (row.ceiling_low, row.ceiling_high) if math.isfinite(v))
    name = row.model if row.role == "model" else f"({row.model})"
    name = f"{name} (in-sample)" if is_in_sample(row.split) else name
    people = _interval(row.people_low, row.people_high)
    return [
        name,
        _number(row.value),
        _interval(row.low, row.high),
        people,
        percent,
        ceiling,
        letters.get(row.split, ""),
    ]


def _differences(differences: Sequence[Difference]) -> Section:
    header = ["best model - other", "difference", "interval"]
    lines: list[list[str]] = []
    for (part, measure, over), group in groupby(differences, key=lambda d: (d.part, d.measure, d.over)):
        lines.append([f"{part}: {measure} (over {over})"])
        lines += [[f"{d.better} - {d.other}", _number(d.difference, "+"), _interval(d.low, d.high, "+")] for d in group]
    return Section("Paired differences", tables=[("On the same data, resampled together.", header, lines)])


def _interval(low: float, high: float, sign: str = "") -> str:
    return f"[{_number(low, sign)}, {_number(high, sign)}]" if math.isfinite(low) else ""


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}.4f}" if math.isfinite(value) else "-"
