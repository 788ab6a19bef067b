"""Make the next step's batch while this one is computed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Prefetch(Generic[T]):
    """Call a pure function of the step in a thread, one step ahead.

    Parameters
    ----------
    make : callable
        ``make(step)`` returns what the step needs; what it raises is raised when that step is asked for.
    stop : int
        The first step that is not needed any more.
    """

    def __init__(self, make: Callable[[int], T], stop: int) -> None:
        self._make = make
        self._stop = stop
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="alignkit-batch")
        self._next: tuple[int, Future[T]] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the batch that is being made, and drop it."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def get(self, step: int) -> T:
        """Return what step ``step`` needs, and begin with what the step after it does."""
        if self._next is None or self._next[0] != step:
            self._next = (step, self._thread.submit(self._make, step))
        result = self._next[1].result()
        ahead = step + 1
        self._next = (ahead, self._thread.submit(self._make, ahead)) if ahead < self._stop else None
        return result
