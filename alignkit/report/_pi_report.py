"""Arms of Perceptual Initialization as a page: the figure, the tables, and the commands that repeat and use them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from alignkit._check import counted
from alignkit._typing import PathLike
from alignkit.report._page import Figure, Section, write_page
from alignkit.report._training_report import settings_section
from alignkit.train import PIArms, PIConfig
from alignkit.train.pi._tell_arms import first_table, race_table, score_table


def write_pi_report(path: PathLike, found: PIArms, config: PIConfig, /) -> None:
    """Write how arms compare as one self-contained HTML page.

    Parameters
    ----------
    path : str or path
        Where to; the folder must exist.
    found : PIArms
        What :func:`alignkit.train.run_pi` returned.
    config : PIConfig
        Its settings.

    Raises
    ------
    FileNotFoundError
        The folder of ``path`` does not exist.
    IsADirectoryError
        ``path`` is a folder.

    Examples
    --------
    >>> from alignkit.train import PIConfig, run_pi
    >>> config = PIConfig(pairs="cc3m", judgements="nights/data.csv", images="nights", out="my-pi")
    >>> write_pi_report("my-pi/report.html", run_pi(config), config)  # doctest: +SKIP
    """
    sections = [_commands(found), *pi_sections(found), settings_section(config)]
    write_page(
        path, title=f"Perceptual Initialization: {found.path.resolve().name}", lead=_lead(found), sections=sections
    )


def pi_sections(found: PIArms) -> list[Section]:
    """Return how arms compare as parts of a page: curves, tables and words."""
    sections = []
    if found.drawable:
        caption = "Scores against pairs seen: means over seeds, with 95% t intervals of three seeds or more."
        alt = "; ".join(f"{row[0]} {', '.join(row[1:])}" for row in score_table(found))
        sections.append(Section("Learning curves", figures=[Figure.from_matplotlib(found.plot(), caption, alt)]))
    for title, caption, table in _tables(found):
        if len(table) > 1:
            sections.append(Section(title, tables=[(caption, table[0], table[1:])]))
    return [*sections, Section("How it was made", paragraphs=[found.methods_text()], notes=found.notes)]


def _tables(found: PIArms) -> list[tuple[str, str, Sequence[Sequence[str]]]]:
    return [
        ("Final scores", "Means over seeds, in brackets their t intervals.", score_table(found)),
        (
            "Differences to web-only",
            "Paired by seed: means, in brackets their t intervals.",
            score_table(found, differences=True),
        ),
        (
            "Sets and pairs",
            "Zero-shot sets won against web-only, pairs until its final score, and exponents of error power laws.",
            race_table(found),
        ),
        ("Judgements", "Accuracy on judgements kept back, before and after training on others.", first_table(found)),
    ]


def _commands(found: PIArms) -> Section:
    run, again = shlex.quote(str(found.path)), shlex.quote(f"{found.path}-again")
    lines = [f"alignkit train --from {run} --out {again}"]
    if found.arms:
        lines.insert(
            0, f"alignkit extract --model {shlex.quote(f'run:{found.model()}')} --images photos --out features"
        )
    return Section("Use it, repeat it", commands=lines)


def _lead(found: PIArms) -> str:
    """Return in a sentence what pi gained over web-only."""
    done = f"Finished: {', '.join(found.arms) or 'nothing'}; {counted(len(found.seeds), 'seed')}."
    gain = found.differences.get("pi", {}).get("zero_shot")
    if gain is None or gain.mean != gain.mean:
        return done
    interval = "" if gain.low == gain.low else ", without an interval (fewer than three seeds)"
    return f"{done} Mean zero-shot score of pi less that of web-only: {gain.tell('+')}{interval}."
