"""Where results over time go: one file, or a name that several files share."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alignkit._check import check_choice
from alignkit._cli._files import check_out
from alignkit._io import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIGURES = (".png", ".pdf", ".svg")


@dataclasses.dataclass(frozen=True, slots=True)
class Outputs:
    """Files that are written, each None where it was not asked for; those to resume from live until they are."""

    json: Path | None = None
    csv: Path | None = None
    figure: Path | None = None
    summary: Path | None = None
    test: Path | None = None
    methods: Path | None = None
    resume: Path | None = None
    resume_labels: Path | None = None

    @property
    def written(self) -> list[Path]:
        """All that is there at the end."""
        named = (self.json, self.csv, self.summary, self.test, self.methods, self.figure)
        return [path for path in named if path is not None]


def outputs_of(
    out: Path | None, figure: Path | None, inputs: Sequence[Path | None], *, test: bool = False, tables: bool = True
) -> Outputs:
    """Return the files for ``--out`` and ``--figure``, or raise where one of them cannot be written.

    ``test`` and ``tables`` say whether a name without a suffix also stands for the table of a test, and for a summary
    and Methods.

    Raises
    ------
    ValueError
        An unknown suffix, or a file that is also read.
    OSError
        A folder that is missing or cannot be written to, or stands where a file is meant.
    """
    found = Outputs() if out is None else _of_out(out, test=test, tables=tables)
    for path in found.written:
        check_out(path, (path.suffix,), inputs)
    if figure is not None:
        check_figure(figure, inputs)
        found = dataclasses.replace(found, figure=figure)
    return found


def check_figure(figure: Path | None, inputs: Sequence[Path | None]) -> None:
    """Raise unless a figure can be written there, as :func:`outputs_of` does."""
    if figure is None:
        return
    check_choice("the suffix of --figure", figure.suffix.lower(), _FIGURES)
    try:
        check_out(figure, (figure.suffix,), inputs)
    except (ValueError, OSError) as error:
        raise type(error)(str(error).replace("--out", "--figure")) from error


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the suffix names."""
    with atomic_write(path) as file:
        figure.savefig(file, format=path.suffix[1:].lower(), dpi=160, bbox_inches="tight", facecolor="white")


def _of_out(out: Path, *, test: bool, tables: bool) -> Outputs:
    if out.is_dir() or not out.name:
        msg = f"--out {out} is a directory; give a name for the files, such as {out / 'result'}."
        raise IsADirectoryError(msg)
    stem = out.stem if out.suffix else out.name
    partial = {
        "resume": out.with_name(f"{stem}.partial.npz"),
        "resume_labels": out.with_name(f"{stem}.labels.partial.npz"),
    }
    if out.suffix == ".json":
        return Outputs(json=out, **partial)
    if out.suffix == ".csv":
        return Outputs(csv=out, **partial)
    if out.suffix:
        msg = f"--out ends in .json or .csv, or has no suffix (result: result.json, result.csv, ...); got {out.name!r}."
        raise ValueError(msg)

    def named(end: str) -> Path:
        return out.with_name(out.name + end)

    return Outputs(
        json=named(".json"),
        csv=named(".csv"),
        figure=named(".png"),
        summary=named("-summary.csv") if tables else None,
        test=named("-test.csv") if test else None,
        methods=named("-methods.txt") if tables else None,
        **partial,
    )
