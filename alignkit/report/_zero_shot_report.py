"""Zero-shot scores as a page: every set at a glance, then set by set, and what was not scored."""

from __future__ import annotations

from alignkit._typing import PathLike
from alignkit.report._page import Figure, Section, write_page
from alignkit.report._score_report import score_sections
from alignkit.score import ZeroShotScores


def write_zero_shot_report(path: PathLike, scores: ZeroShotScores, /) -> None:
    """Write zero-shot scores as one self-contained HTML page.

    Parameters
    ----------
    path : str or path
        Where to; the folder must exist.
    scores : ZeroShotScores
        What :func:`alignkit.score.score_zero_shot` returned.

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
    >>> table = ScoreTable("zero-shot sets", (), (), ("nothing was scored",), {}, {})
    >>> settings = {"n_bootstrap": 0, "confidence": 0.95, "seed": 0, "n_shuffles": 0}
    >>> page = pathlib.Path(tempfile.mkdtemp()) / "page.html"
    >>> write_zero_shot_report(page, ZeroShotScores(table, {}, {}, (), ("cifar10",), settings))
    >>> "1 of the 29 + 2 tasks (cifar10)" in page.read_text()
    True
    """
    names = list(dict.fromkeys(row.model for row in scores.table.rows if row.role == "model"))
    lead = (
        f"{len(names)} model{'' if len(names) == 1 else 's'} on {len(scores.tasks)} zero-shot "
        f"set{'' if len(scores.tasks) == 1 else 's'}, beside chance and shuffled classes."
    )
    write_page(path, title="Zero-shot scores", lead=lead, sections=zero_shot_sections(scores))


def zero_shot_sections(scores: ZeroShotScores) -> list[Section]:
    """Return zero-shot scores as parts of a page: every set at a glance, set by set, and what was not scored."""
    sections = [_overview(scores), *score_sections(scores.table)] if scores.tasks else score_sections(scores.table)
    if scores.missing:
        sections.append(Section("Not scored", paragraphs=[scores.hint()]))
    return [*sections, Section("How it was done", paragraphs=[scores.methods_text()])]


def _overview(scores: ZeroShotScores) -> Section:
    figure = scores.plot().get_figure(root=True)
    assert figure is not None
    shown = [row for row in scores.table.rows if row.primary and row.role == "model" and row.part in scores.tasks]
    spoken = "; ".join(f"{row.part}, {row.model} {row.value:.4f}" for row in shown)
    caption = "Main measure of each set: a point for each model, with its interval over images; strokes: chance."
    rows = [
        (
            pair,
            f"{won.wins} of {len(won.tasks)}",
            f"{won.wins_low:g} to {won.wins_high:g}",
            f"{won.clear_wins}",
            f"{won.mean_difference:+.4f} [{won.mean_difference_low:+.4f}, {won.mean_difference_high:+.4f}]",
        )
        for pair, won in scores.wins.items()
    ]
    header = ("models", "sets won", "interval over sets", "won clearly", "mean difference over sets")
    return Section(
        "All sets",
        figures=[Figure.from_matplotlib(figure, caption, alt=f"Main measures: {spoken}.")],
        tables=[("Sets won by the main measure", header, rows)] if rows else (),
    )
