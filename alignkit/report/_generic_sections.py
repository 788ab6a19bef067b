"""Any result as parts of a page: its figure, its table, and its sentences for a Methods section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alignkit._result import Result
from alignkit.report._page import Figure, Section
from alignkit.report._svg import number

if TYPE_CHECKING:
    import pandas as pd

#: Rows and columns of a table on the page; the rest is in the result.
_ROWS, _COLUMNS = 200, 14


def generic_sections(found: Result) -> list[Section]:
    """Return a result as parts of a page; its figure where it can be drawn."""
    kind = type(found).__name__
    head = " ".join(repr(found).split())[:600]
    table = found.to_dataframe()
    words = Section("How it was done", paragraphs=[found.methods_text()])
    return [Section(_title(kind), figures=_figures(found), paragraphs=[head], tables=_tables(table)), words]


def _figures(found: Any) -> list[Figure]:
    if not hasattr(found, "plot"):
        return []
    from matplotlib import pyplot as plt

    try:
        figure = found.plot().get_figure(root=True)
    except (ValueError, TypeError):  # some results can only be drawn with a choice, or not in this shape
        plt.close("all")
        return []
    name = _title(type(found).__name__)
    return [
        Figure.from_matplotlib(figure, f"{name}.", alt=f"Figure of the result: {' '.join(repr(found).split())[:300]}")
    ]


def _tables(table: pd.DataFrame) -> list[tuple[str, list[str], list[list[str]]]]:
    if table.empty:
        return []
    shown = table.iloc[:_ROWS, :_COLUMNS]
    more = [f"the first {_ROWS} of {len(table):,} rows"] if len(table) > _ROWS else []
    more += [f"the first {_COLUMNS} of {table.shape[1]} columns"] if table.shape[1] > _COLUMNS else []
    caption = f"All numbers{': ' + ', '.join(more) if more else ''}."
    rows = [[_cell(value) for value in row] for row in shown.itertuples(index=False, name=None)]
    return [(caption, [str(name).replace("_", " ") for name in shown.columns], rows)]


def _cell(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _title(kind: str) -> str:
    """Return the name of a class as words: TemporalGeneralization -> Temporal generalization."""
    words = "".join(f" {letter.lower()}" if letter.isupper() and k else letter for k, letter in enumerate(kind))
    return kind if kind.isupper() else words
