"""A progress bar over all that is to be scored."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

#: What is done sooner shows no bar (seconds).
DELAY = 2.0


class Steps:
    """Counts what is done of what is to be done, with the time left, on stderr.

    Parameters
    ----------
    shown : bool
        Whether to show anything.
    """

    def __init__(self, shown: bool = False) -> None:
        self._shown = shown
        self._bar: Any = None
        self._started = time.monotonic()
        self._total = 0
        self._n_done = 0

    def __enter__(self) -> Self:
        """Start the clock."""
        self._started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def expect(self, n: int) -> None:
        """Add ``n`` steps to what is to be done."""
        self._total += n

    def done(self, what: str = "") -> None:
        """Count one step; ``what`` is shown as the last one done."""
        self._n_done += 1
        elapsed = time.monotonic() - self._started
        if self._bar is None and self._shown and elapsed > DELAY:
            self._open(elapsed)
        if self._bar is not None:
            self._bar.total = self._total
            self._bar.set_postfix_str(what, refresh=False)
            self._bar.update(self._n_done - self._bar.n)

    def _open(self, elapsed: float) -> None:
        # made late: a bar that is not shown yet would still be redrawn around every warning
        from tqdm import tqdm

        self._bar = tqdm(total=self._total, desc="scoring", unit="step", leave=False, smoothing=0, file=sys.stderr)
        self._bar.start_t -= elapsed
