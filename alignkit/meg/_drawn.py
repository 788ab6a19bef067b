"""Results that have a figure, which goes into MNE's reports."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from alignkit._mne_report import add_figures
from alignkit._result import Result

if TYPE_CHECKING:
    import mne
    from matplotlib.axes import Axes


class Drawn(Result):
    """Base of the results over time that are drawn."""

    __slots__ = ()

    @abstractmethod
    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the result."""

    @abstractmethod
    def _title(self) -> str:
        """Return what a report calls the result."""

    def _figures(self) -> Iterator[tuple[str, Any]]:
        """Yield each figure and whose it is: nobody's in particular, where there is one."""
        yield "", self.plot().figure.canvas.figure

    def add_to_report(self, report: mne.Report, *, title: str | None = None, **options: Any) -> None:
        """Add the figure to an ``mne.Report``, with the Methods sentences as its caption.

        ``options`` go to ``report.add_figure`` (``section``, ``tags``, ``replace``). Where there are several models, a
        searchlight adds a figure for each.

        Raises
        ------
        TypeError
            Anything but such a report.
        """
        head = self._title() if title is None else title
        add_figures(report, self._figures(), title=head, methods=self.methods_text(), options=options)
