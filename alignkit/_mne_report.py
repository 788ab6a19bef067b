"""Results in reports of MNE: their figures with the Methods sentences, and their tables. MNE itself is not needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alignkit._check import shown


def add_figures(report: Any, figures: Iterable[tuple[str, Any]], *, title: str, methods: str, options: Any) -> None:
    """Add figures to an ``mne.Report`` and close them, each titled by what it shows of ``title``.

    Raises
    ------
    TypeError
        Anything but such a report.
    """
    from matplotlib import pyplot as plt

    _check(report)
    for name, figure in figures:
        try:
            report.add_figure(figure, title=f"{title}: {name}" if name else title, caption=methods, **options)
        finally:
            plt.close(figure)


def add_table(report: Any, table: Any, *, title: str, options: Any) -> None:
    """Add a data frame to an ``mne.Report`` as a table; what stands in it is escaped.

    Raises
    ------
    TypeError
        Anything but such a report.
    """
    _check(report)
    html = table.to_html(index=False, escape=True, float_format="{:.4g}".format, na_rep="-", border=0)
    report.add_html(html, title=title, **options)


def _check(report: Any) -> None:
    if not (hasattr(report, "add_figure") and hasattr(report, "add_html")):
        msg = f"report must be an mne.Report; got {shown(report)}."
        raise TypeError(msg)
