"""One HTML file that needs nothing else: no network, one script of our own, everything a user supplied escaped."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import warnings
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from alignkit import __version__
from alignkit._io import atomic_write
from alignkit._typing import PathLike
from alignkit._versions import versions
from alignkit.report._chart import Chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """A picture with its caption and the text that stands for it where it cannot be seen.

    Parameters
    ----------
    png : bytes
        The picture.
    caption, alt : str
        Shown below it; read out in its place.
    """

    png: bytes
    caption: str
    alt: str

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"

    @classmethod
    def from_matplotlib(cls, figure: MplFigure, caption: str, alt: str) -> Figure:
        """Render a matplotlib figure at twice the screen's resolution and close it."""
        from matplotlib import pyplot as plt

        buffer = io.BytesIO()
        try:
            with warnings.catch_warnings():
                # names in scripts that the font lacks become boxes in the picture; the table beside it has them
                warnings.filterwarnings("ignore", message=r"(?s)Glyph .* missing from")
                figure.savefig(buffer, format="png", dpi=160, facecolor="white", bbox_inches="tight")
        finally:
            plt.close(figure)
        return cls(buffer.getvalue(), caption, alt)


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
    """A headed part of a page: paragraphs, figures, tables, notes, commands, in this order; all of it escaped.

    Parameters
    ----------
    title : str
    paragraphs : sequence of str
    tables : sequence of (caption, header, rows)
        Cells are text. A row of a single cell is a heading above the rows that follow; a row whose first cell is in
        brackets is set back.
    figures : sequence of Figure or Chart
        Pictures, and charts that tell what is under the pointer.
    commands : sequence of str
        Shell lines, shown as such.
    notes : sequence of str
        What the tables need to be understood, in small print below them.
    """

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]] = ()
    figures: Sequence[Figure | Chart] = ()
    commands: Sequence[str] = ()
    notes: Sequence[str] = ()


def write_page(path: PathLike, /, *, title: str, lead: str, sections: Sequence[Section]) -> None:
    """Write a self-contained HTML page, atomically.

    It opens without a network, and a content security policy keeps it from using one; its tables sort, it is light or
    dark, can be used by keyboard, and prints.

    Parameters
    ----------
    path : str or path
        Where to; the folder must exist.
    title, lead : str
        The heading and the paragraph below it.
    sections : sequence of Section
        The parts, in order.

    Raises
    ------
    FileNotFoundError
        The folder of ``path`` does not exist.
    IsADirectoryError
        ``path`` is a folder.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> page = pathlib.Path(tempfile.mkdtemp()) / "page.html"
    >>> write_page(page, title="<b>", lead="Two & two", sections=[Section("One")])
    >>> "&lt;b&gt;" in page.read_text()
    True
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    template = environment.from_string(_part("page.html.jinja"))
    style, script = (Markup(_part(name)) for name in ("page.css", "page.js"))
    text = template.render(
        title=title,
        lead=lead,
        sections=sections,
        pictures=_pictures(sections),
        versions={"alignkit": __version__, **versions()},
        style=style,
        script=script,
        policy=_policy(style, script),
    )
    with atomic_write(path, "w") as file:
        file.write(text)


def _part(name: str) -> str:
    return (files("alignkit.report") / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the policy that lets a page run this script and this style, show what is in it, and fetch nothing."""
    own = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    rules = ["default-src 'none'", "img-src data:", f"style-src 'sha256-{own[0]}'", f"script-src 'sha256-{own[1]}'"]
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def _pictures(sections: Sequence[Section]) -> dict[str, str]:
    """Return the pictures of items that charts show, each once."""
    charts = [figure for section in sections for figure in section.figures if isinstance(figure, Chart)]
    return {label: uri for chart in charts for label, uri in chart.pictures.items()}
