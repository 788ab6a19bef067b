"""Ctrl-C and SIGTERM end training after the current step, not within it."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupts:
    """Remember that a signal came, so that the loop can save a checkpoint first; a second Ctrl-C ends it at once.

    Only the main thread may listen to signals; in another one nothing changes.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Listen."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._catch) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self.caught is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.caught = number
        _tell("\nstopping after this step, with a checkpoint (Ctrl-C again: at once)")

    def leave(self, message: str) -> None:
        """End as the signal would have: KeyboardInterrupt, or SystemExit with the code that shells expect."""
        if self.caught == signal.SIGINT:
            raise KeyboardInterrupt(message)
        _tell(message)
        raise SystemExit(128 + signal.SIGTERM)


def _tell(message: str) -> None:
    # the signal that ends this process may have ended who reads its messages, or have come amid another message
    with suppress(OSError, ValueError, RuntimeError):
        print(message, file=sys.stderr)
