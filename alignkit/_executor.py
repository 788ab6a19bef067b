"""Who does the work: threads of this process, or the workers of a dask cluster; the same outcome, bit for bit."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from alignkit._check import shown
from alignkit._threads import each_in_turn, n_threads, one_blas_thread

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")

#: Tasks that wait at a cluster for each of its threads: enough to keep it busy, few enough for its memory.
_AHEAD = 4
#: Bytes (``nbytes``) that travel with each task; more is sent to the workers once.
_SMALL = 1 << 16
#: How often what the cluster has lost altogether is sent again.
_ATTEMPTS = 5


class Executor(Protocol):
    """Something that calls a function of many tasks and gives back what it returns, in the order of the tasks."""

    #: Whether tasks see, and may change, the objects of this process.
    in_process: bool

    @property
    def n_workers(self) -> int:
        """How many tasks run side by side."""

    def map(
        self, function: Callable[..., Outcome], tasks: Sequence[Task], shared: Sequence[Any] = ()
    ) -> Iterator[Outcome]:
        """Yield ``function(*shared, task)`` of every task, in their order."""


class Threads:
    """Threads of this process, ``most`` at most, each with one BLAS thread."""

    in_process = True

    def __init__(self, most: int | None = None) -> None:
        self._most = most

    @property
    def n_workers(self) -> int:
        """How many tasks run side by side."""
        return max(1, min(n_threads(), self._most or n_threads()))

    def map(
        self, function: Callable[..., Outcome], tasks: Sequence[Task], shared: Sequence[Any] = ()
    ) -> Iterator[Outcome]:
        """Yield ``function(*shared, task)`` of every task, in their order."""
        return each_in_turn(functools.partial(function, *shared), tasks, self.n_workers)


class Workers:
    """The workers of a cluster, through a ``dask.distributed.Client``.

    What a worker held when it was lost is computed anew by others: the same function of the same task.
    """

    in_process = False

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def n_workers(self) -> int:
        """How many tasks run side by side, now; a cluster that is still starting counts as one."""
        return max(1, sum(self._client.nthreads().values()))

    def map(
        self, function: Callable[..., Outcome], tasks: Sequence[Task], shared: Sequence[Any] = ()
    ) -> Iterator[Outcome]:
        """Yield ``function(*shared, task)`` of every task, in their order."""
        sent = self._send(shared)
        waiting: collections.deque[tuple[Task, Any]] = collections.deque()
        ahead, rest = max(8, _AHEAD * self.n_workers), iter(tasks)
        try:
            for task in rest:
                waiting.append((task, self._submit(function, task, sent)))
                if len(waiting) < ahead:
                    continue
                ahead = max(8, _AHEAD * self.n_workers)  # workers come and go
                yield self._first(waiting, function, shared, sent)
            while waiting:
                yield self._first(waiting, function, shared, sent)
        finally:
            for _, future in waiting:
                future.cancel()
            for one in sent:
                if _is_future(one):
                    one.release()

    def _send(self, shared: Sequence[Any]) -> list[Any]:
        # to all workers, so that one that is lost takes nothing along
        return [one if _is_small(one) else self._client.scatter(one, broadcast=True, hash=False) for one in shared]

    def _submit(self, function: Callable[..., Outcome], task: Task, sent: Sequence[Any]) -> Any:
        return self._client.submit(_call, function, task, *sent, pure=False)

    def _first(
        self,
        waiting: collections.deque[tuple[Task, Any]],
        function: Callable[..., Outcome],
        shared: Sequence[Any],
        sent: list[Any],
    ) -> Outcome:
        """Return the outcome of the task that waits longest; where all that hold what it needs are lost, try anew."""
        from concurrent.futures import CancelledError

        from distributed.scheduler import KilledWorker

        for attempt in range(_ATTEMPTS):
            future = waiting[0][1]
            try:
                outcome: Outcome = future.result()
            except CancelledError:
                if attempt + 1 == _ATTEMPTS:
                    raise
                sent[:] = self._send(shared)
                again = [(one, self._submit(function, one, sent)) for one, _ in waiting]
                waiting.clear()
                waiting.extend(again)
            except KilledWorker as error:
                msg = "workers of the cluster were lost again and again at one task; give them more memory."
                raise MemoryError(msg) from error
            else:
                waiting.popleft()
                return outcome
        raise AssertionError  # the last attempt returns or raises


def as_executor(client: object, most: int | None = None) -> Executor:
    """Return threads, ``most`` at most, or the cluster that a client speaks to.

    Raises
    ------
    TypeError
        No client of dask, or one whose methods are coroutines.
    """
    if client is None:
        return Threads(most)
    ours = any(base.__module__.partition(".")[0] == "distributed" for base in type(client).__mro__)
    if not ours or not hasattr(client, "submit"):
        msg = f"client must be a dask.distributed.Client; got {shown(client)}."
        raise TypeError(msg)
    if getattr(client, "asynchronous", False):
        msg = "client is asynchronous; make it with Client(..., asynchronous=False)."
        raise TypeError(msg)
    return Workers(client)


def _call(function: Callable[..., Outcome], task: Task, *shared: Any) -> Outcome:
    with one_blas_thread():
        return function(*shared, task)


def _is_small(one: Any) -> bool:
    return bool(getattr(one, "nbytes", 0) <= _SMALL)


def _is_future(one: Any) -> bool:
    return type(one).__module__.partition(".")[0] == "distributed" and hasattr(one, "release")
